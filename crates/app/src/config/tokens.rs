use std::time::Duration;

use maestro_auth_ports::Algorithm;

use super::PublicUrl;
use super::reader::Reader;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// What tokens say, and how long they and sessions live.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    pub access_ttl: Duration,
    /// How long a refresh token that nobody uses lives.
    pub refresh_ttl: Duration,
    /// The absolute lifetime of a session.
    pub session_ttl: Duration,
    /// How long a spent refresh token is still answered, for callers that raced.
    pub reuse_grace: Duration,
    /// How far clocks may be apart.
    pub leeway: Duration,
    pub algorithm: Algorithm,
    pub issuer: String,
    pub audience: String,
    /// Whether access tokens carry the address of their user.
    pub include_email: bool,
}

impl TokenSettings {
    pub(super) fn read(reader: &mut Reader, public_url: Option<&PublicUrl>) -> Self {
        // Without a public URL the name is the same for every instance, so that they accept each other's tokens.
        let issuer = public_url.map_or("maestro-auth", PublicUrl::as_str).to_owned();
        Self {
            access_ttl: reader.within(
                "tokens.access_ttl",
                Duration::from_mins(15),
                SECOND..=Duration::from_hours(1), // SEC-45
            ),
            refresh_ttl: reader.within("tokens.refresh_ttl", 7 * DAY, SECOND..=YEAR),
            session_ttl: reader.within("tokens.session_ttl", 30 * DAY, SECOND..=YEAR),
            reuse_grace: reader.within(
                "tokens.reuse_grace",
                Duration::from_secs(10),
                Duration::ZERO..=Duration::from_mins(1),
            ),
            leeway: reader.within(
                "tokens.leeway",
                Duration::from_secs(30),
                Duration::ZERO..=Duration::from_secs(30),
            ),
            algorithm: reader.get("tokens.algorithm", Algorithm::Es256),
            issuer: reader.get("tokens.issuer", issuer),
            audience: reader.get("tokens.audience", "maestro-auth".to_owned()),
            include_email: reader.get("tokens.include_email", false),
        }
    }
}

/// How signing keys are changed.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// How long a new key is published before it signs, so that every verifier has it by then.
    pub publish_ahead: Duration,
}

impl KeySettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            publish_ahead: reader.within(
                "keys.publish_ahead",
                Duration::from_mins(10),
                Duration::ZERO..=7 * DAY,
            ),
        }
    }
}
