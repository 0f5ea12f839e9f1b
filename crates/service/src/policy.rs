use std::time::Duration;

use maestro_auth_domain::{PasswordPolicy, RefreshPolicy, RoleName};

/// What an operator decides about the use cases.
#[derive(Debug, Clone)]
pub struct Policies {
    pub tokens: TokenPolicy,
    pub passwords: PasswordPolicy,
    pub registration: RegistrationPolicy,
}

/// What tokens say and how long they live.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// The `iss` of every token (RFC 7519 section 4.1.1).
    pub issuer: String,
    /// The `aud` of access tokens (RFC 9068 section 2.2).
    pub audience: String,
    pub access_ttl: Duration,
    pub refresh: RefreshPolicy,
    /// The absolute lifetime of a session, which no refresh extends.
    pub session_ttl: Duration,
    /// How far the clocks of issuer and verifier may be apart.
    pub leeway: Duration,
    /// Whether access tokens carry the `email` claim.
    pub include_email: bool,
}

impl TokenPolicy {
    /// No setting lets an access token live longer (SEC-45).
    pub const LONGEST_ACCESS_TTL: Duration = Duration::from_hours(1);
}

/// Who may register, and as what.
#[derive(Debug, Clone)]
pub struct RegistrationPolicy {
    pub mode: RegistrationMode,
    /// The roles that a stranger may ask for.
    pub self_assignable_roles: Vec<RoleName>,
}

/// Whether strangers may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Anybody, and a taken address is told apart from a free one.
    Open,
    /// Nobody.
    Closed,
}
