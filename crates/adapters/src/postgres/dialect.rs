use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Postgres};

use super::cursor::Cursor;
use crate::sql::{
    Dialect, EmbeddedMigration, Statement, blacklist_session, blacklist_user, deactivate,
    embedded_migrations, end_all_sessions, end_session, insert_session, insert_user, note_login,
    principal_columns, replace_password, replace_roles, spend_counter, user_columns,
};

/// Blacklists the user whom an update changed, if there is one.
macro_rules! blacklist_changed_user {
    ($update:expr) => {
        &[concat!(
            "WITH users AS (",
            $update,
            " RETURNING users.id, users.tenant_id, users.generation) ",
            blacklist_user!(),
            " RETURNING min_generation"
        )]
    };
}

/// A step is one statement, hence one round trip, wherever a `WITH` can hold it. In those named after the table, the
/// outer parts read the rows that were just written.
impl Dialect for Postgres {
    type Cursor = Cursor;

    const BEGIN: &'static str = "BEGIN";
    const MIGRATIONS: &'static [EmbeddedMigration] = embedded_migrations!("postgres");
    const HAS_MIGRATIONS: &'static str = "SELECT 1 WHERE to_regclass('_sqlx_migrations') IS NOT NULL";
    // A migration takes the time that it takes, and so does that of another instance, for which we wait.
    const TAKE_TIME: Option<&'static str> = Some("SET statement_timeout = 0; SET lock_timeout = '60s'");

    const REGISTER: &'static [&'static str] = &[concat!(
        "WITH users AS (",
        insert_user!(),
        "RETURNING id, tenant_id) ",
        insert_session!("SELECT $15, users.tenant_id, users.id, $16, $17, $18, $19, $20 FROM users"),
        " RETURNING id"
    )];
    /// The update locks the user's row, on which a deactivation and a new password wait, or which shows what they did.
    const OPEN_SESSION: &'static [&'static str] = &[concat!(
        "WITH users AS (",
        note_login!(),
        "*), opened AS (",
        insert_session!("SELECT $4, users.tenant_id, users.id, users.generation, $5, $6, $6, $7 FROM users"),
        ") SELECT ",
        user_columns!(),
        " FROM users"
    )];
    const ROTATE: &'static [&'static str] = &[concat!(spend_counter!(), principal_columns!())];

    const END_SESSION: &'static [&'static str] = &[concat!(
        "WITH sessions AS (",
        end_session!(),
        " RETURNING id, tenant_id) ",
        blacklist_session!(),
        " RETURNING position"
    )];
    const END_ALL_SESSIONS: &'static [&'static str] = blacklist_changed_user!(end_all_sessions!());
    const REPLACE_PASSWORD: &'static [&'static str] = blacklist_changed_user!(replace_password!());
    const DEACTIVATE: &'static [&'static str] = blacklist_changed_user!(deactivate!());
    const REPLACE_ROLES: &'static [&'static str] = blacklist_changed_user!(replace_roles!());
    // What another instance is forgetting at the same moment is left to it.
    const FORGET_ENTRIES: &'static str = "DELETE FROM revocations WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM revocations WHERE until < $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)) \
         RETURNING position";

    const TIME: Option<&'static str> =
        Some("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now");

    // Rows that refer to the tenant can still be written beside this lock.
    const LOCK_TENANT: Option<&'static str> = Some("SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE");
    const LOCK_TENANT_OF_USER: Option<&'static str> = Some(
        "SELECT 1 FROM tenants JOIN users ON users.tenant_id = tenants.id WHERE users.id = $1 \
         FOR NO KEY UPDATE OF tenants",
    );
    // Keys can still be read beside this lock.
    const LOCK_SIGNING_KEYS: Option<&'static str> =
        Some("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE");

    async fn fetch(connection: &mut PgConnection, statement: &Statement) -> sqlx::Result<Vec<PgRow>> {
        let arguments = statement.arguments::<Self>().map_err(sqlx::Error::Encode)?;
        sqlx::query_with(statement.sql, arguments).fetch_all(connection).await
    }

    async fn execute(connection: &mut PgConnection, sql: &'static str) -> sqlx::Result<()> {
        connection.execute(sqlx::raw_sql(sql)).await.map(drop)
    }
}
