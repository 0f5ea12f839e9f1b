use crate::{DisplayName, Email, Generation, PasswordHash, Roles, TenantId, Timestamp, UserId};

/// A user as the store holds it, without its password hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub tenant: TenantId,
    pub email: Email,
    pub name: DisplayName,
    pub roles: Roles,
    pub is_active: bool,
    pub email_verified: bool,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
    /// What the `gen` of a live access token must be.
    pub generation: Generation,
    /// Sessions opened at an earlier generation have ended, all at once and without being listed.
    pub session_floor: Generation,
}

/// A user about to be stored. It starts active and unverified, at the first generation.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub tenant: TenantId,
    pub email: Email,
    pub name: DisplayName,
    pub roles: Roles,
    pub password_hash: PasswordHash,
    pub created_at: Timestamp,
}

impl NewUser {
    /// The user that comes of it.
    #[must_use]
    pub fn into_user(self) -> User {
        User {
            id: self.id,
            tenant: self.tenant,
            email: self.email,
            name: self.name,
            roles: self.roles,
            is_active: true,
            email_verified: false,
            created_at: self.created_at,
            last_login_at: None,
            generation: Generation::FIRST,
            session_floor: Generation::FIRST,
        }
    }
}
