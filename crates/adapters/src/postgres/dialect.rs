use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Postgres};

use super::cursor::Cursor;
use crate::sql::{
    Dialect, EmbeddedMigration, Statement, blacklist_definitions, blacklist_deleted_user, blacklist_key,
    blacklist_session, blacklist_token, blacklist_user, catalogue_is_at, delete_user, embedded_migrations,
    end_all_sessions, end_all_sessions_of, end_session, has_no_admin, insert_audit, insert_service,
    insert_session, insert_user, is_held_by_nobody, note_login, outdates_tokens, principal_columns,
    put_permission, put_role, raise_revision, replace_password, spend_counter, update_user, user_columns,
};

/// A step of one statement: `cause` changes a row of the table and gives it, the `effects` and the entry of the audit
/// trail follow from that row, and `columns` of it are the answer.
macro_rules! step {
    ($table:literal: $cause:expr $(, $name:literal: $effect:expr)*; $columns:expr) => {
        &[concat!(
            "WITH ", $table, " AS (", $cause, "), ",
            $($name, " AS (", $effect, "), ",)*
            "noted AS (", insert_audit!("FROM ", $table), ") SELECT ", $columns, " FROM ", $table
        )]
    };
}

/// Whether the catalogue is at a revision, where it stays until the step is done: a change of it waits, or was waited
/// for.
macro_rules! while_catalogue_is_at {
    ($tenant:literal, $revision:literal) => {
        catalogue_is_at!($tenant, $revision, " FOR SHARE")
    };
}

