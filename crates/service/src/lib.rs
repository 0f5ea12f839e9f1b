//! The use cases of Maestro Auth: what a user, an operator or another service can ask for, one file each.
//!
//! A use case reads the time and draws ids once, at its top; does the slow work (hashing) before it writes; writes by one
//! atomic port call; and matches on the outcome.
//!
//! **Invariant:** no adapter, database driver or web framework is reachable from here.

mod admin;
mod audit;
mod authenticate;
mod authorize;
mod bootstrap;
mod caller;
mod catalogue;
mod feed;
mod introspect;
mod login;
mod logout;
mod policy;
mod principals;
mod refresh;
mod register;
mod revocations;
mod revoke;
mod services;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{
    BlacklistEntry, NewSession, PasswordPolicy, RevocationTime, Revoked, SessionId, TenantId, Timestamp,
    TokenId,
};
use maestro_auth_ports::{
    Clock, Entropy, KeyedHash, PasswordHasher, Principal, StoreResult, StoredCatalogue, Stores,
    TokenBlacklist, TokenSigner,
};

pub use admin::{AdminError, KeyState, NewAccount, UserView};
use audit::Soon;
pub use audit::{AuditExport, ChainFault, ChainReport};
pub use authenticate::AuthenticateError;
pub use authorize::{AuthorizeError, Demand};
pub use bootstrap::FirstAdmin;
pub use caller::Caller;
use catalogue::CatalogueCache;
pub use feed::{FeedError, FeedFollower, FeedPage};
pub use introspect::{ActiveToken, Introspection, TokenKind};
pub use login::{Login, LoginError};
pub use logout::{LogoutError, LogoutScope};
pub use policy::{Policies, RegistrationMode, RegistrationPolicy, TokenPolicy};
use principals::Principals;
pub use refresh::RefreshError;
pub use register::{Register, RegisterError};
pub use revocations::{FeedStatus, Revocations};
use tokens::Tokens;
pub use tokens::{SignedIn, TokenRejected, is_well_formed_token};

/// All use cases, over the ports that they need.
pub struct AuthService {
    stores: Stores,
    hasher: Arc<dyn PasswordHasher>,
    tokens: Tokens,
    revocations: Revocations,
    principals: Principals,
    catalogue: CatalogueCache,
    soon: Soon,
    /// For the chain of the audit trail.
    keyed_hash: Arc<dyn KeyedHash>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    passwords: PasswordPolicy,
    registration: RegistrationPolicy,
}

impl AuthService {
    #[must_use]
    pub fn new(
        stores: Stores,
        hasher: Arc<dyn PasswordHasher>,
        signer: Arc<dyn TokenSigner>,
        keyed_hash: Arc<dyn KeyedHash>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        policies: Policies,
    ) -> Self {
        Self {
            revocations: Revocations::new(
                Arc::clone(&stores.blacklist),
                Arc::clone(&signer),
                Arc::clone(&clock),
            ),
            principals: Principals::new(),
            catalogue: CatalogueCache::default(),
            soon: Soon::default(),
            keyed_hash,
            stores,
            hasher,
            tokens: Tokens::new(signer, policies.tokens),
            clock,
            entropy,
            passwords: policies.passwords,
            registration: policies.registration,
        }
    }

    /// The same use cases, with a second way by which instances hear of revocations.
    #[must_use]
    pub fn with_relay(mut self, relay: Arc<dyn TokenBlacklist>) -> Self {
        self.revocations.set_relay(relay);
        self
    }

    /// The blacklist of this instance. Somebody must let it follow the log, or every request asks the store.
    #[must_use]
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// What a new password must fulfil.
    #[must_use]
    pub const fn passwords(&self) -> &PasswordPolicy {
        &self.passwords
    }

    /// Whether the storage answers.
    pub async fn check_storage(&self) -> StoreResult<()> {
        self.stores.health.ping().await
    }

    /// Forgets up to `limit` sessions whose lifetime, and so that of every token of theirs, is over; says how many.
    pub async fn forget_expired_sessions(&self, limit: u32) -> StoreResult<u64> {
        let before = self.clock.now() - self.tokens.policy().leeway;
        self.stores.sessions.forget_expired(before, limit).await
    }

    /// Forgets up to `limit` blacklist entries that no token needs any more; says how many.
    pub async fn forget_expired_revocations(&self, limit: u32) -> StoreResult<u64> {
        self.revocations.forget_expired(limit).await
    }

    /// Refuses from now on, on this instance, what the store has just revoked (SEC-62).
    fn note(&self, revoked: Revoked, when: RevocationTime) {
        self.revocations.note(BlacklistEntry { tenant: TENANT, revoked, until: when.until });
    }

    /// Issues the tokens of a principal that the store was asked for at `asked`, by the monotonic clock.
    fn sign_in(
        &self,
        principal: Principal,
        catalogue: &StoredCatalogue,
        asked: Duration,
        token_id: TokenId,
        now: Timestamp,
    ) -> StoreResult<SignedIn> {
        self.principals.remember(principal.clone(), asked);
        let permissions = catalogue.catalogue.permissions_of(&principal.user.roles);
        self.tokens.issue(principal, permissions, token_id, now)
    }

    fn new_session(&self, now: Timestamp) -> NewSession {
        NewSession {
            id: SessionId::generate(now, self.entropy.bytes()),
            created_at: now,
            expires_at: now + self.tokens.policy().session_ttl,
        }
    }
}

/// The tenant that every request belongs to as long as only one exists.
const TENANT: TenantId = TenantId::DEFAULT;
