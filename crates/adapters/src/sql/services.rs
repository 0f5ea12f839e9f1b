use async_trait::async_trait;
use maestro_auth_domain::{CatalogueRevision, ClientId, SecretHash, Service, TenantId};
use maestro_auth_ports::{CreateServiceOutcome, Effects, ServiceRepository, StoreResult};
use uuid::Uuid;

use super::audit::audit_values;
use super::dialect::Dialect;
use super::rows;
use super::statement::Statement;
use super::store::{Refusal, SqlStore, all, first};

/// Stores the service `$14` to `$19` while `$condition` holds, unless its name is taken.
macro_rules! insert_service {
    ($condition:expr) => {
        concat!(
            "INSERT INTO services (id, tenant_id, name, permissions, secret_hash, created_at) \
             SELECT $14, $15, $16, $17, $18, $19 WHERE ",
            $condition,
            " ON CONFLICT (tenant_id, name) DO NOTHING RETURNING id"
        )
    };
}
pub(crate) use insert_service;

/// The columns that [`rows::service`] reads.
macro_rules! service_columns {
    () => {
        "id, tenant_id, name, permissions, created_at"
    };
}

const FIND: &str = concat!("SELECT ", service_columns!(), ", secret_hash FROM services WHERE id = $1");
const LIST: &str = concat!(
    "SELECT ",
    service_columns!(),
    " FROM services WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const WHY_REFUSED: &str = "SELECT \
     EXISTS (SELECT 1 FROM services WHERE tenant_id = $1 AND name = $2) AS is_taken, \
     (SELECT catalogue_revision FROM tenants WHERE id = $1) AS catalogue_revision";

#[async_trait]
impl<D: Dialect> ServiceRepository for SqlStore<D> {
    async fn create_service(
        &self,
        service: Service,
        secret: SecretHash,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateServiceOutcome> {
        let values = audit_values(&effects.audit)
            .bind(service.id)
            .bind(service.tenant)
            .bind(service.name.as_str())
            .bind(&service.permissions)
            .bind(secret.0.as_slice())
            .bind(service.created_at)
            .bind(checked);
        let create = values.for_each(D::CREATE_SERVICE).collect();
        let why_refused = Statement::new(WHY_REFUSED).bind(service.tenant).bind(service.name.as_str());
        Ok(match self.store_unless_refused(create, why_refused, checked).await? {
            None => CreateServiceOutcome::Created,
            Some(Refusal::Taken) => CreateServiceOutcome::NameTaken,
            Some(Refusal::Overtaken) => CreateServiceOutcome::Overtaken,
        })
    }

    async fn find_service(&self, id: ClientId) -> StoreResult<Option<(Service, SecretHash)>> {
        let found = self.read(Statement::new(FIND).bind(id)).await?;
        first(&found, |row| Ok((rows::service(row)?, rows::secret_hash(row)?)))
    }

    async fn list_services(
        &self,
        tenant: TenantId,
        after: Option<ClientId>,
        limit: u32,
    ) -> StoreResult<Vec<Service>> {
        let after = after.unwrap_or(ClientId::from_uuid(Uuid::nil()));
        let list = Statement::new(LIST).bind(tenant).bind(after).bind(limit);
        all(&self.read(list).await?, rows::service)
    }

    async fn delete_service(&self, tenant: TenantId, id: ClientId, effects: Effects) -> StoreResult<bool> {
        let values = audit_values(&effects.audit).bind(id).bind(tenant);
        let deleted = self.write_all(values.for_each(D::DELETE_SERVICE)).await?;
        Ok(!deleted[0].is_empty())
    }
}
