use std::path::Path;

use maestro_auth_adapters::testing::PostgresDatabase;
use tempfile::TempDir;

/// A storage of one test's own, gone with it.
pub struct Storage {
    url: String,
    folder: TempDir,
    _database: Option<PostgresDatabase>,
}

impl Storage {
    pub fn memory() -> Self {
        Self { url: "memory:".to_owned(), folder: TempDir::new().expect("a folder"), _database: None }
    }

    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("maestro-auth.db").display());
        Self { url, folder, _database: None }
    }

    /// `None` when the tester said aloud that PostgreSQL is to be skipped.
    pub async fn postgres() -> Option<Self> {
        let database = maestro_auth_adapters::testing::fresh_database().await?;
        let folder = TempDir::new().expect("a folder");
        Some(Self { url: database.url().to_owned(), folder, _database: Some(database) })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the server over this storage runs, and keeps its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
