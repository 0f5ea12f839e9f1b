use maestro_auth_domain::{Generation, KeyId, RefreshCounter, RevocableToken, Session, Timestamp, TokenId};
use maestro_auth_ports::Principal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Refresh;
use crate::TokenPolicy;

/// The claims of an access token. Every one is required and of its exact type; any other is refused, since this server
/// never wrote it (SEC-39, SEC-40).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub exp: i64,
    pub iat: i64,
    jti: String,
    sid: String,
    #[serde(rename = "gen")]
    generation: i64,
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    token_type: AccessKind,
}

/// The claims of a refresh token, as strict as those of an access token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshClaims {
    pub iss: String,
    sub: String,
    sid: String,
    ctr: i64,
    pub iat: i64,
    pub exp: i64,
    token_type: RefreshKind,
}

/// The one `token_type` of an access token.
#[derive(Serialize, Deserialize)]
enum AccessKind {
    #[serde(rename = "access")]
    Access,
}

/// The one `token_type` of a refresh token.
#[derive(Serialize, Deserialize)]
enum RefreshKind {
    #[serde(rename = "refresh")]
    Refresh,
}

impl AccessClaims {
    pub(super) fn new(
        policy: &TokenPolicy,
        principal: &Principal,
        id: TokenId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        let user = &principal.user;
        Self {
            iss: policy.issuer.clone(),
            aud: policy.audience.clone(),
            sub: user.id.to_string(),
            exp: expires_at.unix_seconds(),
            iat: now.unix_seconds(),
            jti: id.to_string(),
            sid: principal.session.id.to_string(),
            generation: user.generation.number(),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            email: policy.include_email.then(|| user.email.to_string()),
            token_type: AccessKind::Access,
        }
    }

    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        from_json_object(json)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }

    /// What it says as a token that `key` signed. `None` when an id is not one.
    pub(super) fn into_token(self, key: KeyId) -> Option<RevocableToken> {
        Some(RevocableToken {
            id: self.jti.parse().ok()?,
            user: self.sub.parse().ok()?,
            session: self.sid.parse().ok()?,
            generation: Generation::from_number(self.generation),
            key,
        })
    }
}

impl RefreshClaims {
    /// Says the same of a session until it rotates again, so that a replay within the grace buys the same successor.
    pub(super) fn new(policy: &TokenPolicy, session: &Session) -> Self {
        Self {
            iss: policy.issuer.clone(),
            sub: session.user.to_string(),
            sid: session.id.to_string(),
            ctr: session.counter.number(),
            iat: session.rotated_at.unix_seconds(),
            exp: session.refresh_expires_at(&policy.refresh).unix_seconds(),
            token_type: RefreshKind::Refresh,
        }
    }

    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        from_json_object(json)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }

    /// What it says as a token that `key` signed. `None` when an id is not one.
    pub(super) fn into_refresh(self, key: KeyId) -> Option<Refresh> {
        Some(Refresh {
            user: self.sub.parse().ok()?,
            session: self.sid.parse().ok()?,
            counter: RefreshCounter::from_number(self.ctr),
            key,
        })
    }
}

/// Reads a JSON object; serde alone would also take an array of the members for a struct.
pub(super) fn from_json_object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    json.starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

/// Strings, numbers and lists of them always have a JSON form, so the fallback is never taken; no reader accepts it.
fn to_json(claims: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(claims).unwrap_or_default()
}
