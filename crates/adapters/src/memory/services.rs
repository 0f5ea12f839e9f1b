use std::ops::Bound;

use async_trait::async_trait;
use maestro_auth_domain::{CatalogueRevision, ClientId, SecretHash, Service, TenantId};
use maestro_auth_ports::{CreateServiceOutcome, Effects, ServiceRepository, StoreResult};

use super::MemoryStore;

/// There are few services, so whatever is asked for but by id is looked for among all.
#[async_trait]
impl ServiceRepository for MemoryStore {
    async fn create_service(
        &self,
        service: Service,
        secret: SecretHash,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateServiceOutcome> {
        let state = &mut *self.state()?;
        let has_name =
            |(other, _): &(Service, _)| other.tenant == service.tenant && other.name == service.name;
        if state.services.values().any(has_name) {
            return Ok(CreateServiceOutcome::NameTaken);
        }
        if state.revision(service.tenant) != checked {
            return Ok(CreateServiceOutcome::Overtaken);
        }
        state.services.insert(service.id, (service, secret));
        state.audit.add(effects.audit);
        Ok(CreateServiceOutcome::Created)
    }

    async fn find_service(&self, id: ClientId) -> StoreResult<Option<(Service, SecretHash)>> {
        Ok(self.state()?.services.get(&id).cloned())
    }

    async fn list_services(
        &self,
        tenant: TenantId,
        after: Option<ClientId>,
        limit: u32,
    ) -> StoreResult<Vec<Service>> {
        let services = &self.state()?.services;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = services.range((start, Bound::Unbounded)).map(|(_, (service, _))| service);
        Ok(later.filter(|service| service.tenant == tenant).take(limit as usize).cloned().collect())
    }

    async fn delete_service(&self, tenant: TenantId, id: ClientId, effects: Effects) -> StoreResult<bool> {
        let state = &mut *self.state()?;
        let is_there = state.services.get(&id).is_some_and(|(service, _)| service.tenant == tenant);
        if is_there {
            state.services.remove(&id);
            state.audit.add(effects.audit);
        }
        Ok(is_there)
    }
}
