//! Storages that end with the bench.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A storage, and the folder that its servers run in.
pub(crate) struct Storage {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    folder: TempDir,
    _cluster: Option<Cluster>,
}

impl Storage {
    pub(crate) fn memory() -> Result<Self> {
        Ok(Self { name: "memory", url: "memory:".to_owned(), folder: TempDir::new()?, _cluster: None })
    }

    pub(crate) fn sqlite() -> Result<Self> {
        let folder = TempDir::new()?;
        let url = format!("sqlite://{}", folder.path().join("maestro-auth.db").display());
        Ok(Self { name: "SQLite", url, folder, _cluster: None })
    }

    /// A PostgreSQL of its own that syncs what it acknowledges.
    pub(crate) fn postgres() -> Result<Self> {
        let cluster = Cluster::start()?;
        Ok(Self {
            name: "PostgreSQL",
            url: cluster.url.clone(),
            folder: TempDir::new()?,
            _cluster: Some(cluster),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

struct Cluster {
    folder: TempDir,
    url: String,
}

impl Cluster {
    fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let output = script("start", folder.path()).arg("--durable").output().context("running bash")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout)?;
        let url = printed.lines().last().context("scripts/postgres.sh prints a URL")?.to_owned();
        Ok(Self { folder, url })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // At the end of a bench nothing is left to do about a cluster that does not stop.
        let _ = script("stop", self.folder.path()).arg("immediate").output();
    }
}

fn script(command: &str, folder: &Path) -> Command {
    let mut process = Command::new("bash");
    process.arg(workspace().join("scripts/postgres.sh")).arg(command).arg(folder);
    process
}

/// The root of the source tree.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
