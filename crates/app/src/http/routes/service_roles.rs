use actix_web::HttpResponse;
use actix_web::web::Data;
use maestro_auth_domain::{PermissionName, Role};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, HttpState, in_time};

/// What every role permits.
#[derive(Serialize, ToSchema)]
#[schema(as = EffectiveRoles)]
pub(in crate::http) struct EffectiveRolesBody {
    /// All of them, by name.
    items: Vec<EffectiveRoleBody>,
}

/// A role as a service that checks permissions needs it.
#[derive(Serialize, ToSchema)]
#[schema(as = EffectiveRole)]
pub(in crate::http) struct EffectiveRoleBody {
    #[schema(example = "viewer")]
    name: String,
    /// Everything that it permits, inherited permissions included, in alphabetical order. `system:admin` implies all.
    #[schema(example = json!(["data:view", "experiment:view", "model:view"]))]
    permissions: Vec<String>,
}

impl EffectiveRoleBody {
    fn of(role: &Role) -> Self {
        let permissions = role.effective.iter().map(PermissionName::to_string).collect();
        Self { name: role.definition.name.to_string(), permissions }
    }
}

/// Lists what every role permits, for services that check permissions themselves.
///
/// Whenever it changes, the revocation feed has an entry of the kind `roles`: then it is time to ask again.
#[utoipa::path(
    get,
    path = "/api/v1/auth/roles",
    tag = "resource-servers",
    responses((status = 200, description = "All roles.", body = EffectiveRolesBody)),
)]
pub(in crate::http) async fn roles(state: Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let stored = in_time(state.auth.load_catalogue()).await?;
    let items = stored.catalogue.roles().map(EffectiveRoleBody::of).collect();
    Ok(HttpResponse::Ok().json(EffectiveRolesBody { items }))
}
