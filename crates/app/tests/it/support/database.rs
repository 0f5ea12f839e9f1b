//! Looks into a database from outside, as a migration from another product or a thief would.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use super::Storage;

/// Puts a stored hash in place of a user's own. On SQLite no server may run meanwhile.
pub async fn set_password_hash(storage: &Storage, email: &str, hash: &str) {
    const STATEMENT: &str = "UPDATE users SET password_hash = $1 WHERE email_canonical = $2";
    let changed = if is_postgres(storage) {
        let mut connection = PgConnection::connect(storage.url()).await.expect("a connection");
        let update = sqlx::query(STATEMENT).bind(hash).bind(email).execute(&mut connection).await;
        update.expect("the statement runs").rows_affected()
    } else {
        let mut connection = SqliteConnection::connect(storage.url()).await.expect("the file opens");
        let update = sqlx::query(STATEMENT).bind(hash).bind(email).execute(&mut connection).await;
        let changed = update.expect("the statement runs").rows_affected();
        connection.close().await.expect("everything is written");
        changed
    };
    assert_eq!(changed, 1, "there is no user {email}");
}

/// The stored hash of every user, by address. On SQLite no server may run meanwhile.
pub async fn password_hashes(storage: &Storage) -> Vec<(String, String)> {
    const STATEMENT: &str = "SELECT email_canonical, password_hash FROM users ORDER BY id";
    if is_postgres(storage) {
        let mut connection = PgConnection::connect(storage.url()).await.expect("a connection");
        let rows = sqlx::query(STATEMENT).fetch_all(&mut connection).await.expect("rows");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    } else {
        let mut connection = SqliteConnection::connect(storage.url()).await.expect("the file opens");
        let rows = sqlx::query(STATEMENT).fetch_all(&mut connection).await.expect("rows");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

/// The first signing key with its sealed private half. On SQLite no server may run meanwhile.
pub async fn sealed_signing_key(storage: &Storage) -> (String, Vec<u8>) {
    const STATEMENT: &str = "SELECT kid, sealed_private_key FROM signing_keys ORDER BY created_at LIMIT 1";
    if is_postgres(storage) {
        let mut connection = PgConnection::connect(storage.url()).await.expect("a connection");
        let row = sqlx::query(STATEMENT).fetch_one(&mut connection).await.expect("a key");
        (row.get(0), row.get(1))
    } else {
        let mut connection = SqliteConnection::connect(storage.url()).await.expect("the file opens");
        let row = sqlx::query(STATEMENT).fetch_one(&mut connection).await.expect("a key");
        (row.get(0), row.get(1))
    }
}

/// Everything that somebody with a copy of the database has: the bytes of the SQLite files, or every row of every table
/// of PostgreSQL as text.
pub async fn dump(storage: &Storage) -> String {
    if !is_postgres(storage) {
        let file = storage.url().trim_start_matches("sqlite://");
        let bytes = ["", "-wal"].map(|suffix| std::fs::read(format!("{file}{suffix}")).unwrap_or_default());
        return String::from_utf8_lossy(&bytes.concat()).into_owned();
    }
    let mut connection = PgConnection::connect(storage.url()).await.expect("a connection");
    let mut dump = String::new();
    for statement in [
        "SELECT t::text FROM users t",
        "SELECT t::text FROM sessions t",
        "SELECT t::text FROM signing_keys t",
        "SELECT encode(sealed_private_key, 'escape') FROM signing_keys",
    ] {
        for row in sqlx::query(statement).fetch_all(&mut connection).await.expect("rows") {
            dump.push_str(row.get(0));
            dump.push('\n');
        }
    }
    assert!(dump.contains("$argon2id$"), "the dump shows the users");
    dump
}

fn is_postgres(storage: &Storage) -> bool {
    storage.url().starts_with("postgres")
}
