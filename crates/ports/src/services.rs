use async_trait::async_trait;
use maestro_auth_domain::{CatalogueRevision, ClientId, SecretHash, Service, TenantId};

use crate::{Effects, StoreResult};

/// Registered services.
#[async_trait]
pub trait ServiceRepository: Send + Sync {
    /// Registers a service, with the hash of its secret, while the catalogue of its tenant is at the revision `checked`.
    ///
    /// MUST let one of any number of concurrent callers have a name, per tenant, byte by byte:
    /// `one_of_many_concurrent_services_has_the_name`. MUST be refused once the catalogue has changed:
    /// `nobody_is_given_what_was_checked_against_another_catalogue`.
    async fn create_service(
        &self,
        service: Service,
        secret: SecretHash,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateServiceOutcome>;

    /// Finds a service, with the hash of its secret.
    ///
    /// MUST give back what was stored, on every instance at once: `services_come_back_as_stored`.
    async fn find_service(&self, id: ClientId) -> StoreResult<Option<(Service, SecretHash)>>;

    /// Lists the services of a tenant in the order of their ids: at most `limit` that come after `after`.
    ///
    /// MUST list each exactly once over consecutive pages: `services_come_back_as_stored`.
    async fn list_services(
        &self,
        tenant: TenantId,
        after: Option<ClientId>,
        limit: u32,
    ) -> StoreResult<Vec<Service>>;

    /// Deletes a service of the tenant, and says whether there was one.
    ///
    /// MUST be seen by every instance at once: `services_come_back_as_stored`.
    async fn delete_service(&self, tenant: TenantId, id: ClientId, effects: Effects) -> StoreResult<bool>;
}

/// What became of [`ServiceRepository::create_service`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateServiceOutcome {
    /// The service is registered.
    Created,
    /// Another service of the tenant has the name.
    NameTaken,
    /// The catalogue is another one than that which its permissions were checked against.
    Overtaken,
}
