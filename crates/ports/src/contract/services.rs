//! The cases of [`ServiceRepository`](crate::ServiceRepository).

use maestro_auth_domain::{CatalogueRevision, ClientId, DisplayName, Permissions, Service, TenantId};

use super::StorageUnderTest;
use super::fixtures::{at, effects, permission_name, secret_hash, service};
use super::race::race;
use crate::{CreateServiceOutcome, Stores};

const FIRST: CatalogueRevision = CatalogueRevision::FIRST;

/// 16 callers on two instances want one name, over and over: one has it, and the others are not stored. Names that differ
/// in a byte are two; one that was given up is free; and each tenant has its own.
pub async fn one_of_many_concurrent_services_has_the_name(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for round in 0..8 {
        let name = DisplayName::parse(&format!("raced {round}")).unwrap();
        let services: Vec<_> = (0..16).map(|_| Service { name: name.clone(), ..service() }).collect();
        let outcomes = race(instances.iter().cycle().zip(services.clone()).map(|(stores, service)| {
            let stores = stores.clone();
            async move { create(&stores, &service).await }
        }))
        .await;

        let winners = outcomes.iter().filter(|outcome| **outcome == CreateServiceOutcome::Created).count();
        assert_eq!(winners, 1, "{winners} services have one name");
        for (service, outcome) in services.iter().zip(&outcomes) {
            let found = instances[1].services.find_service(service.id).await.unwrap();
            assert_eq!(found.is_some(), *outcome == CreateServiceOutcome::Created, "{outcome:?}");
        }
    }

    let stores = &instances[0];
    let other = storage.another_tenant().await;
    for name in
        ["Bïlling", "bïlling", "BÏLLING", "Bi\u{308}lling", "Bïlling ", " Bïlling", "Billing", "Bïllin_"]
    {
        for tenant in [TenantId::DEFAULT, other] {
            let named =
                |service: Service| Service { tenant, name: DisplayName::parse(name).unwrap(), ..service };
            let first = named(service());
            assert_eq!(create(stores, &first).await, CreateServiceOutcome::Created, "{name:?}");
            assert_eq!(create(stores, &named(service())).await, CreateServiceOutcome::NameTaken, "{name:?}");
            assert!(stores.services.delete_service(tenant, first.id, effects()).await.unwrap());
            assert_eq!(create(stores, &named(service())).await, CreateServiceOutcome::Created, "{name:?}");
        }
    }
}

/// A service comes back exactly as it was stored, with the hash of its secret, on every instance at once; pages of any size
/// give each of the tenant once, by id; and whoever is deleted is gone everywhere.
pub async fn services_come_back_as_stored(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    let other = storage.another_tenant().await;
    let permissions =
        |names: &[&str]| -> Permissions { names.iter().map(|name| permission_name(name)).collect() };
    let mut services: Vec<_> = [&[][..], &["user:view"], &["system:admin", "audit:view", "x-1:y_2"]]
        .into_iter()
        .cycle()
        .take(12)
        .map(|names| Service { permissions: permissions(names), created_at: at(7), ..service() })
        .collect();
    services[0].permissions =
        (0..Permissions::MAX).map(|number| permission_name(&format!("many:p{number}"))).collect();
    services[1].name = DisplayName::parse(&"é".repeat(DisplayName::MAX_CHARS)).unwrap();
    services.reverse();
    services.swap(2, 7);
    let foreign = Service { tenant: other, ..service() };
    create(&here, &foreign).await;
    for service in &services {
        let secret = secret_hash();
        let outcome = here.services.create_service(service.clone(), secret, FIRST, effects()).await.unwrap();
        assert_eq!(outcome, CreateServiceOutcome::Created);
        let found = there.services.find_service(service.id).await.unwrap();
        assert_eq!(found, Some((service.clone(), secret)));
    }
    services.sort_by_key(|service| service.id);
    for limit in [1, 5, 12, 100] {
        assert_eq!(list_in_pages(&there, TenantId::DEFAULT, limit).await, services, "pages of {limit}");
    }
    assert_eq!(list_in_pages(&there, other, 10).await, std::slice::from_ref(&foreign));

    let gone = services.remove(5);
    assert!(there.services.delete_service(gone.tenant, gone.id, effects()).await.unwrap());
    assert!(
        !here.services.delete_service(gone.tenant, gone.id, effects()).await.unwrap(),
        "it was gone already"
    );
    assert_eq!(here.services.find_service(gone.id).await.unwrap(), None);
    assert!(!here.services.delete_service(TenantId::DEFAULT, foreign.id, effects()).await.unwrap());
    assert!(here.services.find_service(foreign.id).await.unwrap().is_some(), "another tenant deleted it");
    assert_eq!(list_in_pages(&here, TenantId::DEFAULT, 4).await, services);

    let last = services[0].clone();
    let deleted = race((0..16).map(|_| {
        let stores = here.clone();
        async move { stores.services.delete_service(last.tenant, last.id, effects()).await.unwrap() }
    }))
    .await;
    assert_eq!(
        deleted.into_iter().filter(|is_deleted| *is_deleted).count(),
        1,
        "one service was deleted twice"
    );
}

async fn create(stores: &Stores, service: &Service) -> CreateServiceOutcome {
    stores.services.create_service(service.clone(), secret_hash(), FIRST, effects()).await.unwrap()
}

async fn list_in_pages(stores: &Stores, tenant: TenantId, limit: u32) -> Vec<Service> {
    let mut listed: Vec<Service> = Vec::new();
    for _ in 0..1_000 {
        let after: Option<ClientId> = listed.last().map(|service| service.id);
        let page = stores.services.list_services(tenant, after, limit).await.unwrap();
        assert!(page.len() <= limit as usize, "a page is longer than its limit");
        if page.is_empty() {
            return listed;
        }
        listed.extend(page);
    }
    panic!("the pages never end");
}
