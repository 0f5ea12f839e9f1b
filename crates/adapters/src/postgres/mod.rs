//! PostgreSQL, for one instance or many. All that it shares with SQLite is in [`crate::sql`].

mod cursor;
mod dialect;
mod signal;

use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use thiserror::Error;

use self::signal::PgSignal;
use crate::sql::{Lane, Lanes, Limits, SqlStore};
pub use crate::sql::{MigrationError, MigrationState, MigrationStatus};

/// The storage in a PostgreSQL database.
pub type PgStore = SqlStore<sqlx::Postgres>;

/// The URL of a PostgreSQL database that makes no sense. It is not repeated, since it may hold a password.
#[derive(Debug, Error)]
#[error("the URL of the PostgreSQL database is not valid; it is postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct InvalidPgUrl;

impl PgStore {
    /// A store of at most `max_connections` connections, which are made when they are needed: the database need not be
    /// up yet, and may go away and come back. Whoever follows the token blacklist has two more, and one for each
    /// subscription.
    pub fn at(url: &str, max_connections: u32) -> Result<Self, InvalidPgUrl> {
        let options: PgConnectOptions = url.parse().map_err(|_| InvalidPgUrl)?;
        let options = bounded(options);
        let lane = Lane::new(options.clone(), limits(max_connections));
        let follower = Lane::new(options.clone(), limits(FOLLOWER_CONNECTIONS));
        let signal = PgSignal::new(options, Arc::clone(&follower));
        let lanes = Lanes { reads: Arc::clone(&lane), writes: lane, follower };
        Ok(Self::over(lanes, Box::new(signal), None))
    }
}

/// One to read the token blacklist, and one to tell the others.
const FOLLOWER_CONNECTIONS: u32 = 2;
/// An answer within this, whatever happens to the database.
const STEP: Duration = Duration::from_secs(4);

const fn limits(connections: u32) -> Limits {
    Limits { connections, wait: Duration::from_secs(2), step: STEP }
}

/// The server's own bounds are tighter than the client's, so that what we give up on does not go on there.
fn bounded(options: PgConnectOptions) -> PgConnectOptions {
    options
        .application_name("maestro-auth")
        .options([
            ("statement_timeout", "3s"),
            ("lock_timeout", "2500ms"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("default_transaction_isolation", "read committed"),
        ])
        .disable_statement_logging()
}
