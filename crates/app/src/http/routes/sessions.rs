use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{Email, Password};
use maestro_auth_service::{Login, LogoutScope};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::representations::TokenBody;
use crate::http::openapi::{LoginProblems, LogoutProblems, RefreshProblems};
use crate::http::{ApiError, ErrorCode, Fields, HttpState, bearer, body, in_time, origin};

/// What a user presents to sign in.
#[derive(ToSchema)]
#[schema(as = Login)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct LoginBody {
    #[schema(format = Email, max_length = 254, example = "test@example.com")]
    email: String,
    #[schema(format = Password, min_length = 1, max_length = 128, example = "password123")]
    password: String,
}

/// A refresh token, for clients that do not send it as a bearer token.
#[derive(ToSchema)]
#[schema(as = Refresh)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct RefreshBody {
    /// Required unless the token comes as a bearer token; never both.
    #[schema(
        nullable = false,
        example = "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJpc3MiOiIuLi4ifQ.c2ln"
    )]
    refresh_token: Option<String>,
}

/// What a logout ends.
#[derive(ToSchema)]
#[schema(as = Logout)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct LogoutBody {
    /// Whether every session of the user ends, rather than this one.
    #[schema(nullable = false, example = true)]
    everywhere: Option<bool>,
}

/// What was done, in words.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::http) struct MessageBody {
    #[schema(example = "Successfully logged out")]
    message: &'static str,
}

/// Signs a user in with a new session.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "authentication",
    request_body = LoginBody,
    responses((status = 200, description = "The user is signed in.", body = TokenBody), LoginProblems),
)]
pub(in crate::http) async fn login(
    state: Data<HttpState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut fields = body::required(&request, payload).await?;
    let email = fields.required("email", Email::parse);
    let password = fields.required("password", Password::parse);
    let login = fields.finish(|| Some(Login { email: email?, password: password? }))?;

    let signed_in = in_time(state.auth.login(login, &origin::of(&request, &state.trusted_proxies))).await?;
    Ok(HttpResponse::Ok().json(TokenBody::of(&signed_in)))
}

/// Buys a new pair of tokens with a refresh token, which is spent by it.
///
/// The refresh token comes as the bearer token, or as JSON. Presenting a spent one again ends its session, except
/// within a short grace after its first use, when it is answered with the same successor.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "authentication",
    security(("bearerAuth" = []), ()),
    request_body(content = Option<RefreshBody>, content_type = "application/json"),
    responses((status = 200, description = "Both tokens are new.", body = TokenBody), RefreshProblems),
)]
pub(in crate::http) async fn refresh(
    state: Data<HttpState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let bearer = bearer::optional(&request)?;
    let fields = body::optional(&request, payload).await?;
    let refresh_token = refresh_token(bearer, fields)?;
    let origin = origin::of(&request, &state.trusted_proxies);

    let signed_in = in_time(state.auth.refresh(&refresh_token, &origin)).await?;
    Ok(HttpResponse::Ok().json(TokenBody::of(&signed_in)))
}

/// Ends the session of the access token, or all sessions of its user.
///
/// Every access and refresh token of what has ended is refused from then on. Logging out twice is no error.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    tag = "authentication",
    request_body(content = Option<LogoutBody>, content_type = "application/json"),
    responses((status = 200, description = "The sessions have ended.", body = MessageBody), LogoutProblems),
)]
pub(in crate::http) async fn logout(
    state: Data<HttpState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let access_token = bearer::required(&request)?;
    let scope = logout_scope(body::optional(&request, payload).await?)?;

    let origin = origin::of(&request, &state.trusted_proxies);
    in_time(state.auth.logout(access_token, scope, &origin)).await?;
    Ok(HttpResponse::Ok().json(MessageBody { message: "Successfully logged out" }))
}

/// The one refresh token that a request brings, wherever it stands.
fn refresh_token(bearer: Option<&str>, fields: Option<Fields>) -> Result<Zeroizing<String>, ApiError> {
    let keep = |text: &str| Ok(Zeroizing::new(text.to_owned()));
    match (bearer, fields) {
        (None, None) => Err(ApiError::new(ErrorCode::MissingToken)),
        (None, Some(mut fields)) => {
            let token = fields.required("refresh_token", keep);
            fields.finish(|| token)
        }
        (Some(bearer), None) => Ok(Zeroizing::new(bearer.to_owned())),
        (Some(bearer), Some(mut fields)) => {
            let second = fields.optional("refresh_token", keep);
            fields.finish(|| Some(()))?;
            match second {
                Some(_) => Err(ApiError::malformed(
                    "The request carries a token in its header and another in its body.",
                )),
                None => Ok(Zeroizing::new(bearer.to_owned())),
            }
        }
    }
}

fn logout_scope(fields: Option<Fields>) -> Result<LogoutScope, ApiError> {
    let Some(mut fields) = fields else { return Ok(LogoutScope::ThisSession) };
    let everywhere = fields.optional_bool("everywhere").unwrap_or(false);
    fields.finish(|| Some(if everywhere { LogoutScope::Everywhere } else { LogoutScope::ThisSession }))
}
