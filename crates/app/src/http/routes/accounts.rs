use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{DisplayName, Email, Password, RoleName};
use maestro_auth_service::Register;
use utoipa::ToSchema;

use super::rendered::{JSON, RenderedUsers};
use super::representations::{TokenBody, UserBody};
use crate::http::openapi::{BearerProblems, RegisterProblems};
use crate::http::{ApiError, HttpState, bearer, body, in_time, origin};

/// What a stranger fills in.
#[derive(ToSchema)]
#[schema(as = Register)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct RegisterBody {
    /// At most 254 bytes; trimmed, and compared without regard to case.
    #[schema(format = Email, max_length = 254, example = "test@example.com")]
    email: String,
    /// 8–128 characters (15 at least with the production profile) and at most 512 bytes; nothing is trimmed.
    #[schema(format = Password, min_length = 8, max_length = 128, example = "password123")]
    password: String,
    /// 1–100 characters.
    #[schema(min_length = 1, max_length = 100, example = "Test User")]
    name: String,
    /// One of the roles that registration may ask for; `viewer` when left out.
    #[schema(nullable = false, max_length = 64, pattern = "^[a-z][a-z0-9_-]*$", example = "viewer")]
    role: Option<String>,
}

/// Creates an account and signs it in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/register",
    tag = "authentication",
    request_body = RegisterBody,
    responses((status = 201, description = "The account is created and signed in.", body = TokenBody), RegisterProblems),
)]
pub(in crate::http) async fn register(
    state: Data<HttpState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut fields = body::required(&request, payload).await?;
    let email = fields.required("email", Email::parse);
    let name = fields.required("name", DisplayName::parse);
    let password = fields.required("password", |typed| {
        state.auth.passwords().accept(Password::parse(typed)?, email.as_ref(), name.as_ref())
    });
    let role = fields.optional("role", RoleName::parse);
    let registration =
        fields.finish(|| Some(Register { email: email?, name: name?, password: password?, role }))?;

    let signed_in =
        in_time(state.auth.register(registration, &origin::of(&request, &state.trusted_proxies))).await?;
    Ok(HttpResponse::Created().json(TokenBody::of(&signed_in)))
}

/// Shows the account that the access token stands for.
#[utoipa::path(
    get,
    path = "/api/v1/auth/me",
    tag = "authentication",
    responses((status = 200, description = "The caller's account.", body = UserBody), BearerProblems),
)]
pub(in crate::http) async fn me(
    state: Data<HttpState>,
    rendered: Data<RenderedUsers>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (user, catalogue) = in_time(state.auth.show_account(bearer::required(&request)?)).await?;
    Ok(HttpResponse::Ok().content_type(JSON).body(rendered.body_of(user, catalogue)?))
}
