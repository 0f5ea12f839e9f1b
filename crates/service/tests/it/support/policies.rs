use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_domain::{Password, PasswordHash, PasswordPolicy, RefreshPolicy, RoleName};
use maestro_auth_ports::{HashError, PasswordHasher, Verification};
use maestro_auth_service::{Policies, RegistrationMode, RegistrationPolicy, TokenPolicy};

pub(crate) fn policies(mode: RegistrationMode) -> Policies {
    Policies {
        tokens: token_policy(),
        passwords: PasswordPolicy { min_length: 8, blocklist: true, max_bytes: Password::MAX_BYTES },
        registration: RegistrationPolicy { mode, self_assignable_roles: vec![RoleName::viewer()] },
    }
}

pub(crate) fn token_policy() -> TokenPolicy {
    TokenPolicy {
        issuer: "https://auth.example.com".to_owned(),
        audience: "maestro-auth".to_owned(),
        access_ttl: Duration::from_mins(15),
        refresh: RefreshPolicy {
            reuse_grace: Duration::from_secs(10),
            idle_ttl: Duration::from_hours(7 * 24),
        },
        session_ttl: Duration::from_hours(30 * 24),
        leeway: Duration::from_secs(30),
        include_email: false,
    }
}

/// Keeps passwords as they are, since no rule of a use case depends on how they are hashed. What starts with `old:` is
/// verified and asks for an upgrade, as a bcrypt hash does.
pub(crate) struct PlainHasher {
    /// How long a failed login takes at least.
    pub(crate) floor: Duration,
}

#[async_trait]
impl PasswordHasher for PlainHasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        Ok(PasswordHash::new(format!("new:{}", password.expose())))
    }

    async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, HashError> {
        let Some(stored) = stored else { return Ok(Verification::Mismatch) };
        let (scheme, text) = stored.as_str().split_once(':').unwrap();
        if text != password.expose() {
            return Ok(Verification::Mismatch);
        }
        let upgrade = if scheme == "old" { Some(self.hash(password).await?) } else { None };
        Ok(Verification::Match { upgrade })
    }

    fn failure_floor(&self) -> Duration {
        self.floor
    }
}
