//! Registered services: programs that ask this server, and prove by client credentials which one they are.

use std::sync::Arc;

use maestro_auth_domain::{Action, Actor, ClientId, Origin, Outcome, SecretHash, Service, Subject};
use maestro_auth_ports::StoreResult;

use crate::audit::Event;
use crate::{AuthService, AuthenticateError, AuthorizeError};

impl AuthService {
    /// Tells which registered service has these credentials (RFC 6749 section 2.3.1). The store is asked each time, so that a
    /// deleted service is nobody at once, on every instance.
    pub(crate) async fn authenticate_service(
        &self,
        client_id: &str,
        client_secret: &str,
        origin: &Origin,
    ) -> Result<Arc<Service>, AuthorizeError> {
        let id = client_id.parse::<ClientId>().ok();
        let found = self.find_by_credentials(id, client_secret).await.map_err(AuthenticateError::Store)?;
        found.map(Arc::new).ok_or_else(|| {
            let event = Event::new(Action::ServiceRefused, Actor::Anonymous, origin).ended(Outcome::Failure);
            let event = match id {
                Some(id) => event.about(Subject::Service(id)),
                None => event,
            };
            self.tell(self.clock.now(), event);
            AuthorizeError::InvalidClient
        })
    }

    /// Whether the service still exists: for answers that are held open for long.
    pub async fn is_registered(&self, service: &Service) -> StoreResult<bool> {
        Ok(self.stores.services.find_service(service.id).await?.is_some())
    }

    async fn find_by_credentials(&self, id: Option<ClientId>, secret: &str) -> StoreResult<Option<Service>> {
        let Some(id) = id else { return Ok(None) };
        let Some((service, SecretHash(hash))) = self.stores.services.find_service(id).await? else {
            return Ok(None);
        };
        let is_right = self.keyed_hash.is_tag(&secret_context(id), secret.as_bytes(), &hash);
        Ok(is_right.then_some(service))
    }

    /// What is stored of the secret of a service.
    pub(crate) fn secret_hash(&self, id: ClientId, secret: &str) -> SecretHash {
        SecretHash(self.keyed_hash.tag(&secret_context(id), secret.as_bytes()))
    }
}

/// The hash of one service's secret is none of another's.
fn secret_context(id: ClientId) -> String {
    format!("client-secret/{id}")
}
