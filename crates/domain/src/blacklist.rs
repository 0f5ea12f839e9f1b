use crate::{Generation, KeyId, SessionId, TenantId, Timestamp, TokenId, UserId};

/// One entry of the token blacklist: access tokens that are refused although they have not expired (api.md section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlacklistEntry {
    pub tenant: TenantId,
    pub revoked: Revoked,
    /// When the last token that it concerns has expired for everyone, so that it can be forgotten.
    pub until: Timestamp,
}

/// Which access tokens a blacklist entry refuses. They are named by what they say, never by their text, of which one token
/// has several forms (SEC-46).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// The one with this `jti`.
    Token(TokenId),
    /// Those with this `sid`.
    Session(SessionId),
    /// Those of this `sub` whose `gen` is lower.
    User { user: UserId, min_generation: Generation },
    /// Those that were signed with this key: the only entry that concerns refresh tokens, too.
    Key(KeyId),
    /// None: what the roles permit has changed, and whoever keeps it in memory must read it anew.
    RoleDefinitions,
}

/// What an access token can be revoked by: its `jti`, `sid`, `sub` and `gen`, and the `kid` of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocableToken {
    pub id: TokenId,
    pub session: SessionId,
    pub user: UserId,
    pub generation: Generation,
    pub key: KeyId,
}

impl Revoked {
    /// Whether `token` is among those refused.
    #[must_use]
    pub fn covers(&self, token: &RevocableToken) -> bool {
        match *self {
            Self::Token(id) => id == token.id,
            Self::Session(session) => session == token.session,
            Self::User { user, min_generation } => user == token.user && token.generation < min_generation,
            Self::Key(key) => key == token.key,
            Self::RoleDefinitions => false,
        }
    }
}

/// When something is revoked, and until when that must be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationTime {
    /// Now.
    pub at: Timestamp,
    /// When every access token that was issued until now has expired, with the leeway that verifiers grant.
    pub until: Timestamp,
}