/// Raises the revision of a catalogue whose tenant is locked, and what comes with it.
macro_rules! change_catalogue {
    ($condition:expr, $change:expr) => {
        step!("tenants": concat!(raise_revision!(), $condition, " RETURNING catalogue_revision"),
              "changed": $change,
              "revoked": blacklist_definitions!("FROM tenants");
              "catalogue_revision")
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

    // The key stays until the step is done, or is found to be gone: its revocation waits, or was waited for.
    const ROTATE: &'static [&'static str] =
        &[concat!(spend_counter!(" FOR KEY SHARE"), principal_columns!())];
    const LINK: &'static [&'static str] = &["WITH links AS ( \
         INSERT INTO audit_links (position, entry_id, mac) \
         SELECT (link ->> 0)::bigint, (link ->> 1)::uuid, decode(link ->> 2, 'hex') \
         FROM json_array_elements($2::json) AS link \
         WHERE $1 = (SELECT COALESCE(max(position), 0) FROM audit_links) RETURNING entry_id), \
         unqueued AS (DELETE FROM audit_queue WHERE entry_id IN (SELECT entry_id FROM links)) \
         SELECT entry_id FROM links"];

    const CREATE: &'static [&'static str] =
        step!("users": insert_user!(while_catalogue_is_at!("$15", "$28")); "id");
    const REGISTER: &'static [&'static str] = step!(
        "users": insert_user!(while_catalogue_is_at!("$15", "$28")),
        "opened": insert_session!("SELECT $29, users.tenant_id, users.id, $30, $31, $32, $33, $34 FROM users");
        "id"
    );
    const CREATE_FIRST_ADMIN: &'static [&'static str] = step!("users": insert_user!(has_no_admin!()); "id");
    const UPDATE_USER: &'static [&'static str] = step!(
        "users": concat!(update_user!(), " RETURNING id, tenant_id, generation"),
        "revoked": concat!(blacklist_user!(), " WHERE ", outdates_tokens!());
        "id"
    );
    const DELETE_USER: &'static [&'static str] = step!(
        "users": concat!(delete_user!(), " RETURNING id"),
        "revoked": blacklist_deleted_user!("FROM users");
        "id"
    );
    const REPLACE_PASSWORD: &'static [&'static str] = step!(
        "users": concat!(replace_password!(), " RETURNING id, tenant_id, generation"),
        "revoked": blacklist_user!();
        "generation"
    );

    /// The update locks the user's row, on which a deactivation and a new password wait, or which shows what they did.
    const OPEN_SESSION: &'static [&'static str] = step!(
        "users": concat!(note_login!(), "*"),
        "opened": insert_session!(
            "SELECT $17, users.tenant_id, users.id, users.generation, $18, $19, $19, $20 FROM users"
        );
        user_columns!()
    );
    const END_SESSION: &'static [&'static str] = step!(
        "sessions": concat!(end_session!(), " RETURNING id, tenant_id"),
        "revoked": blacklist_session!();
        "id"
    );
    const END_ALL_SESSIONS: &'static [&'static str] = step!(
        "users": concat!(end_all_sessions!(), " RETURNING users.id, users.tenant_id, users.generation"),
        "revoked": blacklist_user!();
        "generation"
    );
    const END_ALL_SESSIONS_OF: &'static [&'static str] = step!(
        "users": concat!(end_all_sessions_of!(), " RETURNING id, tenant_id, generation"),
        "revoked": blacklist_user!();
        "generation"
    );
    const REVOKE_TOKEN: &'static [&'static str] =
        step!("revoked": concat!(blacklist_token!(), " RETURNING position"); "position");
    const REVOKE_KEY: &'static [&'static str] = step!(
        "signing_keys": "DELETE FROM signing_keys WHERE kid = $14 RETURNING kid",
        "revoked": blacklist_key!("FROM signing_keys");
        "kid"
    );

    const PUT_ROLE: &'static [&'static str] = change_catalogue!("", put_role!("FROM tenants"));
    const DELETE_ROLE: &'static [&'static str] = change_catalogue!(
        concat!(" AND ", is_held_by_nobody!()),
        "DELETE FROM roles USING tenants WHERE tenant_id = $14 AND name = $17"
    );
    const PUT_PERMISSION: &'static [&'static str] = change_catalogue!("", put_permission!("FROM tenants"));
    const DELETE_PERMISSION: &'static [&'static str] =
        change_catalogue!("", "DELETE FROM permissions USING tenants WHERE tenant_id = $14 AND name = $17");

    const CREATE_SERVICE: &'static [&'static str] =
        step!("services": insert_service!(while_catalogue_is_at!("$15", "$20")); "id");
    const DELETE_SERVICE: &'static [&'static str] =
        step!("services": "DELETE FROM services WHERE id = $14 AND tenant_id = $15 RETURNING id"; "id");

    // What another instance is forgetting at the same moment is left to it.
    const FORGET_ENTRIES: &'static str = "DELETE FROM revocations WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM revocations WHERE until < $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)) \
         RETURNING position";

    const TIME: Option<&'static str> =
        Some("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now");

    // Rows that refer to the tenant can still be written beside this lock, but for those that must fit its catalogue.
    const LOCK_TENANT: Option<&'static str> = Some("SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE");
    // Keys can still be read beside this lock.
    const LOCK_SIGNING_KEYS: Option<&'static str> =
        Some("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE");
    // Those who share a lock on a row overtake whoever waits for it alone; for a table they queue. Keys can still be read.
    const LOCK_OUT_REFRESHES: Option<&'static str> = Some("LOCK TABLE signing_keys IN EXCLUSIVE MODE");
    const LOCK_BY_NAME: Option<&'static str> = Some("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))");

    async fn fetch(connection: &mut PgConnection, statement: &Statement) -> sqlx::Result<Vec<PgRow>> {
        let arguments = statement.arguments::<Self>().map_err(sqlx::Error::Encode)?;
        sqlx::query_with(statement.sql, arguments).fetch_all(connection).await
    }

    async fn execute(connection: &mut PgConnection, sql: &'static str) -> sqlx::Result<()> {
        connection.execute(sqlx::raw_sql(sql)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_wait_for_is_one_round_trip() {
        for (step, name) in [
            (Postgres::REGISTER, "registration"),
            (Postgres::OPEN_SESSION, "login"),
            (Postgres::ROTATE, "refresh"),
            (Postgres::END_SESSION, "logout"),
            (Postgres::END_ALL_SESSIONS, "logout everywhere"),
            (Postgres::REPLACE_PASSWORD, "new password"),
        ] {
            assert_eq!(step.len(), 1, "a {name} takes several statements");
        }
    }
}
