use std::sync::Arc;

use async_trait::async_trait;
use maestro_auth_adapters::postgres::PgStore;
use maestro_auth_adapters::testing::{PostgresDatabase, fresh_database};
use maestro_auth_domain::TenantId;
use maestro_auth_ports::Stores;
use maestro_auth_ports::contract::{StorageUnderTest, fixtures};
use sqlx::{Connection, PgConnection};

/// A database of the case's own, and as many instances over it as the case opens.
pub(crate) struct Postgres(Option<PostgresDatabase>);

impl Postgres {
    fn url(&self) -> &str {
        self.0.as_ref().map(PostgresDatabase::url).expect("a case that is not skipped")
    }
}

#[async_trait]
impl StorageUnderTest for Postgres {
    async fn open(&self) -> Stores {
        Stores::of(Arc::new(PgStore::at(self.url(), 4).unwrap()))
    }

    async fn another_tenant(&self) -> TenantId {
        let tenant = fixtures::tenant();
        let mut connection = PgConnection::connect(self.url()).await.unwrap();
        sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, 'another')")
            .bind(tenant.as_uuid())
            .execute(&mut connection)
            .await
            .unwrap();
        tenant
    }

    fn is_skipped(&self) -> bool {
        self.0.is_none()
    }
}

pub(crate) async fn fresh() -> Postgres {
    Postgres(fresh_database().await)
}

maestro_auth_ports::storage_contract!(fresh);
