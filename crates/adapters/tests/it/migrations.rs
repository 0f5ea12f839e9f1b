//! Databases that are new, that another version migrated, or that somebody changed.

use maestro_auth_adapters::postgres::PgStore;
use maestro_auth_adapters::sql::{Dialect, MigrationError, MigrationState, SqlStore};
use maestro_auth_adapters::sqlite::SqliteStore;
use maestro_auth_adapters::testing::empty_database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
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
