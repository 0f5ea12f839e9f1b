//! The storage that can be switched off is a storage like any other while it is on.

use std::sync::Arc;

use async_trait::async_trait;
use maestro_auth_adapters::memory::{FailingStore, MemoryStore};
use maestro_auth_domain::{CatalogueRevision, TenantId};
use maestro_auth_ports::contract::StorageUnderTest;
use maestro_auth_ports::contract::fixtures::{at, effects, key_id, session, token, user};
use maestro_auth_ports::{StoreError, Stores};

struct Switchable(Stores);

#[async_trait]
impl StorageUnderTest for Switchable {
    async fn open(&self) -> Stores {
        FailingStore::over(self.0.clone()).0
    }
}

#[expect(clippy::unused_async, reason = "the kit awaits storages that take time to open")]
async fn fresh() -> Switchable {
    Switchable(Stores::of(Arc::new(MemoryStore::new())))
}

maestro_auth_ports::storage_contract!(fresh);

#[tokio::test]
async fn a_switched_off_storage_does_nothing_until_it_is_on_again() {
    let (stores, switch) = FailingStore::over(fresh().await.0);
    let (new, first) = (user(), session(0));

    switch.turn_off();
    let refused = stores.users.register(new.clone(), first, CatalogueRevision::FIRST, effects()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    assert!(stores.sessions.find_principal(first.id, token(), key_id()).await.is_err());
    assert!(stores.blacklist.read(None, 1).await.is_err());
    assert!(stores.keys.list_keys(at(0)).await.is_err());
    assert!(stores.roles.catalogue(TenantId::DEFAULT).await.is_err());
    assert!(stores.services.list_services(TenantId::DEFAULT, None, 1).await.is_err());
    assert!(stores.audit.unlinked(None, 1).await.is_err());
    assert!(stores.health.ping().await.is_err());

    switch.turn_on();
    assert_eq!(stores.users.find_credentials(new.tenant, &new.email).await.unwrap(), None);
}
