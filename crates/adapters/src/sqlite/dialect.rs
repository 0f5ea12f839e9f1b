use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Sqlite, SqliteConnection};

use super::cursor::Position;
use crate::sql::{
    Dialect, EmbeddedMigration, Statement, blacklist_definitions, blacklist_deleted_user, blacklist_key,
    blacklist_session, blacklist_token, blacklist_user, catalogue_is_at, delete_user, embedded_migrations,
    end_all_sessions, end_all_sessions_of, end_session, find_principal, has_no_admin, insert_audit,
    insert_service, insert_session, insert_user, is_held_by_nobody, note_login, outdates_tokens,
    put_permission, put_role, raise_revision, replace_password, spend_counter, update_user, user_columns,
};

/// A step of several statements, each of which does something if the one before it did, until the entry of the audit
/// trail: nothing runs in between on the one connection that writes, and a statement that finds no row sets
/// `changes()` to 0. Those before the entry hence do something each time, and those after it may do nothing.
macro_rules! step {
    ($($cause:expr),+ $(; $($effect:expr),+)?) => {
        &[$($cause,)+ insert_audit!("WHERE changes() > 0"), $($($effect),+)?]
    };
}

/// Blacklists the user `$14` if the statement before this one did something.
macro_rules! blacklist_changed_user {
    () => {
        concat!(blacklist_user!(), " WHERE users.id = $14 AND changes() > 0")
    };
}

/// Raises the revision of a catalogue, and what comes with it.
macro_rules! change_catalogue {
    ($condition:expr, $change:expr) => {
        step!(
            concat!(raise_revision!(), $condition, " RETURNING catalogue_revision"),
            blacklist_definitions!("WHERE changes() > 0");
            $change
        )
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

    const ROTATE: &'static [&'static str] = &[concat!(spend_counter!(""), "sessions.id"), find_principal!()];
    const LINK: &'static [&'static str] = &[
        "DELETE FROM audit_queue WHERE entry_id IN (SELECT unhex(value ->> 1) FROM json_each($2)) \
         AND $1 = (SELECT COALESCE(max(position), 0) FROM audit_links)",
        "INSERT INTO audit_links (position, entry_id, mac) \
         SELECT value ->> 0, unhex(value ->> 1), unhex(value ->> 2) FROM json_each($2) \
         WHERE $1 = (SELECT COALESCE(max(position), 0) FROM audit_links) RETURNING entry_id",
    ];

    const CREATE: &'static [&'static str] = step!(insert_user!(catalogue_is_at!("$15", "$28", "")));
    const REGISTER: &'static [&'static str] = step!(
        insert_user!(catalogue_is_at!("$15", "$28", "")),
        insert_session!(
            "SELECT $29, tenant_id, id, $30, $31, $32, $33, $34 FROM users WHERE id = $14 AND changes() > 0"
        )
    );
    const CREATE_FIRST_ADMIN: &'static [&'static str] = step!(insert_user!(has_no_admin!()));
    const UPDATE_USER: &'static [&'static str] = step!(
        concat!(update_user!(), " RETURNING id");
        concat!(blacklist_changed_user!(), " AND ", outdates_tokens!())
    );
    const DELETE_USER: &'static [&'static str] =
        step!(concat!(delete_user!(), " RETURNING id"), blacklist_deleted_user!("WHERE changes() > 0"));
    const REPLACE_PASSWORD: &'static [&'static str] =
        step!(concat!(replace_password!(), " RETURNING generation"), blacklist_changed_user!());

    const OPEN_SESSION: &'static [&'static str] = step!(
        concat!(note_login!(), user_columns!()),
        insert_session!(
            "SELECT $17, tenant_id, id, generation, $18, $19, $19, $20 FROM users WHERE id = $14 AND changes() > 0"
        )
    );
    const END_SESSION: &'static [&'static str] = step!(
        concat!(end_session!(), " RETURNING id"),
        concat!(blacklist_session!(), " WHERE sessions.id = $14 AND changes() > 0")
    );
    const END_ALL_SESSIONS: &'static [&'static str] = step!(
        concat!(end_all_sessions!(), " RETURNING generation"),
        concat!(
            blacklist_user!(),
            " JOIN sessions ON sessions.user_id = users.id WHERE sessions.id = $14 AND changes() > 0"
        )
    );
    const END_ALL_SESSIONS_OF: &'static [&'static str] =
        step!(concat!(end_all_sessions_of!(), " RETURNING generation"), blacklist_changed_user!());
    const REVOKE_TOKEN: &'static [&'static str] = step!(concat!(blacklist_token!(), " RETURNING position"));
    const REVOKE_KEY: &'static [&'static str] = step!(
        "DELETE FROM signing_keys WHERE kid = $14 RETURNING kid",
        blacklist_key!("WHERE changes() > 0")
    );

    const PUT_ROLE: &'static [&'static str] = change_catalogue!("", put_role!("WHERE changes() > 0"));
    const DELETE_ROLE: &'static [&'static str] = change_catalogue!(
        concat!(" AND ", is_held_by_nobody!()),
        "DELETE FROM roles WHERE tenant_id = $14 AND name = $17 AND changes() > 0"
    );
    const PUT_PERMISSION: &'static [&'static str] =
        change_catalogue!("", put_permission!("WHERE changes() > 0"));
    const DELETE_PERMISSION: &'static [&'static str] = change_catalogue!(
        "",
        "DELETE FROM permissions WHERE tenant_id = $14 AND name = $17 AND changes() > 0"
    );

    const CREATE_SERVICE: &'static [&'static str] =
        step!(insert_service!(catalogue_is_at!("$15", "$20", "")));
    const DELETE_SERVICE: &'static [&'static str] =
        step!("DELETE FROM services WHERE id = $14 AND tenant_id = $15 RETURNING id");

    const FORGET_ENTRIES: &'static str = "DELETE FROM revocations WHERE position IN \
         (SELECT position FROM revocations WHERE until < $1 ORDER BY until LIMIT $2) RETURNING position";

    const TIME: Option<&'static str> = None;

    const LOCK_TENANT: Option<&'static str> = None;
    const LOCK_SIGNING_KEYS: Option<&'static str> = None;
    const LOCK_OUT_REFRESHES: Option<&'static str> = None;
    const LOCK_BY_NAME: Option<&'static str> = None;

    async fn fetch(connection: &mut SqliteConnection, statement: &Statement) -> sqlx::Result<Vec<SqliteRow>> {
        let arguments = statement.arguments::<Self>().map_err(sqlx::Error::Encode)?;
        sqlx::query_with(statement.sql, arguments).fetch_all(connection).await
    }

    async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<()> {
        connection.execute(sqlx::raw_sql(sql)).await.map(drop)
    }
}
