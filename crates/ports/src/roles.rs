use async_trait::async_trait;
use maestro_auth_domain::{
    CatalogueRevision, Description, PermissionName, RevocationTime, RoleCatalogue, RoleDefinition, RoleName,
    TenantId,
};

use crate::{Effects, StoreResult};

/// Roles and permissions beyond the built-in ones.
///
/// The catalogue of a tenant is small and changes rarely, so it is read as a whole, and changed by whoever has seen it as it
/// is. What it allows is [`RoleCatalogue`]'s business.
#[async_trait]
pub trait RoleRepository: Send + Sync {
    /// The catalogue of a tenant. One that nobody has changed is that of the server, at the first revision.
    ///
    /// MUST give back what was stored: `a_changed_catalogue_comes_back_as_stored`; and see no other tenant's:
    /// `tenants_do_not_see_each_other`.
    async fn catalogue(&self, tenant: TenantId) -> StoreResult<StoredCatalogue>;

    /// Changes a catalogue that is still at the revision `seen`.
    ///
    /// MUST raise the revision, and tell the followers of the blacklist by
    /// [`Revoked::RoleDefinitions`](maestro_auth_domain::Revoked::RoleDefinitions), in the same step:
    /// `a_changed_catalogue_comes_back_as_stored`. MUST do nothing for whoever has not seen the catalogue as it is:
    /// `one_of_many_concurrent_catalogue_changes_wins`. MUST keep a role that a user has, also in a race:
    /// `a_role_that_somebody_has_stays`.
    async fn change_catalogue(
        &self,
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<CatalogueOutcome>;
}

/// Roles and permissions as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCatalogue {
    /// What exists.
    pub catalogue: RoleCatalogue,
    /// Which of the catalogues of the tenant that is.
    pub revision: CatalogueRevision,
}

/// One change of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogueChange {
    /// Makes or replaces a role.
    PutRole(RoleDefinition),
    /// Deletes a role that no user has.
    DeleteRole(RoleName),
    /// Makes a permission, or describes it anew.
    PutPermission(PermissionName, Description),
    /// Deletes a permission.
    DeletePermission(PermissionName),
}

/// What became of [`RoleRepository::change_catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueOutcome {
    /// The catalogue is changed and has this revision now.
    Changed(CatalogueRevision),
    /// It was changed by somebody else in between.
    Overtaken,
    /// A user has the role that was to be deleted.
    RoleHeld,
}
