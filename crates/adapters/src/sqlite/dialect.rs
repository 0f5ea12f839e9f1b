use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Sqlite, SqliteConnection};

use super::cursor::Position;
use crate::sql::{
    Dialect, EmbeddedMigration, Statement, blacklist_session, blacklist_user, deactivate,
    embedded_migrations, end_all_sessions, end_session, find_principal, insert_session, insert_user,
    note_login, replace_password, replace_roles, spend_counter, user_columns,
};

/// Blacklists the user `$1` if the statement before this one changed it. Nothing runs in between on the one connection
/// that writes, and an update that finds no row sets `changes()` to 0.
macro_rules! blacklist_changed_user {
    () => {
        concat!(blacklist_user!(), " WHERE users.id = $1 AND changes() > 0 RETURNING min_generation")
    };
}

/// A `WITH` cannot write here, so a step may be several statements; nor do transactions overlap, so no lock is needed.
impl Dialect for Sqlite {
    type Cursor = Position;

    /// Not a plain `BEGIN`: two that both read and then want to write would fail instead of wait.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const MIGRATIONS: &'static [EmbeddedMigration] = embedded_migrations!("sqlite");
    const HAS_MIGRATIONS: &'static str = "SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'";
    const TAKE_TIME: Option<&'static str> = None;

    const REGISTER: &'static [&'static str] = &[
        insert_user!(),
        concat!(
            insert_session!("SELECT $15, tenant_id, id, $16, $17, $18, $19, $20 FROM users WHERE id = $1"),
            " RETURNING id"
        ),
    ];
    const OPEN_SESSION: &'static [&'static str] = &[
        concat!(note_login!(), user_columns!()),
        insert_session!(
            "SELECT $4, tenant_id, id, generation, $5, $6, $6, $7 FROM users \
             WHERE id = $1 AND is_active AND password_version = $2"
        ),
    ];
    const ROTATE: &'static [&'static str] = &[concat!(spend_counter!(), "sessions.id"), find_principal!()];
    const END_SESSION: &'static [&'static str] = &[
        end_session!(),
        concat!(blacklist_session!(), " WHERE sessions.id = $1 AND changes() > 0 RETURNING position"),
    ];
    const END_ALL_SESSIONS: &'static [&'static str] = &[
        end_all_sessions!(),
        concat!(
            blacklist_user!(),
            " JOIN sessions ON sessions.user_id = users.id \
             WHERE sessions.id = $1 AND changes() > 0 RETURNING min_generation"
        ),
    ];
    const REPLACE_PASSWORD: &'static [&'static str] = &[replace_password!(), blacklist_changed_user!()];
    const DEACTIVATE: &'static [&'static str] = &[deactivate!(), blacklist_changed_user!()];
    const REPLACE_ROLES: &'static [&'static str] = &[replace_roles!(), blacklist_changed_user!()];
    const FORGET_ENTRIES: &'static str = "DELETE FROM revocations WHERE position IN \
         (SELECT position FROM revocations WHERE until < $1 ORDER BY until LIMIT $2) RETURNING position";

    const TIME: Option<&'static str> = None;

    const LOCK_TENANT: Option<&'static str> = None;
    const LOCK_TENANT_OF_USER: Option<&'static str> = None;
    const LOCK_SIGNING_KEYS: Option<&'static str> = None;

    async fn fetch(connection: &mut SqliteConnection, statement: &Statement) -> sqlx::Result<Vec<SqliteRow>> {
        let arguments = statement.arguments::<Self>().map_err(sqlx::Error::Encode)?;
        sqlx::query_with(statement.sql, arguments).fetch_all(connection).await
    }

    async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<()> {
        connection.execute(sqlx::raw_sql(sql)).await.map(drop)
    }
}
