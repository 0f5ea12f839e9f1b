use std::sync::Arc;

use anyhow::Context;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_adapters::postgres::{InvalidPgUrl, PgStore};
use maestro_auth_adapters::sqlite::{MigrationError, MigrationStatus, SqliteStore};
use maestro_auth_ports::Stores;

use crate::config::{ConfigError, DatabaseSettings, StorageUrl};
use crate::failure::Failure;

/// One of the storages, open.
pub(super) enum Storage {
    Memory(Arc<MemoryStore>),
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PgStore>),
}

impl Storage {
    pub(super) fn open(settings: &DatabaseSettings) -> Result<Self, Failure> {
        Ok(match &settings.url {
            StorageUrl::Memory => {
                tracing::warn!("everything is kept in memory: nothing survives the end of this process");
                Self::Memory(Arc::default())
            }
            StorageUrl::Sqlite(file) => {
                Self::Sqlite(Arc::new(SqliteStore::open(file).map_err(anyhow::Error::new)?))
            }
            StorageUrl::Postgres(url) => {
                let store = PgStore::at(url.expose(), settings.max_connections);
                let invalid = |error: InvalidPgUrl| ConfigError::about("database.url", &error.to_string());
                Self::Postgres(Arc::new(store.map_err(invalid)?))
            }
        })
    }

    pub(super) async fn migrate(&self) -> Result<(), Failure> {
        let migrated: Result<(), MigrationError> = match self {
            Self::Memory(_) => Ok(()),
            Self::Sqlite(store) => store.migrate().await,
            Self::Postgres(store) => store.migrate().await,
        };
        Ok(migrated.context("the storage was not migrated")?)
    }

    /// Every migration with its state; none for a storage without a schema.
    pub(super) async fn migration_status(&self) -> Result<Vec<MigrationStatus>, Failure> {
        let statuses = match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Sqlite(store) => store.migration_status().await,
            Self::Postgres(store) => store.migration_status().await,
        };
        Ok(statuses.context("the storage does not tell its migrations")?)
    }

    pub(super) fn into_stores(self) -> Stores {
        match self {
            Self::Memory(store) => Stores::of(store),
            Self::Sqlite(store) => Stores::of(store),
            Self::Postgres(store) => Stores::of(store),
        }
    }
}
