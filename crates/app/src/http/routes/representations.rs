use actix_web::http::header::{HeaderName, HeaderValue};
use maestro_auth_domain::{PermissionName, Permissions, RoleName, Timestamp, User};
use maestro_auth_service::SignedIn;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, ErrorCode};

/// A user with fresh tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenResponse)]
pub(in crate::http) struct TokenBody<'a> {
    /// Opens the API; a JWT after RFC 9068.
    #[schema(example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJpc3MiOiIuLi4ifQ.c2ln")]
    access_token: &'a str,
    /// Buys the next pair of tokens, once.
    #[schema(example = "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJpc3MiOiIuLi4ifQ.c2ln")]
    refresh_token: &'a str,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// How many seconds the access token lives.
    #[schema(example = 900)]
    expires_in: u64,
    user: UserBody<'a>,
}

impl<'a> TokenBody<'a> {
    pub(super) fn of(signed_in: &'a SignedIn) -> Self {
        Self {
            access_token: &signed_in.access_token,
            refresh_token: &signed_in.refresh_token,
            token_type: "bearer",
            expires_in: signed_in.expires_in.as_secs(),
            user: UserBody::of(&signed_in.user, &signed_in.permissions),
        }
    }
}

/// An account as its owner sees it. A password hash never leaves the server.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(in crate::http) struct UserBody<'a> {
    /// A UUID v7: the `sub` of the tokens.
    #[schema(format = Uuid, example = "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a")]
    user_id: String,
    #[schema(format = Email, example = "test@example.com")]
    email: &'a str,
    #[schema(example = "Test User")]
    name: &'a str,
    /// The primary role.
    #[schema(example = "viewer")]
    role: &'a str,
    /// All roles, the primary one first.
    #[schema(example = json!(["viewer"]))]
    roles: Vec<&'a str>,
    /// What the roles allow, as `resource:action`.
    #[schema(example = json!(["data:view", "experiment:view", "model:view"]))]
    permissions: Vec<&'a str>,
    email_verified: bool,
    is_active: bool,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-11-24T06:00:00Z")]
    created_at: String,
    /// RFC 3339, UTC; null before the first login.
    #[schema(required, format = DateTime, example = "2026-11-24T06:00:00Z")]
    last_login_at: Option<String>,
}

impl<'a> UserBody<'a> {
    pub(in crate::http) fn of(user: &'a User, permissions: &'a Permissions) -> Self {
        Self {
            user_id: user.id.to_string(),
            email: user.email.as_str(),
            name: user.name.as_str(),
            role: user.roles.primary().as_str(),
            roles: user.roles.iter().map(RoleName::as_str).collect(),
            permissions: permissions.iter().map(PermissionName::as_str).collect(),
            email_verified: user.email_verified,
            is_active: user.is_active,
            created_at: user.created_at.to_rfc3339(),
            last_login_at: user.last_login_at.map(Timestamp::to_rfc3339),
        }
    }
}

/// A user as a gateway is told of it, in headers.
pub(super) type Identity = [(HeaderName, HeaderValue); 3];

/// Ids, canonical addresses and names of roles are ASCII without control characters, which every header takes.
pub(super) fn identity(user: &User) -> Result<Identity, ApiError> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|error| ApiError::new(ErrorCode::InternalError).caused_by(error))
    };
    let roles: Vec<&str> = user.roles.iter().map(RoleName::as_str).collect();
    Ok([
        (HeaderName::from_static("x-auth-user-id"), value(&user.id.to_string())?),
        (HeaderName::from_static("x-auth-email"), value(user.email.canonical())?),
        (HeaderName::from_static("x-auth-roles"), value(&roles.join(","))?),
    ])
}
