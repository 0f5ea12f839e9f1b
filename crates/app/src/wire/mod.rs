//! Joins adapters and use cases as the settings say. **Invariant:** no other module of the server names an adapter.

mod clock;
mod encryption_key;
mod hashing;
mod keys;
mod redis;
mod storage;

use std::sync::Arc;

use anyhow::Context;
use maestro_auth_adapters::system::OsEntropy;
use maestro_auth_domain::RefreshPolicy;
use maestro_auth_ports::{Entropy, KeyedHash};
use maestro_auth_service::{AuthService, Policies, RegistrationMode, RegistrationPolicy, TokenPolicy};

pub use clock::ClockSync;
pub use maestro_auth_adapters::jose::KeyRing;
use maestro_auth_adapters::jose::MacKey;
pub use maestro_auth_adapters::sqlite::{MigrationState, MigrationStatus};

use self::encryption_key::encryption_key;
use self::storage::Storage;
use crate::config::{self, Settings};
use crate::failure::Failure;
use crate::http::RequestIds;

/// The use cases over the adapters that the settings ask for, and what else of them is needed.
pub struct Wired {
    pub auth: Arc<AuthService>,
    pub keys: Arc<KeyRing>,
    pub request_ids: Arc<RequestIds>,
    pub keyed_hash: Arc<dyn KeyedHash>,
    /// Keeps the clock with the storage's, where that is not this machine's.
    pub clock_sync: Option<ClockSync>,
}

/// What the use cases are wired for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To answer requests, which takes a key to sign with.
    Serve,
    /// To carry out an operator's order, which leaves the signing keys as they are.
    Operate,
}

/// Opens the storage, brings it to the schema of this version, loads the keys and starts the hashing lanes.
pub async fn build(settings: &Settings, purpose: Purpose) -> Result<Wired, Failure> {
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);

    let storage = Storage::open(&settings.database)?;
    storage.migrate().await?;
    let stores = storage.into_stores();
    let (clock, clock_sync) = clock::of(&stores.health).await.context("the storage does not answer")?;

    let encryption_key = encryption_key(settings, &entropy)?;
    let keys = keys::open(settings, &encryption_key, &stores, &clock, &entropy, purpose).await?;
    let keyed_hash = keyed_hash(&encryption_key)?;
    let bcrypt_cost = stores.users.highest_bcrypt_cost().await.context("the storage does not answer")?;
    let hasher = hashing::start(&settings.hashing, bcrypt_cost, Arc::clone(&entropy))?;
    let request_ids = Arc::new(RequestIds::new(Arc::clone(&clock), &*entropy));
    let signer = Arc::clone(&keys);
    let auth =
        AuthService::new(stores, hasher, signer, Arc::clone(&keyed_hash), clock, entropy, policies(settings));
    let auth = match redis::open(&settings.redis)? {
        // An operator's command ends before a relay could pass anything on.
        Some(relay) if purpose == Purpose::Serve => auth.with_relay(relay),
        _ => auth,
    };
    Ok(Wired { auth: Arc::new(auth), keys, request_ids, keyed_hash, clock_sync })
}

/// What recognises what this server has given out, by a key that follows from `secret`.
pub(crate) fn keyed_hash(secret: &[u8; 32]) -> anyhow::Result<Arc<dyn KeyedHash>> {
    Ok(Arc::new(MacKey::derive(secret).context("the key of the hashes can't be derived")?))
}

/// Brings the storage to the schema of this version, and tells what is applied.
pub async fn migrate(settings: &Settings) -> Result<Vec<MigrationStatus>, Failure> {
    let storage = Storage::open(&settings.database)?;
    storage.migrate().await?;
    storage.migration_status().await
}

/// Tells which migrations are applied, and changes nothing.
pub async fn migration_status(settings: &Settings) -> Result<Vec<MigrationStatus>, Failure> {
    Storage::open(&settings.database)?.migration_status().await
}

fn policies(settings: &Settings) -> Policies {
    let tokens = &settings.tokens;
    Policies {
        tokens: TokenPolicy {
            issuer: tokens.issuer.clone(),
            audience: tokens.audience.clone(),
            access_ttl: tokens.access_ttl,
            refresh: RefreshPolicy { reuse_grace: tokens.reuse_grace, idle_ttl: tokens.refresh_ttl },
            session_ttl: tokens.session_ttl,
            leeway: tokens.leeway,
            include_email: tokens.include_email,
        },
        passwords: settings.password.policy(settings.hashing.algorithm),
        registration: RegistrationPolicy {
            mode: match settings.registration.mode {
                config::RegistrationMode::Open => RegistrationMode::Open,
                // The settings refuse `verified` as long as no mail is sent.
                config::RegistrationMode::Verified | config::RegistrationMode::Closed => {
                    RegistrationMode::Closed
                }
            },
            self_assignable_roles: settings.registration.self_assignable_roles.clone(),
        },
    }
}
