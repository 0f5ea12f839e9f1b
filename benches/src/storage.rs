//! Storages that end with the bench.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::postgres::Cluster;

/// A storage, and the folder that its servers run in.
pub(crate) struct Storage {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    folder: TempDir,
    cluster: Option<Cluster>,
}

impl Storage {
    pub(crate) fn memory() -> Result<Self> {
        Ok(Self { name: "memory", url: "memory:".to_owned(), folder: TempDir::new()?, cluster: None })
    }

    pub(crate) fn sqlite() -> Result<Self> {
        let folder = TempDir::new()?;
        let url = format!("sqlite://{}", folder.path().join("maestro-auth.db").display());
        Ok(Self { name: "SQLite", url, folder, cluster: None })
    }

    /// A PostgreSQL of its own that syncs what it acknowledges.
    pub(crate) fn postgres() -> Result<Self> {
        let cluster = Cluster::start()?;
        let (url, folder) = (cluster.url.clone(), TempDir::new()?);
        Ok(Self { name: "PostgreSQL", url, folder, cluster: Some(cluster) })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs SQL in a PostgreSQL and gives its rows, a line each.
    pub(crate) fn query(&self, sql: &str) -> Result<String> {
        self.cluster.as_ref().context("this storage is no PostgreSQL")?.query(sql)
    }
}

/// The root of the source tree.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
