//! What the use cases of Maestro Auth ask of the world.
//!
//! **One port method is one atomic step.** Expected results are outcome enums, so that a caller must look at each;
//! `Err` only ever means that the adapter could not do its work. Every MUST of a storage port has a case of the same
//! name in [`contract`] (feature `contract`), which all storage adapters pass, whoever wrote them.
//!
//! **Invariant:** no driver, runtime or web framework is reachable from here; time and ids come in as values.

#![warn(missing_docs)]

mod audit;
mod blacklist;
#[cfg(feature = "contract")]
pub mod contract;
mod effects;
mod error;
mod hashing;
mod roles;
mod services;
mod sessions;
mod signing;
mod system;
mod users;

use std::sync::Arc;

use async_trait::async_trait;
pub use audit::{AuditTrail, StoredEntry, Unlinked};
pub use blacklist::{BlacklistCursor, BlacklistPage, BlacklistWakeups, TokenBlacklist};
pub use effects::Effects;
pub use error::{StoreError, StoreResult};
pub use hashing::{HashError, PasswordHasher, Verification};
use maestro_auth_domain::Timestamp;
pub use roles::{CatalogueChange, CatalogueOutcome, RoleRepository, StoredCatalogue};
pub use services::{CreateServiceOutcome, ServiceRepository};
pub use sessions::{OpenOutcome, Principal, RevokeAllOutcome, RotateOutcome, SessionRepository};
pub use signing::{
    Algorithm, PublicKey, RevokeKeyOutcome, RotationEffects, SignatureCheck, Signed, SigningKeyRecord,
    SigningKeyRepository, TokenSigner, TokenType,
};
pub use system::{Clock, Entropy, KeyedHash};
pub use users::{
    CreateOutcome, Credentials, DeleteOutcome, FirstAdminOutcome, RegisterOutcome, SetPasswordOutcome,
    UpdateOutcome, UserPage, UserRepository,
};

/// The storage ports of one backend. One value implements them all, since atomicity crosses tables.
///
/// What a call has acknowledged MUST still be there once every instance was stopped and one is opened again:
/// `acknowledged_writes_survive_a_reopen`. A caller may go away at any moment: its step MUST then be done or not
/// done, in a store that goes on working: `an_aborted_caller_leaves_no_half_step`.
#[derive(Clone)]
pub struct Stores {
    /// Users and their passwords.
    pub users: Arc<dyn UserRepository>,
    /// Sessions and their refresh token families.
    pub sessions: Arc<dyn SessionRepository>,
    /// Which tokens are refused before their time.
    pub blacklist: Arc<dyn TokenBlacklist>,
    /// Signing keys.
    pub keys: Arc<dyn SigningKeyRepository>,
    /// Roles and permissions.
    pub roles: Arc<dyn RoleRepository>,
    /// Registered services.
    pub services: Arc<dyn ServiceRepository>,
    /// What has happened.
    pub audit: Arc<dyn AuditTrail>,
    /// Whether the storage answers.
    pub health: Arc<dyn StoreHealth>,
}

impl Stores {
    /// Shares one backend behind all storage ports.
    pub fn of<S>(store: Arc<S>) -> Self
    where
        S: UserRepository
            + SessionRepository
            + TokenBlacklist
            + SigningKeyRepository
            + RoleRepository
            + ServiceRepository
            + AuditTrail
            + StoreHealth
            + 'static,
    {
        Self {
            users: store.clone(),
            sessions: store.clone(),
            blacklist: store.clone(),
            keys: store.clone(),
            roles: store.clone(),
            services: store.clone(),
            audit: store.clone(),
            health: store,
        }
    }
}

/// Whether the storage answers.
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Asks the storage for the least it can do.
    ///
    /// MUST answer, with `Err` if need be, within the adapter's own time limit: `a_healthy_store_answers`.
    async fn ping(&self) -> StoreResult<()>;

    /// The time by the storage's own clock, by which all instances go (REL-14); `None` when that is this machine's.
    async fn time(&self) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }
}
