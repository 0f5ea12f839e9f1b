//! The signing keys.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_domain::{KeyId, Timestamp};
use maestro_auth_ports::PublicKey;
use maestro_auth_service::{AuthService, KeyState};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::carried_out;
use crate::http::access::Caller;
use crate::http::openapi::{BodyProblems, UnknownProblems};
use crate::http::page::{Asked, Page, PageParams};
use crate::http::query::Query;
use crate::http::{ApiError, Fields, HttpState, body};

const NOUN: &str = "key";

/// A signing key that is published. Its private half never leaves the server.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub(in crate::http) struct KeyBody {
    /// The RFC 7638 thumbprint.
    #[schema(min_length = 43, max_length = 43, example = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
    kid: String,
    #[schema(example = "ES256")]
    algorithm: &'static str,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-11-24T06:00:00Z")]
    created_at: String,
    /// When it starts to sign.
    #[schema(format = DateTime, example = "2026-11-24T06:10:00Z")]
    active_from: String,
    /// When its last token has expired; null while no other key takes over.
    #[schema(required, format = DateTime, example = json!(null))]
    retires_at: Option<String>,
    /// `next` before it signs, `active` while it does, `retiring` while tokens of it live.
    #[schema(pattern = "^(next|active|retiring)$", example = "next")]
    state: &'static str,
    /// The public key (RFC 7517).
    #[schema(value_type = Object, example = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }))]
    jwk: Map<String, Value>,
}

/// How keys change.
#[derive(ToSchema)]
#[schema(as = Rotation)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; the handler takes its fields out one by one")]
pub(in crate::http) struct RotationBody {
    /// Whether the new key signs at once. Verifiers that cache the published keys refuse its tokens until they look again.
    #[schema(nullable = false, example = false)]
    at_once: Option<bool>,
}

/// Lists the published signing keys, the newest first.
#[utoipa::path(
    get,
    operation_id = "list_keys",
    path = "/api/v1/admin/keys",
    tag = "administration",
    params(PageParams),
    responses((status = 200, description = "A page of keys.", body = Page<KeyBody>)),
)]
pub(in crate::http) async fn list(
    state: Data<HttpState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(&request)?;
    let asked = Asked::of(&mut query, &*state.cursor_key, "keys")?;
    query.finish()?;
    let mut keys = state.auth.list_keys();
    keys.sort_by_key(place);
    let page = asked.page_of_all(keys.into_iter(), place, |key| shown(&key, &state.auth));
    Ok(HttpResponse::Ok().json(page))
}

/// Makes a signing key that is published now and signs later, so that no verifier refuses a token; or one that signs at once.
///
/// Not idempotent: each call makes one key more.
#[utoipa::path(
    post,
    operation_id = "rotate_keys",
    path = "/api/v1/admin/keys/rotate",
    tag = "administration",
    request_body(content = Option<RotationBody>, content_type = "application/json"),
    responses((status = 201, description = "The new public key.", body = KeyBody), BodyProblems),
)]
pub(in crate::http) async fn rotate(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let at_once = at_once(body::optional(&request, payload).await?)?;
    let rotated = state.auth.rotate_key(&caller, at_once);
    let key = carried_out(rotated, NOUN, &[]).await?;
    Ok(HttpResponse::Created().json(shown(&key, &state.auth)))
}

/// Revokes a signing key that somebody else may have: no token of it is accepted any more, so all who hold one sign in again.
///
/// When it is the one that signs, another takes over at once.
#[utoipa::path(
    delete,
    operation_id = "revoke_key",
    path = "/api/v1/admin/keys/{kid}",
    tag = "administration",
    params(("kid" = String, Path, description = "The `kid` of the key.", example = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")),
    responses((status = 204, description = "The key is revoked."), UnknownProblems),
)]
pub(in crate::http) async fn revoke(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = request.match_info().get("kid").and_then(KeyId::parse);
    let key = key.ok_or_else(|| ApiError::no_such(NOUN))?;
    let revoked = state.auth.revoke_key(&caller, key);
    carried_out(revoked, NOUN, &[]).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn at_once(fields: Option<Fields>) -> Result<bool, ApiError> {
    let Some(mut fields) = fields else { return Ok(false) };
    let at_once = fields.optional_bool("at_once").unwrap_or(false);
    fields.finish(|| Some(at_once))
}

/// The newest come first, and what is made between two pages does not move the others.
fn place(key: &PublicKey) -> Vec<u8> {
    let age = u64::MAX - u64::try_from(key.active_from.unix_micros()).unwrap_or(0);
    [&age.to_be_bytes()[..], key.kid.as_str().as_bytes()].concat()
}

fn shown(key: &PublicKey, auth: &AuthService) -> KeyBody {
    let state = match auth.state_of(key) {
        KeyState::Next => "next",
        KeyState::Active => "active",
        KeyState::Retiring => "retiring",
    };
    KeyBody {
        kid: key.kid.to_string(),
        algorithm: key.algorithm.name(),
        created_at: key.created_at.to_rfc3339(),
        active_from: key.active_from.to_rfc3339(),
        retires_at: key.retires_at.map(Timestamp::to_rfc3339),
        state,
        jwk: serde_json::from_str(&key.jwk).unwrap_or_default(), // the signer wrote it
    }
}
