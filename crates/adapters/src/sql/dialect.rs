use std::future::Future;

use sqlx::migrate::Migrate;

use super::blacklist::LogCursor;
use super::migrations::EmbeddedMigration;
use super::rows::Columns;
use super::statement::Statement;

/// What differs between the databases.
///
/// A constant that is a list of statements stands for one step: all of them get the same parameters, in one transaction.
pub trait Dialect: sqlx::Database<Row: Columns, Connection: Migrate> {
    /// Where a reader of the token blacklist stands.
    type Cursor: LogCursor;

    /// Starts a transaction that is going to write.
    const BEGIN: &'static str;
    /// The migrations of this dialect.
    const MIGRATIONS: &'static [EmbeddedMigration];
    /// Gives a row when the table of applied migrations exists.
    const HAS_MIGRATIONS: &'static str;
    /// Lifts the time limits of a connection that is going to migrate.
    const TAKE_TIME: Option<&'static str>;

    /// Stores a user (`$1` to `$14`) and its first session (`$15` to `$20`) unless the address is taken. The last
    /// statement gives a row when it did.
    const REGISTER: &'static [&'static str];
    /// Opens the session `$4` to `$7` for the user `$1` while it is active and has the password version `$2`, and
    /// replaces its hash by `$3` if that is given. The first statement gives the user when it did.
    const OPEN_SESSION: &'static [&'static str];
    /// Spends the counter `$2` of the live session `$1` at the time `$3` for the next, if the counter was bought after
    /// `$4`. The first statement gives a row when it did, and the last one the principal.
    const ROTATE: &'static [&'static str];

    /// Ends the session `$1` at the time `$3` if it has not ended, with the counter `$4` if that is given, and blacklists
    /// it until `$2`. The last statement gives a row when it did.
    const END_SESSION: &'static [&'static str];
    /// Ends every session of the user whose session `$1` is live at the time `$3`, and blacklists its tokens until `$2`.
    /// The last statement gives `min_generation` when it did.
    const END_ALL_SESSIONS: &'static [&'static str];
    /// Gives the user `$1` the hash `$3`, ends its sessions, and blacklists its tokens until `$2`. The last statement gives
    /// `min_generation` when it did.
    const REPLACE_PASSWORD: &'static [&'static str];
    /// Deactivates the user `$1` unless it is inactive or the last active admin, ends its sessions, and blacklists its
    /// tokens until `$2`.
    const DEACTIVATE: &'static [&'static str];
    /// Gives the user `$1` the roles `$3` unless it has them or is the last active admin, who must stay one, and
    /// blacklists its tokens until `$2`.
    const REPLACE_ROLES: &'static [&'static str];
    /// Forgets at most `$2` entries of the blacklist that ended before `$1`, and gives a row for each.
    const FORGET_ENTRIES: &'static str;

    /// Gives the time by the database's own clock as `now`, in microseconds; `None` when that is this machine's clock.
    const TIME: Option<&'static str>;

    /// Lets one transaction after the other change the admins of the tenant `$1`; `None` when transactions never overlap.
    const LOCK_TENANT: Option<&'static str>;
    /// The same, by a user `$1` of the tenant.
    const LOCK_TENANT_OF_USER: Option<&'static str>;
    /// Lets one transaction after the other change the signing keys.
    const LOCK_SIGNING_KEYS: Option<&'static str>;

    /// Runs one statement and gives its rows.
    fn fetch(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Runs SQL without parameters or rows.
    fn execute(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}
