use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use maestro_auth_adapters::sqlite::SqliteStore;
use maestro_auth_domain::TenantId;
use maestro_auth_ports::Stores;
use maestro_auth_ports::contract::{StorageUnderTest, fixtures};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// A file that one process serves: what is open is shared, and opened anew once all are done with it.
pub(crate) struct Sqlite {
    folder: TempDir,
    open: Mutex<Weak<SqliteStore>>,
}

impl Sqlite {
    fn file(&self) -> PathBuf {
        self.folder.path().join("maestro-auth.db")
    }
}

#[async_trait]
impl StorageUnderTest for Sqlite {
    async fn open(&self) -> Stores {
        let mut open = self.open.lock().unwrap();
        let store = open.upgrade().unwrap_or_else(|| Arc::new(SqliteStore::open(&self.file()).unwrap()));
        *open = Arc::downgrade(&store);
        Stores::of(store)
    }

    async fn another_tenant(&self) -> TenantId {
        let tenant = fixtures::tenant();
        let mut connection = SqliteConnectOptions::new().filename(self.file()).connect().await.unwrap();
        sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, 'another')")
            .bind(tenant.as_uuid())
            .execute(&mut connection)
            .await
            .unwrap();
        tenant
    }
}

pub(crate) async fn fresh() -> Sqlite {
    let storage = Sqlite { folder: TempDir::new().unwrap(), open: Mutex::default() };
    SqliteStore::open(&storage.file()).unwrap().migrate().await.unwrap();
    storage
}

maestro_auth_ports::storage_contract!(fresh);
