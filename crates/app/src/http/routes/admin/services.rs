//! Registered services: programs that ask this server by credentials of their own.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{ClientId, DisplayName, PermissionName, Permissions, Service};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Sent, carried_out};
use crate::http::access::Caller;
use crate::http::openapi::{CataloguePutProblems, UnknownProblems};
use crate::http::page::{Asked, Page, PageParams};
use crate::http::query::Query;
use crate::http::{ApiError, HttpState, body, in_time, path_id};

const NOUN: &str = "service";

/// A registered service.
#[derive(Serialize, ToSchema)]
#[schema(as = Service)]
pub(in crate::http) struct ServiceBody<'a> {
    /// A UUID v7: the user name of its Basic credentials.
    #[schema(format = Uuid, example = "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a")]
    client_id: String,
    #[schema(example = "projects")]
    name: &'a str,
    /// What it may do here by its own right.
    #[schema(example = json!(["role:view"]))]
    permissions: Vec<&'a str>,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-11-24T06:00:00Z")]
    created_at: String,
}

/// A service that was registered just now.
#[derive(Serialize, ToSchema)]
#[schema(as = NewService)]
pub(in crate::http) struct NewServiceBody<'a> {
    #[serde(flatten)]
    service: ServiceBody<'a>,
    /// The password of its Basic credentials. It is shown this once and kept nowhere.
    #[schema(format = Password, example = "Wk9xN2hUcl9jLXZ1bUoyUXpZc0E0ZVB0R2JLeDZuTDA")]
    client_secret: &'a str,
}

/// A service to register.
#[derive(ToSchema)]
#[schema(as = ServiceRegistration)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct RegistrationBody {
    /// 1–100 characters; no two services have the same.
    #[schema(min_length = 1, max_length = 100, example = "projects")]
    name: String,
    /// Permissions that exist; none when left out. The caller must hold them all.
    #[schema(nullable = false, max_items = 200, example = json!(["role:view"]))]
    permissions: Option<Vec<String>>,
}

/// Lists services in the order of their registration.
#[utoipa::path(
    get,
    operation_id = "list_services",
    path = "/api/v1/admin/services",
    tag = "administration",
    params(PageParams),
    responses((status = 200, description = "A page of services.", body = Page<ServiceBody>)),
)]
pub(in crate::http) async fn list(
    state: Data<HttpState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(&request)?;
    let asked = Asked::of(&mut query, &*state.cursor_key, "services")?;
    query.finish()?;
    // One more than the page takes, to see whether there is another.
    let found = in_time(state.auth.list_services(asked.after::<ClientId>()?, asked.limit() + 1)).await?;
    let place = |service: &&Service| service.id.to_string().into();
    Ok(HttpResponse::Ok().json(asked.page_of_all(found.iter(), place, shown)))
}

/// Registers a service, and shows its secret this once.
#[utoipa::path(
    post,
    operation_id = "create_service",
    path = "/api/v1/admin/services",
    tag = "administration",
    request_body = RegistrationBody,
    responses((status = 201, description = "The service, with its secret.", body = NewServiceBody), CataloguePutProblems),
)]
pub(in crate::http) async fn create(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut fields = body::required(&request, payload).await?;
    let name = fields.required("name", DisplayName::parse);
    let permissions = fields.optional_set("permissions", Permissions::MAX, PermissionName::parse);
    let (name, permissions) = fields.finish(|| Some((name?, permissions.unwrap_or_default())))?;

    let sent: [Sent<'_>; 1] = [("permissions", permissions.iter().map(PermissionName::as_str).collect())];
    let created = state.auth.create_service(&caller, name, permissions.iter().cloned().collect());
    let (service, client_secret) = carried_out(created, NOUN, &sent).await?;
    let body = NewServiceBody { service: shown(&service), client_secret: &client_secret };
    Ok(HttpResponse::Created().json(body))
}

/// Shows a service.
#[utoipa::path(
    get,
    operation_id = "get_service",
    path = "/api/v1/admin/services/{id}",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The `client_id`.")),
    responses((status = 200, description = "The service.", body = ServiceBody), UnknownProblems),
)]
pub(in crate::http) async fn get(
    state: Data<HttpState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path_id::required::<ClientId>(&request, NOUN)?;
    let found = state.auth.find_service(id);
    let service = carried_out(found, NOUN, &[]).await?;
    Ok(HttpResponse::Ok().json(shown(&service)))
}

/// Deletes a service: its credentials open nothing from then on.
#[utoipa::path(
    delete,
    operation_id = "delete_service",
    path = "/api/v1/admin/services/{id}",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The `client_id`.")),
    responses((status = 204, description = "The service is gone."), UnknownProblems),
)]
pub(in crate::http) async fn delete(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path_id::required::<ClientId>(&request, NOUN)?;
    let deleted = state.auth.delete_service(&caller, id);
    carried_out(deleted, NOUN, &[]).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn shown(service: &Service) -> ServiceBody<'_> {
    ServiceBody {
        client_id: service.id.to_string(),
        name: service.name.as_str(),
        permissions: service.permissions.iter().map(PermissionName::as_str).collect(),
        created_at: service.created_at.to_rfc3339(),
    }
}
