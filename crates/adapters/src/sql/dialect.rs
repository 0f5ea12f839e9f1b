use std::future::Future;

use sqlx::migrate::Migrate;

use super::blacklist::LogCursor;
use super::migrations::EmbeddedMigration;
use super::rows::Columns;
use super::statement::Statement;

/// What differs between the databases.
///
/// A constant that is a list of statements stands for one step: all of them get the same parameters, in one
/// transaction.
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

    /// Spends the counter `$2` of the live session `$1` at the time `$3` for the next, if the counter was bought after
    /// `$4` and the key `$5` is there. The first statement gives a row when it did, and the last one the principal.
    const ROTATE: &'static [&'static str];
    /// Adds the links `$2` to the chain if its last position is `$1`, and takes their entries from the queue. The last
    /// statement gives a row when it did.
    const LINK: &'static [&'static str];

    // Each of the following steps leaves the entry `$1` to `$13` in the audit trail when it does something, and then
    // its first statement gives a row. Where `$15` is a time, it is until when the blacklist keeps what the step adds
    // to it.

    /// Stores the user `$14` to `$27` while the catalogue is at the revision `$28`, unless the address is taken.
    const CREATE: &'static [&'static str];
    /// The same with the first session of the user, `$29` to `$34`.
    const REGISTER: &'static [&'static str];
    /// Stores the user `$14` to `$27` unless the address is taken or the tenant has an admin.
    const CREATE_FIRST_ADMIN: &'static [&'static str];
    /// Makes the user `$14`, who must be as seen in `$16` to `$23`, what `$25` to `$29` say, while the catalogue is at
    /// the revision `$30` or that is not given; with `$24` only if the tenant has another active admin. Blacklists its
    /// tokens if they are outdated.
    const UPDATE_USER: &'static [&'static str];
    /// Deletes the user `$14`, who must be as seen in `$16` to `$23`; with `$24` only if the tenant has another active
    /// admin.
    const DELETE_USER: &'static [&'static str];
    /// Gives the user `$14` the hash `$16`, and ends its sessions. Gives its `generation`.
    const REPLACE_PASSWORD: &'static [&'static str];

    /// Opens the session `$17` to `$20` for the user `$14` while it is active and has the password version `$15`, and
    /// replaces its hash by `$16` if that is given. Gives the user.
    const OPEN_SESSION: &'static [&'static str];
    /// Ends the session `$14` at the time `$16` if it has not ended, with the counter `$17` if that is given.
    const END_SESSION: &'static [&'static str];
    /// Ends every session of the user whose session `$14` is live at the time `$16`. Gives the `generation` of the
    /// user.
    const END_ALL_SESSIONS: &'static [&'static str];
    /// Ends every session of the user `$14` of the tenant `$16`. Gives the `generation` of the user.
    const END_ALL_SESSIONS_OF: &'static [&'static str];
    /// Blacklists the token `$14` of the tenant `$16`, unless it is blacklisted.
    const REVOKE_TOKEN: &'static [&'static str];
    /// Deletes the key `$14`, and blacklists it in the name of the tenant `$16`.
    const REVOKE_KEY: &'static [&'static str];

    /// Stores the role `$17` to `$20` of the tenant `$14`, whose catalogue must be at the revision `$16`. Gives the
    /// next `catalogue_revision`, as all changes of a catalogue do.
    const PUT_ROLE: &'static [&'static str];
    /// Deletes the role `$17` unless somebody has it.
    const DELETE_ROLE: &'static [&'static str];
    /// Stores the permission `$17`, `$18`.
    const PUT_PERMISSION: &'static [&'static str];
    /// Deletes the permission `$17`.
    const DELETE_PERMISSION: &'static [&'static str];

    /// Stores the service `$14` to `$19` while the catalogue is at the revision `$20`, unless the name is taken.
    const CREATE_SERVICE: &'static [&'static str];
    /// Deletes the service `$14` of the tenant `$15`.
    const DELETE_SERVICE: &'static [&'static str];

    /// Forgets at most `$2` entries of the blacklist that ended before `$1`, and gives a row for each.
    const FORGET_ENTRIES: &'static str;

    /// Gives the time by the database's own clock as `now`, in microseconds; `None` when that is this machine's clock.
    const TIME: Option<&'static str>;

    /// Lets one transaction after the other change the admins or the catalogue of the tenant `$1`; `None` when
    /// transactions never overlap.
    const LOCK_TENANT: Option<&'static str>;
    /// Lets one transaction after the other change the signing keys.
    const LOCK_SIGNING_KEYS: Option<&'static str>;
    /// The same, and lets no refresh hold a key beside it: whoever revokes one is not to wait for an endless line of them.
    const LOCK_OUT_REFRESHES: Option<&'static str>;
    /// Lets one transaction after the other do what they agree to call `$1`.
    const LOCK_BY_NAME: Option<&'static str>;

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
