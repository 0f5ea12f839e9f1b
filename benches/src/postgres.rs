//! A PostgreSQL that ends with the bench, and its own tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::storage::workspace;

/// A cluster that syncs what it acknowledges. It is stopped when dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    pub(crate) url: String,
}

impl Cluster {
    pub(crate) fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let output = script("start", folder.path()).arg("--durable").output().context("running bash")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout)?;
        let url = printed.lines().last().context("scripts/postgres.sh prints a URL")?.to_owned();
        Ok(Self { folder, url })
    }

    /// Runs SQL and gives its rows as text, a line each, with `|` between the columns.
    pub(crate) fn query(&self, sql: &str) -> Result<String> {
        let mut psql = Command::new(tool("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        let output = psql.args(["--command", sql, &self.url]).output().context("running psql")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // At the end of a bench nothing is left to do about a cluster that does not stop.
        let _ = script("stop", self.folder.path()).arg("immediate").output();
    }
}

/// A program of the newest PostgreSQL that is installed the way Debian does it, or else of the one in the path.
pub(crate) fn tool(name: &str) -> PathBuf {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = folders.max_by_key(|folder| version(folder));
    newest.map(|folder| folder.join("bin").join(name)).filter(|tool| tool.exists()).unwrap_or(name.into())
}

fn script(command: &str, folder: &Path) -> Command {
    let mut process = Command::new("bash");
    process.arg(workspace().join("scripts/postgres.sh")).arg(command).arg(folder);
    process
}
