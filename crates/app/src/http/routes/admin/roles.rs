//! Roles: named sets of permissions, which may inherit from each other.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{Description, PermissionName, Permissions, Role, RoleDefinition, RoleName};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Sent, carried_out};
use crate::http::access::Caller;
use crate::http::openapi::{CatalogueDeleteProblems, CataloguePutProblems, UnknownProblems};
use crate::http::page::{Asked, Page, PageParams};
use crate::http::query::Query;
use crate::http::{ApiError, Fields, HttpState, body, in_time, path_id};

const NOUN: &str = "role";

/// A role.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
pub(in crate::http) struct RoleBody<'a> {
    #[schema(example = "reviewer")]
    name: &'a str,
    #[schema(example = "Looks over models before they are deployed.")]
    description: &'a str,
    /// Its own, without the inherited ones.
    #[schema(example = json!(["model:update", "model:view"]))]
    permissions: Vec<&'a str>,
    /// The roles whose permissions it has, too, with whatever those inherit.
    #[schema(example = json!(["viewer"]))]
    inherits: Vec<&'a str>,
    /// Whether it comes with the server, so that it can't be deleted.
    built_in: bool,
}

/// What a role is to be. What is left out is empty.
#[derive(ToSchema)]
#[schema(as = RoleDefinition)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct RoleDefinitionBody {
    /// At most 200 characters of one line.
    #[schema(nullable = false, max_length = 200, example = "Looks over models before they are deployed.")]
    description: Option<String>,
    /// Permissions that exist. The caller must hold them all.
    #[schema(nullable = false, max_items = 200, example = json!(["model:update"]))]
    permissions: Option<Vec<String>>,
    /// Roles that exist, and that do not inherit from this one. The caller must hold all that they permit.
    #[schema(nullable = false, max_items = 50, example = json!(["viewer"]))]
    inherits: Option<Vec<String>>,
}

/// Lists roles by name.
#[utoipa::path(
    get,
    operation_id = "list_roles",
    path = "/api/v1/admin/roles",
    tag = "administration",
    params(PageParams),
    responses((status = 200, description = "A page of roles.", body = Page<RoleBody>)),
)]
pub(in crate::http) async fn list(
    state: Data<HttpState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(&request)?;
    let asked = Asked::of(&mut query, &*state.cursor_key, "roles")?;
    query.finish()?;
    let stored = in_time(state.auth.catalogue()).await?;
    let place = |role: &&Role| role.definition.name.as_str().into();
    Ok(HttpResponse::Ok().json(asked.page_of_all(stored.catalogue.roles(), place, shown)))
}

/// Shows a role.
#[utoipa::path(
    get,
    operation_id = "get_role",
    path = "/api/v1/admin/roles/{name}",
    tag = "administration",
    params(("name" = String, Path, description = "The name of the role.", example = "viewer")),
    responses((status = 200, description = "The role.", body = RoleBody), UnknownProblems),
)]
pub(in crate::http) async fn get(
    state: Data<HttpState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let name = path_id::name(&request, NOUN, RoleName::parse)?;
    let stored = in_time(state.auth.catalogue()).await?;
    let role = stored.catalogue.role(&name).ok_or_else(|| ApiError::no_such(NOUN))?;
    Ok(HttpResponse::Ok().json(shown(role)))
}

/// Makes a role, or replaces it as a whole.
///
/// Whoever has it may do more or less from then on, on every instance; no token is refused for it. The caller must hold all that
/// the role permitted and all that it will.
#[utoipa::path(
    put,
    operation_id = "put_role",
    path = "/api/v1/admin/roles/{name}",
    tag = "administration",
    params(("name" = String, Path, description = "1–64 characters of a–z, 0–9, _ and -.", example = "reviewer")),
    request_body = RoleDefinitionBody,
    responses(
        (status = 200, description = "The role is replaced.", body = RoleBody),
        (status = 201, description = "The role is made.", body = RoleBody),
        CataloguePutProblems,
    ),
)]
pub(in crate::http) async fn put(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let name = path_id::new_name(&request, RoleName::parse)?;
    let Definition { description, permissions, inherits } =
        definition(body::required(&request, payload).await?)?;
    let role = RoleDefinition {
        name,
        description,
        permissions: Permissions::from_iter(permissions.clone()),
        inherits: inherits.clone(),
    };

    let sent: [Sent<'_>; 2] = [
        ("permissions", permissions.iter().map(PermissionName::as_str).collect()),
        ("inherits", inherits.iter().map(RoleName::as_str).collect()),
    ];
    let put = state.auth.put_role(&caller, role);
    let (role, is_new) = carried_out(put, NOUN, &sent).await?;
    let mut answer = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(shown(&role)))
}

/// Deletes a role that no account has and no role inherits from.
#[utoipa::path(
    delete,
    operation_id = "delete_role",
    path = "/api/v1/admin/roles/{name}",
    tag = "administration",
    params(("name" = String, Path, description = "The name of the role.", example = "reviewer")),
    responses((status = 204, description = "The role is gone."), CatalogueDeleteProblems),
)]
pub(in crate::http) async fn delete(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let name = path_id::name(&request, NOUN, RoleName::parse)?;
    let deleted = state.auth.delete_role(&caller, &name);
    carried_out(deleted, NOUN, &[]).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What a body says of a role, in its own order.
struct Definition {
    description: Description,
    permissions: Vec<PermissionName>,
    inherits: Vec<RoleName>,
}

fn definition(mut fields: Fields) -> Result<Definition, ApiError> {
    let description = fields.optional("description", Description::parse).unwrap_or_default();
    let permissions = fields.optional_set("permissions", Permissions::MAX, PermissionName::parse);
    let inherits = fields.optional_set("inherits", RoleDefinition::MAX_INHERITS, RoleName::parse);
    fields.finish(|| {
        let (permissions, inherits) = (permissions.unwrap_or_default(), inherits.unwrap_or_default());
        Some(Definition { description, permissions, inherits })
    })
}

fn shown(role: &Role) -> RoleBody<'_> {
    let RoleDefinition { name, description, permissions, inherits } = &role.definition;
    RoleBody {
        name: name.as_str(),
        description: description.as_str(),
        permissions: permissions.iter().map(PermissionName::as_str).collect(),
        inherits: inherits.iter().map(RoleName::as_str).collect(),
        built_in: role.built_in,
    }
}
