//! Databases that are new, that another version migrated, or that somebody changed.

use maestro_auth_adapters::postgres::PgStore;
use maestro_auth_adapters::sql::{Dialect, MigrationError, MigrationState, SqlStore};
use maestro_auth_adapters::sqlite::SqliteStore;
use maestro_auth_adapters::testing::empty_database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row};
use tempfile::TempDir;

#[tokio::test]
async fn sqlite_tells_what_is_applied_and_refuses_what_it_does_not_know() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("maestro-auth.db");
    let store = SqliteStore::open(&file).unwrap();
    migrations_are_told_and_refused(&store, async |sql| {
        let mut connection = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        connection.execute(sql).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn postgres_tells_what_is_applied_and_refuses_what_it_does_not_know() {
    let Some(database) = empty_database().await else { return };
    let store = PgStore::at(database.url(), 2).unwrap();
    migrations_are_told_and_refused(&store, async |sql| {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        connection.execute(sql).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rel_26_four_instances_start_at_once_on_an_empty_postgres() {
    let Some(database) = empty_database().await else { return };
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let store = PgStore::at(database.url(), 2).unwrap();
            tokio::spawn(async move { store.migrate().await })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
}

/// The table of the token blacklist is made anew: its followers must find what they have read where it was.
#[tokio::test]
async fn sqlite_keeps_every_position_of_the_blacklist_when_it_learns_new_kinds() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("old.db");
    let mut old =
        SqliteConnectOptions::new().filename(&file).create_if_missing(true).connect().await.unwrap();
    for migration in [
        include_str!("../../../../migrations/sqlite/0001_users.sql"),
        include_str!("../../../../migrations/sqlite/0002_sessions.sql"),
        include_str!("../../../../migrations/sqlite/0003_signing_keys.sql"),
        include_str!("../../../../migrations/sqlite/0004_revocations.sql"),
    ] {
        old.execute(migration).await.unwrap();
    }
    old.execute(
        "INSERT INTO revocations (tenant_id, kind, subject, min_generation, until) VALUES \
         (zeroblob(16), 1, zeroblob(16), NULL, 1), (zeroblob(16), 2, zeroblob(16), NULL, 2), \
         (zeroblob(16), 3, zeroblob(16), 7, 3), (zeroblob(16), 2, zeroblob(16), NULL, 4); \
         DELETE FROM revocations WHERE position IN (2, 4)",
    )
    .await
    .unwrap();

    old.execute(include_str!("../../../../migrations/sqlite/0005_roles_services_audit.sql")).await.unwrap();

    old.execute(
        "INSERT INTO revocations (tenant_id, kind, subject, until) VALUES (zeroblob(16), 5, zeroblob(16), 5)",
    )
    .await
    .unwrap();
    let rows = sqlx::query("SELECT position, min_generation, until FROM revocations ORDER BY position");
    let rows: Vec<(i64, Option<i64>, i64)> = rows
        .fetch_all(&mut old)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    assert_eq!(rows, [(1, None, 1), (3, Some(7), 3), (5, None, 5)], "and 4 is not given twice");
    let integrity: String = sqlx::query("PRAGMA integrity_check").fetch_one(&mut old).await.unwrap().get(0);
    assert_eq!(integrity, "ok");
}

async fn migrations_are_told_and_refused<D: Dialect>(store: &SqlStore<D>, run: impl AsyncFn(&'static str)) {
    assert!(states(store).await.iter().all(|(_, state)| *state == MigrationState::Pending));
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    assert!(states(store).await.iter().all(|(_, state)| *state == MigrationState::Applied));

    run("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 999, 'of tomorrow', TRUE, checksum, 0 FROM _sqlx_migrations WHERE version = 1")
    .await;
    assert_eq!(states(store).await.last(), Some(&(999, MigrationState::Unknown)));
    assert!(matches!(store.migrate().await, Err(MigrationError::Newer(999))));

    run("UPDATE _sqlx_migrations SET success = FALSE WHERE version = 999").await;
    assert!(matches!(store.migrate().await, Err(MigrationError::Dirty(999))));

    run("DELETE FROM _sqlx_migrations WHERE version = 999").await;
    run("UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM _sqlx_migrations WHERE version = 2) \
         WHERE version = 1")
    .await;
    assert_eq!(states(store).await[0], (1, MigrationState::Changed));
    assert!(matches!(store.migrate().await, Err(MigrationError::Changed(1))));
}

async fn states<D: Dialect>(store: &SqlStore<D>) -> Vec<(i64, MigrationState)> {
    let statuses = store.migration_status().await.unwrap();
    statuses.into_iter().map(|status| (status.version, status.state)).collect()
}
