use std::fmt;
use std::sync::Arc;

use crate::roles::Catalogue;
use crate::tokens::AccessToken;
use crate::{Refusal, SessionId, TokenId, UserId};

/// Who makes a request, and what they may do.
#[derive(Clone)]
pub struct Identity {
    token: Arc<AccessToken>,
    catalogue: Arc<Catalogue>,
}

impl Identity {
    pub(crate) const fn new(token: Arc<AccessToken>, catalogue: Arc<Catalogue>) -> Self {
        Self { token, catalogue }
    }

    /// The user. This is what to store as an owner: it never changes, and no other user gets it.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.token.user
    }

    /// The login that the token comes from.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.token.session
    }

    /// The access token.
    #[must_use]
    pub fn token_id(&self) -> TokenId {
        self.token.id
    }

    /// The roles, the primary one first.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.token.roles
    }

    /// The address, where the server is configured to put it into tokens.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.token.email.as_deref()
    }

    /// When the token expires, in seconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.token.expires_at
    }

    /// Whether the user has the role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|held| held == role)
    }

    /// Whether one of the user's roles holds the permission. `system:admin` implies all.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        self.roles().iter().any(|role| self.catalogue.grants(role, permission))
    }

    /// Demands the permission, or names it as missing.
    pub fn require_permission(&self, permission: &str) -> Result<(), Refusal> {
        if self.has_permission(permission) {
            return Ok(());
        }
        Err(Refusal::Forbidden { permission: permission.to_owned().into() })
    }
}

/// Without the address, which is nobody's business in a log.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("user_id", &self.user_id())
            .field("session_id", &self.session_id())
            .field("token_id", &self.token_id())
            .field("roles", &self.roles())
            .finish_non_exhaustive()
    }
}
