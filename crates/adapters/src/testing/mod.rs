//! Servers for tests: PostgreSQL databases, one for each, on the throw-away server that `scripts/test.sh` starts, and a
//! Redis for each.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "this serves tests alone: it fails them aloud, and is told by the environment where the server is"
)]

mod redis;
mod template;

use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::thread;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

pub use self::redis::RedisServer;

/// The URL of a superuser of a throw-away server.
const SERVER: &str = "MAESTRO_AUTH_TEST_POSTGRES";
/// Names, separated by commas, of what the tests are to pass without.
const SKIP: &str = "MAESTRO_AUTH_TEST_SKIP";

/// A database of one test's own. It is dropped with this value, whoever is still connected.
#[derive(Debug)]
pub struct PostgresDatabase {
    server: PgConnectOptions,
    name: String,
    url: String,
}

/// A migrated database without data; `None` when the tester said aloud that PostgreSQL is to be skipped.
pub async fn fresh_database() -> Option<PostgresDatabase> {
    let server = server()?;
    let database = PostgresDatabase::named(server);
    template::clone_to(&database.server, &database.name).await.expect("a database is made from the template");
    Some(database)
}

/// A database without a table; `None` when the tester said aloud that PostgreSQL is to be skipped.
pub async fn empty_database() -> Option<PostgresDatabase> {
    let server = server()?;
    let database = PostgresDatabase::named(server);
    let mut connection = database.server.connect().await.expect("the test server answers");
    create(&mut connection, &database.name, "template0").await.expect("a database is made");
    Some(database)
}

impl PostgresDatabase {
    /// What the server under test is told.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    fn named(server: PgConnectOptions) -> Self {
        let name = format!("maestro_test_{:016x}", RandomState::new().build_hasher().finish());
        let url = server.clone().database(&name).to_url_lossy().to_string();
        Self { server, name, url }
    }
}

impl Drop for PostgresDatabase {
    /// On a thread of its own, since a test's runtime may be at its end. A server that a test has stopped keeps it.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = server.connect().await?;
                let sql = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                connection.execute(sql).await
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("the test database {} stays behind: {error}", self.name);
        }
    }
}

fn server() -> Option<PgConnectOptions> {
    if is_skipped("postgres") {
        return None;
    }
    let url = env::var(SERVER).unwrap_or_else(|_| {
        panic!(
            "this test needs PostgreSQL: run scripts/test.sh, which starts one, or set {SERVER} to the URL of a \
             superuser of a throw-away server, or say {SKIP}=postgres"
        )
    });
    Some(url.parse().expect("the URL of the test server is valid"))
}

async fn create(connection: &mut PgConnection, name: &str, template: &str) -> sqlx::Result<()> {
    let sql = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'"));
    connection.execute(sql).await.map(drop)
}

/// Whether the tester said aloud that the tests are to pass without this server. Then the test says so as well.
#[must_use]
pub fn is_skipped(server: &str) -> bool {
    let is_skipped = env::var(SKIP).is_ok_and(|names| names.split(',').any(|name| name.trim() == server));
    if is_skipped {
        // Not `eprintln!`, which the test harness hides when a test passes.
        writeln!(io::stderr(), "SKIPPED, as {SKIP} demands: this test needs {server}")
            .expect("stderr is open");
    }
    is_skipped
}
