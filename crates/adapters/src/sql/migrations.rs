use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection, SqlSafeStr};
use thiserror::Error;

use super::dialect::Dialect;
use super::statement::Statement;
use super::store::SqlStore;

/// A migration that is part of the program.
#[derive(Debug, Hash)]
pub struct EmbeddedMigration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

impl EmbeddedMigration {
    pub(crate) const fn new(version: i64, name: &'static str, sql: &'static str) -> Self {
        Self { version, name, sql }
    }
}

/// The migrations of both dialects: equal numbers and names, one folder each.
macro_rules! embedded_migrations {
    ($dialect:literal) => {
        $crate::sql::embedded_migrations! { $dialect:
            1 "0001" "users", 2 "0002" "sessions", 3 "0003" "signing_keys", 4 "0004" "revocations",
            5 "0005" "roles_services_audit"
        }
    };
    ($dialect:literal: $($version:literal $number:literal $name:literal),*) => {
        &[$($crate::sql::EmbeddedMigration::new(
            $version,
            $name,
            include_str!(concat!("../../../../migrations/", $dialect, "/", $number, "_", $name, ".sql")),
        )),*]
    };
}
pub(crate) use embedded_migrations;

/// Why a database could not be migrated. It is as it was before.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// Another version of this program made the schema.
    #[error(
        "the database was migrated by a newer version of Maestro Auth (migration {0} is unknown to this one); \
         run that version, or restore a backup from before its migration"
    )]
    Newer(i64),
    /// What was applied is not what this program would apply.
    #[error(
        "migration {0} was applied to this database with other content than this version has; \
         run the version of Maestro Auth that applied it"
    )]
    Changed(i64),
    /// A migration stopped half-way.
    #[error(
        "migration {0} stopped half-way; restore the backup from before it, or repair the schema by hand and delete \
         the row of that version from _sqlx_migrations, then start again"
    )]
    Dirty(i64),
    /// A statement of a migration failed, and the migration was rolled back.
    #[error("migration {0} failed and was rolled back")]
    Failed(i64, #[source] sqlx::Error),
    /// The database did not answer, or refused.
    #[error("the database cannot be migrated")]
    Unavailable(#[source] sqlx::Error),
}

/// One migration and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    pub version: i64,
    /// Empty when the migration is unknown to this version.
    pub name: &'static str,
    pub state: MigrationState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// It is applied.
    Applied,
    /// The next start will apply it.
    Pending,
    /// It was applied with other content.
    Changed,
    /// It was applied by a newer version.
    Unknown,
}

/// The table in which sqlx keeps what is applied.
const TABLE: &str = "_sqlx_migrations";

impl<D: Dialect> SqlStore<D> {
    /// Applies the migrations that are not applied yet, each in a transaction; one instance at a time.
    pub async fn migrate(&self) -> Result<(), MigrationError> {
        let mut connection = self.writes.connect().await.map_err(MigrationError::Unavailable)?;
        let migrated = apply::<D>(&mut connection).await;
        // Closing it also ends the lock, which sqlx keeps after a failure.
        let closed = connection.close().await;
        migrated.map_err(reason)?;
        closed.map_err(MigrationError::Unavailable)
    }

    /// Every migration that this version knows or that was applied, in order. Changes nothing.
    pub async fn migration_status(&self) -> Result<Vec<MigrationStatus>, MigrationError> {
        let mut connection = self.writes.connect().await.map_err(MigrationError::Unavailable)?;
        let exists = D::fetch(&mut connection, &Statement::new(D::HAS_MIGRATIONS)).await;
        let mut applied = if exists.map_err(MigrationError::Unavailable)?.is_empty() {
            Vec::new()
        } else {
            connection.list_applied_migrations(TABLE).await.map_err(reason)?
        };
        let mut statuses: Vec<_> = known::<D>()
            .into_iter()
            .zip(D::MIGRATIONS)
            .map(|(known, embedded)| {
                let found = applied.iter().position(|applied| applied.version == known.version);
                let state = match found.map(|index| applied.swap_remove(index)) {
                    None => MigrationState::Pending,
                    Some(applied) if applied.checksum == known.checksum => MigrationState::Applied,
                    Some(_) => MigrationState::Changed,
                };
                MigrationStatus { version: embedded.version, name: embedded.name, state }
            })
            .collect();
        statuses.extend(applied.iter().map(|unknown| MigrationStatus {
            version: unknown.version,
            name: "",
            state: MigrationState::Unknown,
        }));
        statuses.sort_by_key(|status| status.version);
        Ok(statuses)
    }
}

async fn apply<D: Dialect>(connection: &mut D::Connection) -> Result<(), MigrateError> {
    if let Some(sql) = D::TAKE_TIME {
        D::execute(connection, sql).await?;
    }
    // `Migrator::run` on a borrowed connection is not `Send`; this is what it calls.
    Migrator::with_migrations(known::<D>()).run_direct(None, connection, false).await
}

fn known<D: Dialect>() -> Vec<Migration> {
    let migration = |embedded: &'static EmbeddedMigration| {
        let sql = embedded.sql.into_sql_str();
        Migration::new(embedded.version, embedded.name.into(), MigrationType::Simple, sql, false)
    };
    D::MIGRATIONS.iter().map(migration).collect()
}

fn reason(error: MigrateError) -> MigrationError {
    match error {
        MigrateError::VersionMissing(version) => MigrationError::Newer(version),
        MigrateError::VersionMismatch(version) => MigrationError::Changed(version),
        MigrateError::Dirty(version) => MigrationError::Dirty(version),
        MigrateError::ExecuteMigration(source, version) => MigrationError::Failed(version, source),
        MigrateError::Execute(source) => MigrationError::Unavailable(source),
        other => MigrationError::Unavailable(sqlx::Error::Migrate(Box::new(other))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_embedded_migrations_are_those_of_both_folders() {
        assert_eq!(embedded::<sqlx::Postgres>(), folder("postgres"));
        assert_eq!(embedded::<sqlx::Sqlite>(), folder("sqlite"));
    }

    /// File names and contents.
    fn embedded<D: Dialect>() -> Vec<(String, String)> {
        D::MIGRATIONS
            .iter()
            .map(|migration| {
                (format!("{:04}_{}.sql", migration.version, migration.name), migration.sql.to_owned())
            })
            .collect()
    }

    fn folder(dialect: &str) -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(dialect);
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }
}
