use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{PermissionName, RoleName};
use maestro_auth_service::{ActiveToken, Introspection, TokenKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::access::Caller;
use crate::http::openapi::FormProblems;
use crate::http::{ApiError, HttpState, body, in_time};

/// A token that a service asks about, as a form (RFC 7662 section 2.1, RFC 7009 section 2.1).
#[derive(ToSchema)]
#[schema(as = TokenForm)]
#[expect(dead_code, reason = "describes the body; the handler takes its parameters out one by one")]
pub(in crate::http) struct TokenForm {
    /// An access or a refresh token.
    #[schema(
        format = Password,
        example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJpc3MiOiIuLi4ifQ.c2ln"
    )]
    token: String,
    /// Makes no difference: a token of this server says itself of which kind it is.
    #[schema(nullable = false, example = "access_token")]
    token_type_hint: Option<String>,
}

/// Whether a token is good at the moment, and if so, what it says.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Introspection)]
pub(in crate::http) enum IntrospectionBody {
    Active(Box<ActiveBody>),
    Inactive(InactiveBody),
}

/// A token that is good for nothing. Why is not told.
#[derive(Serialize, ToSchema)]
#[schema(as = InactiveToken)]
pub(in crate::http) struct InactiveBody {
    /// Always `false`.
    #[schema(example = false)]
    active: bool,
}

/// A token that is good at the moment.
#[derive(Serialize, ToSchema)]
#[schema(as = ActiveToken)]
pub(in crate::http) struct ActiveBody {
    /// Always `true`.
    #[schema(example = true)]
    active: bool,
    /// Everything that the user may do, inherited permissions included.
    #[schema(example = "data:view experiment:view model:view")]
    scope: String,
    /// `Bearer` for an access token; left out for a refresh token, which opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Bearer")]
    token_type: Option<&'static str>,
    /// `access` or `refresh`.
    #[schema(example = "access")]
    token_use: &'static str,
    /// The user.
    #[schema(format = Uuid, example = "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a")]
    sub: String,
    #[schema(example = "https://auth.example.com")]
    iss: String,
    /// For whom an access token is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "maestro-auth")]
    aud: Option<String>,
    /// Seconds since 1970.
    #[schema(example = 1_795_500_900)]
    exp: i64,
    /// Seconds since 1970.
    #[schema(example = 1_795_500_000)]
    iat: i64,
    /// The id of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Uuid, example = "019aba3e-5c00-7d11-8f3a-6a1d2c3b4e5f")]
    jti: Option<String>,
    /// The session.
    #[schema(format = Uuid, example = "019aba3e-5c00-7b02-a1b2-c3d4e5f60718")]
    sid: String,
    /// The primary role first.
    #[schema(example = json!(["viewer"]))]
    roles: Vec<String>,
}

impl IntrospectionBody {
    fn of(introspection: Introspection) -> Self {
        match introspection {
            Introspection::Active(token) => Self::Active(Box::new(ActiveBody::of(*token))),
            Introspection::Inactive => Self::Inactive(InactiveBody { active: false }),
        }
    }
}

impl ActiveBody {
    fn of(token: ActiveToken) -> Self {
        let permissions: Vec<&str> = token.permissions.iter().map(PermissionName::as_str).collect();
        let (token_type, token_use, aud, jti) = match token.kind {
            TokenKind::Access { id, audience } => {
                (Some("Bearer"), "access", Some(audience), Some(id.to_string()))
            }
            TokenKind::Refresh => (None, "refresh", None, None),
        };
        Self {
            active: true,
            scope: permissions.join(" "),
            token_type,
            token_use,
            sub: token.user.to_string(),
            iss: token.issuer,
            aud,
            exp: token.expires_at.unix_seconds(),
            iat: token.issued_at.unix_seconds(),
            jti,
            sid: token.session.to_string(),
            roles: token.roles.iter().map(RoleName::to_string).collect(),
        }
    }
}

/// Tells a service whether a token is good at this moment (RFC 7662).
///
/// Takes access and refresh tokens, and spends neither. Whatever is wrong with a token, the answer is `{"active": false}` and
/// nothing more. What has been revoked through another instance is inactive here within a second.
#[utoipa::path(
    post,
    path = "/api/v1/auth/introspect",
    tag = "resource-servers",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What there is to say.", body = IntrospectionBody), FormProblems),
)]
pub(in crate::http) async fn introspect(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let token = body::form(&request, payload).await?.required("token")?;
    let introspection = in_time(state.auth.introspect(&caller, &token)).await?;
    Ok(HttpResponse::Ok().json(IntrospectionBody::of(introspection)))
}

/// Ends an access token, or the whole session of a refresh token, on behalf of a service (RFC 7009).
///
/// It is refused everywhere from then on, within a second also by other instances and by services that follow the revocations.
/// A token that is good for nothing is no error: the answer is the same.
#[utoipa::path(
    post,
    path = "/api/v1/auth/revoke",
    tag = "resource-servers",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is good for nothing now."), FormProblems),
)]
pub(in crate::http) async fn revoke(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let token = body::form(&request, payload).await?.required("token")?;
    in_time(state.auth.revoke_token(&caller, &token)).await?;
    Ok(HttpResponse::Ok().finish())
}
