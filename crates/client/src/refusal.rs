use std::borrow::Cow;

use serde::Serialize;
use thiserror::Error;

/// Why a request is not let through.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is more than one `Authorization` header.
    #[error("The request carries more than one Authorization header.")]
    MalformedRequest,
    /// There is no bearer token.
    #[error("The request carries no bearer token.")]
    MissingToken,
    /// The token is malformed, forged, of another kind, or for somebody else.
    #[error("The token is invalid.")]
    InvalidToken,
    /// The token was good once, and its time is over.
    #[error("The token has expired.")]
    TokenExpired,
    /// The token, its session or its user's older tokens were revoked.
    #[error("The token has been revoked.")]
    TokenRevoked,
    /// The token is good, and a permission is missing.
    #[error("The permission {permission} is missing.")]
    Forbidden {
        /// The missing permission.
        permission: Cow<'static, str>,
    },
    /// What was revoked, or what a role permits, has not been known for too long; or never was.
    #[error("Whether the token still holds can't be told at the moment.")]
    FeedStale,
    /// The key of the token is not known, and the server can't be asked for it.
    #[error("The key of the token can't be looked up at the moment.")]
    KeysUnavailable,
    /// The service was put together wrongly; the log says how.
    #[error("The service failed.")]
    InternalError,
}

/// The body of a refusal (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    type_uri: String,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'a str,
}

impl Refusal {
    /// The media type of [`Self::problem`].
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// The stable code, the same as the server's where the server has it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.parts().1
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.parts().0
    }

    /// The code in words.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.parts().2
    }

    /// The `WWW-Authenticate` header (RFC 6750 section 3). An error is named only to a client that presented a token.
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        const BEARER: &str = r#"Bearer realm="maestro-auth""#;

        match self {
            Self::MissingToken => Some(BEARER.to_owned()),
            Self::InvalidToken | Self::TokenExpired | Self::TokenRevoked => {
                Some(format!(r#"{BEARER}, error="invalid_token", error_description="{self}""#))
            }
            Self::Forbidden { permission } => {
                Some(format!(r#"{BEARER}, error="insufficient_scope", scope="{permission}""#))
            }
            _ => None,
        }
    }

    /// After how many seconds another attempt makes sense: the `Retry-After` header.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::FeedStale | Self::KeysUnavailable => Some(2),
            _ => None,
        }
    }

    /// The body of the answer, in JSON.
    #[must_use]
    pub fn problem(&self) -> String {
        let (status, code, title) = self.parts();
        let type_uri = format!("urn:maestro-auth:error:{code}");
        let problem = Problem { type_uri, title, status, detail: self.to_string(), code };
        // Strings and numbers always have a JSON form, so the fallback is never taken.
        serde_json::to_string(&problem).unwrap_or_default()
    }

    const fn parts(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (400, "malformed_request", "Malformed request"),
            Self::MissingToken => (401, "missing_token", "Missing token"),
            Self::InvalidToken => (401, "invalid_token", "Invalid token"),
            Self::TokenExpired => (401, "token_expired", "Expired token"),
            Self::TokenRevoked => (401, "token_revoked", "Revoked token"),
            Self::Forbidden { .. } => (403, "forbidden", "Forbidden"),
            Self::InternalError => (500, "internal_error", "Internal error"),
            Self::FeedStale => (503, "feed_stale", "Revocations not up to date"),
            Self::KeysUnavailable => (503, "keys_unavailable", "Keys not available"),
        }
    }
}
