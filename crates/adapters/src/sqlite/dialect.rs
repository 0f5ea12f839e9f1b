use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Sqlite, SqliteConnection};

use crate::sql::{
    Dialect, EmbeddedMigration, Statement, embedded_migrations, insert_session, insert_user, note_login,
    principal_columns, spend_counter, user_columns,
};

/// A `WITH` cannot write here, so a step may be several statements; nor do transactions overlap, so no lock is needed.
impl Dialect for Sqlite {
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
    const ROTATE: &'static [&'static str] = &[
        concat!(spend_counter!(), "sessions.id"),
        concat!(
            "SELECT ",
            principal_columns!(),
            " FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1"
        ),
    ];

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
