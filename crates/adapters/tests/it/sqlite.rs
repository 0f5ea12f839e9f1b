//! What only SQLite has: a file.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use maestro_auth_adapters::sqlite::{OpenError, SqliteStore};
use maestro_auth_ports::StoreHealth;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use tempfile::TempDir;

#[tokio::test]
async fn rel_18_whoever_comes_second_to_a_file_is_refused_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("maestro-auth.db");
    let first = SqliteStore::open(&file).unwrap();
    let Err(refusal) = SqliteStore::open(&file) else { panic!("two stores have one file") };
    assert!(matches!(refusal, OpenError::InUse(_)));
    assert!(refusal.to_string().contains("in use by another process"), "{refusal}");
    first.migrate().await.unwrap();

    drop(first);

    SqliteStore::open(&file).unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn rel_18_a_link_to_the_file_is_the_file() {
    let folder = TempDir::new().unwrap();
    let (file, link) = (folder.path().join("x.db"), folder.path().join("y.db"));
    symlink("x.db", &link).unwrap();
    let first = SqliteStore::open(&link).unwrap(); // makes x.db
    assert!(matches!(SqliteStore::open(&file), Err(OpenError::InUse(_))));
    drop(first);

    let _first = SqliteStore::open(&file).unwrap();
    assert!(matches!(SqliteStore::open(&link), Err(OpenError::InUse(_))));
}

#[tokio::test]
async fn a_new_database_belongs_to_its_owner_alone_and_keeps_a_write_ahead_log() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("of its own/maestro-auth.db");
    let store = SqliteStore::open(&file).unwrap();
    store.migrate().await.unwrap();
    store.ping().await.unwrap();

    let mut connection = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let mode: String = sqlx::query("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap().get(0);
    assert_eq!(mode, "wal");
    assert_eq!(permissions(file.parent().unwrap()), 0o700);
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(permissions(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("letter.txt");
    let letter =
        "Dear Ada, this is not a database, and it is longer than a hundred bytes, so that SQLite can see it.";
    std::fs::write(&file, letter).unwrap();
    assert!(SqliteStore::open(&file).unwrap().migrate().await.is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), letter);
}

fn permissions(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}
