use serde::{Deserialize, Deserializer};

use super::AccessToken;
use super::compact::from_json_object;
use crate::{SessionId, TokenId, UserId};

/// The claims of an access token. Every one is required but `email` and `nbf`, and each is of its exact type: a claim of
/// another type is a failure, never "absent". Other claims are passed over, since a later server may add some.
#[derive(Deserialize)]
pub(super) struct AccessClaims {
    pub iss: String,
    pub aud: String,
    sub: UserId,
    exp: i64,
    iat: i64,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<i64>,
    jti: TokenId,
    sid: SessionId,
    #[serde(rename = "gen")]
    generation: i64,
    roles: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    email: Option<String>,
    #[serde(rename = "token_type")]
    _kind: AccessKind,
}

/// The one `token_type` of an access token.
#[derive(Deserialize)]
enum AccessKind {
    #[serde(rename = "access")]
    Access,
}

impl AccessClaims {
    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        from_json_object(json)
    }

    pub(super) fn into_token(self) -> AccessToken {
        AccessToken {
            id: self.jti,
            user: self.sub,
            session: self.sid,
            generation: self.generation,
            roles: self.roles,
            email: self.email,
            expires_at: self.exp,
            issued_at: self.iat,
            not_before: self.nbf,
        }
    }
}

/// A claim that may be left out, but not be `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
