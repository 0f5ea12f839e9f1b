use std::path::Path;

use maestro_auth_adapters::testing::PostgresDatabase;
use tempfile::TempDir;

use super::turns::Turn;

/// A storage of one test's own, gone with it.
pub struct Storage {
    url: String,
    folder: TempDir,
    _database: Option<PostgresDatabase>,
    _turn: Turn,
}

impl Storage {
    pub fn memory() -> Self {
        Self::at("memory:")
    }

    pub fn sqlite() -> Self {
        Self::sqlite_file(Turn::ordinary())
    }

    /// An SQLite file, and the machine to itself: no other test runs beside this one.
    pub fn sqlite_alone() -> Self {
        Self::sqlite_file(Turn::storm())
    }

    /// `None` when the tester said aloud that PostgreSQL is to be skipped.
    pub async fn postgres() -> Option<Self> {
        let turn = Turn::ordinary();
        let database = maestro_auth_adapters::testing::fresh_database().await?;
        let url = database.url().to_owned();
        Some(Self { url, folder: new_folder(), _database: Some(database), _turn: turn })
    }

    /// A storage that the test keeps itself.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), folder: new_folder(), _database: None, _turn: Turn::ordinary() }
    }

    fn sqlite_file(turn: Turn) -> Self {
        let folder = new_folder();
        let url = format!("sqlite://{}", folder.path().join("maestro-auth.db").display());
        Self { url, folder, _database: None, _turn: turn }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the server over this storage runs, and keeps its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn new_folder() -> TempDir {
    TempDir::new().expect("a folder")
}
