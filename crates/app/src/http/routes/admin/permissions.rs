//! Permissions: what roles and services can be given.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{Description, Permission, PermissionName};
use serde::Serialize;
use utoipa::ToSchema;

use super::carried_out;
use crate::http::access::Caller;
use crate::http::openapi::{CatalogueDeleteProblems, CataloguePutProblems};
use crate::http::page::{Asked, Page, PageParams};
use crate::http::query::Query;
use crate::http::{ApiError, HttpState, body, in_time, path_id};

const NOUN: &str = "permission";

/// A permission that exists.
#[derive(Serialize, ToSchema)]
#[schema(as = Permission)]
pub(in crate::http) struct PermissionBody<'a> {
    /// `resource:action`.
    #[schema(example = "report:publish")]
    name: &'a str,
    #[schema(example = "Publish reports.")]
    description: &'a str,
    /// Whether it comes with the server, so that it can be neither deleted nor described anew.
    built_in: bool,
}

/// What a permission is for.
#[derive(ToSchema)]
#[schema(as = PermissionDefinition)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct PermissionDefinitionBody {
    /// At most 200 characters of one line; empty when left out.
    #[schema(nullable = false, max_length = 200, example = "Publish reports.")]
    description: Option<String>,
}

/// Lists permissions by name.
#[utoipa::path(
    get,
    operation_id = "list_permissions",
    path = "/api/v1/admin/permissions",
    tag = "administration",
    params(PageParams),
    responses((status = 200, description = "A page of permissions.", body = Page<PermissionBody>)),
)]
pub(in crate::http) async fn list(
    state: Data<HttpState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(&request)?;
    let asked = Asked::of(&mut query, &*state.cursor_key, "permissions")?;
    query.finish()?;
    let stored = in_time(state.auth.catalogue()).await?;
    let place = |permission: &&Permission| permission.name.as_str().into();
    Ok(HttpResponse::Ok().json(asked.page_of_all(stored.catalogue.permissions(), place, shown)))
}

/// Makes a permission, or describes it anew. Nobody has a new one until a role names it, but for holders of `system:admin`.
#[utoipa::path(
    put,
    operation_id = "put_permission",
    path = "/api/v1/admin/permissions/{name}",
    tag = "administration",
    params(("name" = String, Path, description = "`resource:action`.", example = "report:publish")),
    request_body = PermissionDefinitionBody,
    responses(
        (status = 200, description = "The permission is described anew.", body = PermissionBody),
        (status = 201, description = "The permission is made.", body = PermissionBody),
        CataloguePutProblems,
    ),
)]
pub(in crate::http) async fn put(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let name = path_id::new_name(&request, PermissionName::parse)?;
    let mut fields = body::required(&request, payload).await?;
    let description = fields.optional("description", Description::parse).unwrap_or_default();
    let description = fields.finish(|| Some(description))?;

    let put = state.auth.put_permission(&caller, name, description);
    let (permission, is_new) = carried_out(put, NOUN, &[]).await?;
    let mut answer = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(shown(&permission)))
}

/// Deletes a permission that no role names.
#[utoipa::path(
    delete,
    operation_id = "delete_permission",
    path = "/api/v1/admin/permissions/{name}",
    tag = "administration",
    params(("name" = String, Path, description = "`resource:action`.", example = "report:publish")),
    responses((status = 204, description = "The permission is gone."), CatalogueDeleteProblems),
)]
pub(in crate::http) async fn delete(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let name = path_id::name(&request, NOUN, PermissionName::parse)?;
    let deleted = state.auth.delete_permission(&caller, &name);
    carried_out(deleted, NOUN, &[]).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn shown(permission: &Permission) -> PermissionBody<'_> {
    PermissionBody {
        name: permission.name.as_str(),
        description: permission.description.as_str(),
        built_in: permission.built_in,
    }
}
