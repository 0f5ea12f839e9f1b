use std::collections::BTreeMap;

use async_trait::async_trait;
use maestro_auth_domain::{
    BlacklistEntry, CatalogueRevision, Description, PermissionName, RevocationTime, Revoked, RoleCatalogue,
    RoleDefinition, RoleName, TenantId,
};
use maestro_auth_ports::{
    CatalogueChange, CatalogueOutcome, Effects, RoleRepository, StoreResult, StoredCatalogue,
};

use super::{MemoryStore, State};

/// What a tenant has stored over the built-in roles and permissions.
pub(super) struct Catalogue {
    revision: CatalogueRevision,
    roles: BTreeMap<RoleName, RoleDefinition>,
    permissions: BTreeMap<PermissionName, Description>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self { revision: CatalogueRevision::FIRST, roles: BTreeMap::new(), permissions: BTreeMap::new() }
    }
}

impl Catalogue {
    fn apply(&mut self, change: CatalogueChange) {
        match change {
            CatalogueChange::PutRole(role) => drop(self.roles.insert(role.name.clone(), role)),
            CatalogueChange::DeleteRole(name) => drop(self.roles.remove(&name)),
            CatalogueChange::PutPermission(name, text) => drop(self.permissions.insert(name, text)),
            CatalogueChange::DeletePermission(name) => drop(self.permissions.remove(&name)),
        }
        self.revision = self.revision.next();
    }
}

impl State {
    /// Which of the catalogues of the tenant the present one is.
    pub(super) fn revision(&self, tenant: TenantId) -> CatalogueRevision {
        self.catalogues.get(&tenant).map_or(CatalogueRevision::FIRST, |catalogue| catalogue.revision)
    }
}

#[async_trait]
impl RoleRepository for MemoryStore {
    async fn catalogue(&self, tenant: TenantId) -> StoreResult<StoredCatalogue> {
        let state = self.state()?;
        let stored = state.catalogues.get(&tenant).map(|stored| {
            RoleCatalogue::from_stored(stored.roles.values().cloned(), stored.permissions.clone())
        });
        let catalogue = stored.unwrap_or_else(RoleCatalogue::built_in);
        Ok(StoredCatalogue { catalogue, revision: state.revision(tenant) })
    }

    async fn change_catalogue(
        &self,
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<CatalogueOutcome> {
        let state = &mut *self.state()?;
        if state.revision(tenant) != seen {
            return Ok(CatalogueOutcome::Overtaken);
        }
        if let CatalogueChange::DeleteRole(role) = &change
            && state.users.hold(tenant, role)
        {
            return Ok(CatalogueOutcome::RoleHeld);
        }
        let catalogue = state.catalogues.entry(tenant).or_default();
        catalogue.apply(change);
        let revoked = Revoked::RoleDefinitions;
        state.blacklist.add(BlacklistEntry { tenant, revoked, until: when.until });
        state.audit.add(effects.audit);
        Ok(CatalogueOutcome::Changed(catalogue.revision))
    }
}
