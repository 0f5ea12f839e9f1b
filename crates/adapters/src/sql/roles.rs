use async_trait::async_trait;
use maestro_auth_domain::{CatalogueRevision, RevocationTime, RoleCatalogue, TenantId};
use maestro_auth_ports::{
    CatalogueChange, CatalogueOutcome, Effects, RoleRepository, StoreResult, StoredCatalogue,
};

use super::audit::audit_values;
use super::dialect::Dialect;
use super::rows::{self, CataloguePart};
use super::statement::Statement;
use super::store::{SqlStore, first, last};

/// Whether the catalogue of a tenant is at a revision. `lock` says how long that is to stay so, where another
/// transaction may change it at any moment.
macro_rules! catalogue_is_at {
    ($tenant:literal, $revision:literal, $lock:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM tenants WHERE id = ",
            $tenant,
            " AND catalogue_revision = ",
            $revision,
            $lock,
            ")"
        )
    };
}

/// Raises the revision of the catalogue of the tenant `$14` if it is `$16`.
macro_rules! raise_revision {
    () => {
        "UPDATE tenants SET catalogue_revision = catalogue_revision + 1 WHERE id = $14 AND catalogue_revision = $16"
    };
}

/// Whether no user of the tenant `$14` has the role `$17`. In a pattern, `_` would stand for any character.
macro_rules! is_held_by_nobody {
    () => {
        "NOT EXISTS (SELECT 1 FROM users WHERE tenant_id = $14 \
         AND (' ' || roles || ' ') LIKE '% ' || replace($17, '_', '!_') || ' %' ESCAPE '!')"
    };
}

/// Stores the role `$17` to `$20` of the tenant `$14`, once or for each row of `source`.
macro_rules! put_role {
    ($source:literal) => {
        concat!(
            "INSERT INTO roles (tenant_id, name, description, permissions, inherits) SELECT $14, $17, $18, $19, $20 ",
            $source,
            " ON CONFLICT (tenant_id, name) DO UPDATE SET description = excluded.description, \
             permissions = excluded.permissions, inherits = excluded.inherits"
        )
    };
}

/// Stores the permission `$17`, `$18` of the tenant `$14`, once or for each row of `source`.
macro_rules! put_permission {
    ($source:literal) => {
        concat!(
            "INSERT INTO permissions (tenant_id, name, description) SELECT $14, $17, $18 ",
            $source,
            " ON CONFLICT (tenant_id, name) DO UPDATE SET description = excluded.description"
        )
    };
}

/// Tells the followers of the blacklist until `$15` that the catalogue of the tenant `$14` has changed.
macro_rules! blacklist_definitions {
    ($source:literal) => {
        concat!("INSERT INTO revocations (tenant_id, kind, subject, until) SELECT $14, 5, $14, $15 ", $source)
    };
}
pub(crate) use {
    blacklist_definitions, catalogue_is_at, is_held_by_nobody, put_permission, put_role, raise_revision,
};

/// In one statement, so as of one moment. Every row has the revision, and all but one row of an empty catalogue have a
/// role, or else a permission, which has no `permissions`.
const CATALOGUE: &str = "SELECT tenants.catalogue_revision, stored.name, stored.description, stored.permissions, \
     stored.inherits FROM tenants LEFT JOIN ( \
     SELECT name, description, permissions, inherits FROM roles WHERE tenant_id = $1 \
     UNION ALL SELECT name, description, NULL, NULL FROM permissions WHERE tenant_id = $1) AS stored ON TRUE \
     WHERE tenants.id = $1";
const REVISION: &str = "SELECT catalogue_revision FROM tenants WHERE id = $1";

#[async_trait]
impl<D: Dialect> RoleRepository for SqlStore<D> {
    async fn catalogue(&self, tenant: TenantId) -> StoreResult<StoredCatalogue> {
        let found = self.read(Statement::new(CATALOGUE).bind(tenant)).await?;
        let (mut roles, mut permissions) = (Vec::new(), Vec::new());
        for row in &found {
            match rows::catalogue_part(row)? {
                Some(CataloguePart::Role(role)) => roles.push(role),
                Some(CataloguePart::Permission(name, text)) => permissions.push((name, text)),
                None => {}
            }
        }
        let revision = first(&found, rows::catalogue_revision)?.unwrap_or(CatalogueRevision::FIRST);
        Ok(StoredCatalogue { catalogue: RoleCatalogue::from_stored(roles, permissions), revision })
    }

    /// While the tenant is locked, nobody is given a role that was checked against its catalogue, so nobody comes to
    /// have a role that is about to go.
    async fn change_catalogue(
        &self,
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<CatalogueOutcome> {
        let values = audit_values(&effects.audit).bind(tenant).bind(when.until).bind(seen);
        let (values, statements) = match &change {
            CatalogueChange::PutRole(role) => (
                values
                    .bind(role.name.as_str())
                    .bind(role.description.as_str())
                    .bind(&role.permissions)
                    .bind(role.inherits.as_slice()),
                D::PUT_ROLE,
            ),
            CatalogueChange::DeleteRole(name) => (values.bind(name.as_str()), D::DELETE_ROLE),
            CatalogueChange::PutPermission(name, description) => {
                (values.bind(name.as_str()).bind(description.as_str()), D::PUT_PERMISSION)
            }
            CatalogueChange::DeletePermission(name) => (values.bind(name.as_str()), D::DELETE_PERMISSION),
        };
        let statements = values.for_each(statements).chain([Statement::new(REVISION).bind(tenant)]);
        let rows = self.write_locked(Self::lock_of(tenant), statements).await?;
        if let Some(revision) = first(&rows[0], rows::catalogue_revision)? {
            return Ok(CatalogueOutcome::Changed(revision));
        }
        let present = first(&last(rows), rows::catalogue_revision)?;
        Ok(if present == Some(seen) { CatalogueOutcome::RoleHeld } else { CatalogueOutcome::Overtaken })
    }
}
