use base64ct::{Base64UrlUnpadded, Encoding};
use maestro_auth_domain::{Action, ClientId, DisplayName, PermissionName, Permissions, Service, Subject};
use maestro_auth_ports::{CreateServiceOutcome, StoreResult};

use super::{AdminError, MAX_TRIES, words};
use crate::audit::Event;
use crate::{AuthService, Caller, TENANT};

impl AuthService {
    /// Registers a service, and gives it with its client secret: 256 random bits, told this once.
    ///
    /// It gets no permission that does not exist, and none that the caller does not hold (SEC-88).
    pub async fn create_service(
        &self,
        by: &Caller,
        name: DisplayName,
        permissions: Permissions,
    ) -> Result<(Service, String), AdminError> {
        let now = self.clock.now();
        let id = ClientId::generate(now, self.entropy.bytes());
        let secret = Base64UrlUnpadded::encode_string(&self.entropy.bytes::<32>());
        let hash = self.secret_hash(id, &secret);
        let service = Service { id, tenant: TENANT, name, permissions, created_at: now };
        for _ in 0..MAX_TRIES {
            let (by, catalogue) = self.as_of_now(by).await?;
            let exists = |name: &&PermissionName| catalogue.catalogue.permission(name).is_some();
            if let Some(unknown) = service.permissions.iter().find(|name| !exists(name)) {
                return Err(AdminError::UnknownPermission(unknown.clone()));
            }
            self.demand_all(&by, &service.permissions, &catalogue.catalogue, now)?;
            let event = Event::new(Action::ServiceCreated, by.actor(), by.origin())
                .about(Subject::Service(id))
                .with("name", service.name.as_str())
                .with("permissions", words(service.permissions.iter().map(PermissionName::as_str)));
            let (services, effects) = (&self.stores.services, self.effects(now, event));
            match services.create_service(service.clone(), hash, catalogue.revision, effects).await? {
                CreateServiceOutcome::Created => return Ok((service, secret)),
                CreateServiceOutcome::NameTaken => return Err(AdminError::NameTaken),
                CreateServiceOutcome::Overtaken => {}
            }
        }
        Err(AdminError::Overtaken)
    }

    /// Lists services in the order of their registration, `limit` after the service `after`.
    pub async fn list_services(&self, after: Option<ClientId>, limit: u32) -> StoreResult<Vec<Service>> {
        self.stores.services.list_services(TENANT, after, limit).await
    }

    /// Shows a service.
    pub async fn find_service(&self, id: ClientId) -> Result<Service, AdminError> {
        let found = self.stores.services.find_service(id).await?;
        let found = found.map(|(service, _)| service).filter(|service| service.tenant == TENANT);
        found.ok_or(AdminError::NotFound)
    }

    /// Deletes a service: its credentials open nothing from then on.
    pub async fn delete_service(&self, by: &Caller, id: ClientId) -> Result<(), AdminError> {
        let (by, _) = self.as_of_now(by).await?;
        let event = Event::new(Action::ServiceDeleted, by.actor(), by.origin()).about(Subject::Service(id));
        let effects = self.effects(self.clock.now(), event);
        let was_there = self.stores.services.delete_service(TENANT, id, effects).await?;
        was_there.then_some(()).ok_or(AdminError::NotFound)
    }
}
