//! SQLite, for one process. All that it shares with PostgreSQL is in [`crate::sql`].

mod cursor;
mod dialect;
mod file;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_ports::{BlacklistWakeups, StoreResult};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

pub use self::file::OpenError;
use crate::sql::{Lane, Lanes, Limits, Signal, SqlStore};
pub use crate::sql::{MigrationError, MigrationState, MigrationStatus};
use crate::wakeups::LocalWakeups;

/// The storage in an SQLite file.
pub type SqliteStore = SqlStore<sqlx::Sqlite>;

/// Readers beside the one writer. Each is a thread.
const READERS: u32 = 4;

impl SqliteStore {
    /// Opens the database in `file`, and makes it, with its folder, if need be. Nobody else may have it open: a second
    /// process on the same file is refused for as long as this store lives (REL-18).
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        let lock = file::claim(file)?;
        let reads = Lane::new(options(file).pragma("query_only", "ON"), limits(READERS));
        let writes = Lane::new(options(file).journal_mode(SqliteJournalMode::Wal), limits(1));
        let follower = Lane::new(options(file).pragma("query_only", "ON"), limits(1));
        Ok(Self::over(Lanes { reads, writes, follower }, Box::new(LocalWakeups::default()), Some(lock)))
    }
}

/// All followers are in the one process that has the file.
#[async_trait]
impl Signal for LocalWakeups {
    fn wake(&self) {
        Self::wake(self);
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        Ok(Self::subscribe(self))
    }
}

/// Longer than SQLite waits for its own lock.
const fn limits(connections: u32) -> Limits {
    Limits { connections, wait: Duration::from_secs(3), step: Duration::from_secs(8) }
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .synchronous(SqliteSynchronous::Full) // what was acknowledged survives a power failure
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}
