use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Postgres};

use super::create;
use crate::postgres::PgStore;
use crate::sql::Dialect;

/// Makes the database `name` from a migrated template, which is made when it is missing.
///
/// One at a time, on the whole server: a template that somebody is connected to cannot be copied. The lock ends with the
/// connection.
pub(super) async fn clone_to(server: &PgConnectOptions, name: &str) -> Result<(), Box<dyn Error>> {
    let template = template_name();
    let mut connection = server.connect().await?;
    connection.execute("SELECT pg_advisory_lock(4711)").await?;
    let is_missing = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&template)
        .fetch_optional(&mut connection)
        .await?
        .is_none();
    if is_missing {
        make(server, &mut connection, &template).await?;
    }
    create(&mut connection, name, &template).await?;
    Ok(())
}

/// It gets its name when it is complete, so that one of which the making was interrupted is never used.
async fn make(
    server: &PgConnectOptions,
    connection: &mut PgConnection,
    template: &str,
) -> Result<(), Box<dyn Error>> {
    let draft = format!("{template}_draft");
    connection.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {draft}"))).await?;
    create(connection, &draft, "template0").await?;
    let url = server.clone().database(&draft).to_url_lossy();
    PgStore::at(url.as_str(), 1)?.migrate().await?;
    connection.execute(AssertSqlSafe(format!("ALTER DATABASE {draft} RENAME TO {template}"))).await?;
    Ok(())
}

/// Another name for other migrations: the server may live longer than a build.
fn template_name() -> String {
    let mut hasher = DefaultHasher::new();
    for migration in Postgres::MIGRATIONS {
        migration.hash(&mut hasher);
    }
    format!("maestro_template_{:016x}", hasher.finish())
}
