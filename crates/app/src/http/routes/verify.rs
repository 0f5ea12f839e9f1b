use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{PermissionName, RoleName};
use maestro_auth_service::Demand;

use super::rendered::RenderedUsers;
use crate::http::openapi::VerifyProblems;
use crate::http::query::Query;
use crate::http::{ApiError, HttpState, bearer, in_time_for_a_gateway};

/// Tells a gateway whether to let a request through, and whose it is.
///
/// The gateway passes the client's `Authorization` header on; of the answer, the status decides and the headers name the
/// user. There is no body. It is answered whatever `Accept` says, since that is the header of the client's request.
#[utoipa::path(
    get,
    path = "/api/v1/auth/verify",
    tag = "authentication",
    params(
        ("permission" = Option<String>, Query, description = "Demands this permission of the user, as `resource:action`.", example = "model:view"),
        ("role" = Option<String>, Query, description = "Demands this role of the user.", example = "viewer"),
    ),
    responses(
        (
            status = 200,
            description = "The request may pass.",
            headers(
                ("X-Auth-User-Id" = String, description = "The user's id, a UUID."),
                ("X-Auth-Email" = String, description = "The user's address in lower case, its domain in ASCII."),
                ("X-Auth-Roles" = String, description = "The user's roles, separated by commas, the primary one first."),
            ),
        ),
        VerifyProblems,
    ),
)]
pub(in crate::http) async fn verify(
    state: Data<HttpState>,
    rendered: Data<RenderedUsers>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let demand = demand(&request)?;
    let user = in_time_for_a_gateway(state.auth.authorize(bearer::required(&request)?, demand)).await?;
    let mut answer = HttpResponse::Ok();
    for header in rendered.identity_of(user)? {
        answer.insert_header(header);
    }
    Ok(answer.finish())
}

fn demand(request: &HttpRequest) -> Result<Demand, ApiError> {
    let mut query = Query::of(request)?;
    let permission = query.optional("permission", PermissionName::parse)?;
    let role = query.optional("role", RoleName::parse)?;
    query.finish()?;
    Ok(Demand { permission, role })
}
