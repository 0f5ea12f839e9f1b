use std::sync::{Arc, PoisonError, RwLock};

use maestro_auth_domain::{Permissions, Roles};
use maestro_auth_ports::{StoreResult, StoredCatalogue};

use crate::{AuthService, TENANT};

/// Roles and permissions as the store has shown them last. The revocation feed tells when they have changed, so that what is read
/// from here is never older than what the feed's bound permits (api.md section 8).
#[derive(Default)]
pub(crate) struct CatalogueCache {
    /// With the number of changes that the feed had told of when it was asked for.
    last: RwLock<Option<(u64, Arc<StoredCatalogue>)>>,
}

impl CatalogueCache {
    /// The catalogue after that many changes, if it is known.
    fn find(&self, changes: u64) -> Option<Arc<StoredCatalogue>> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(known, _)| *known == changes).map(|(_, catalogue)| Arc::clone(catalogue))
    }

    /// Keeps what was asked for after that many changes, unless later ones are known.
    fn keep(&self, changes: u64, catalogue: &Arc<StoredCatalogue>) {
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(known, _)| *known <= changes) {
            *last = Some((changes, Arc::clone(catalogue)));
        }
    }
}

impl AuthService {
    /// Every role and permission, as of now. From memory as long as this instance hears of changes; else the store is asked.
    pub async fn catalogue(&self) -> StoreResult<Arc<StoredCatalogue>> {
        if let Some(changes) = self.revocations.changes_of_roles_if_fresh()
            && let Some(known) = self.catalogue.find(changes)
        {
            return Ok(known);
        }
        self.load_catalogue().await
    }

    /// The same from the store, whatever is in memory: for who decides by it what is stored, or keeps it for long.
    pub async fn load_catalogue(&self) -> StoreResult<Arc<StoredCatalogue>> {
        let changes = self.revocations.changes_of_roles();
        let catalogue = Arc::new(self.stores.roles.catalogue(TENANT).await?);
        self.catalogue.keep(changes, &catalogue);
        Ok(catalogue)
    }

    /// Everything that the roles permit, as of now.
    pub async fn permissions_of(&self, roles: &Roles) -> StoreResult<Permissions> {
        Ok(self.catalogue().await?.catalogue.permissions_of(roles))
    }
}
