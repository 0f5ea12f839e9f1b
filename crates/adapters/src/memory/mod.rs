//! Storage in memory, for trying things out and for tests: it is gone with its process.
//!
//! **Invariant:** one lock around everything, held for one step and never across an `await`; so each port method is
//! atomic by construction.

mod audit;
mod blacklist;
mod failing;
mod keys;
mod roles;
mod services;
mod sessions;
mod users;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
pub use failing::{FailingStore, OffSwitch};
use maestro_auth_domain::{ClientId, SecretHash, Service, TenantId};
use maestro_auth_ports::{SigningKeyRecord, StoreError, StoreHealth, StoreResult};

use audit::Trail;
use blacklist::Blacklist;
use roles::Catalogue;
use sessions::Sessions;
use users::Users;

/// A storage in memory behind all storage ports.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    users: Users,
    sessions: Sessions,
    blacklist: Blacklist,
    keys: Vec<SigningKeyRecord>,
    /// Those that somebody has changed.
    catalogues: HashMap<TenantId, Catalogue>,
    services: BTreeMap<ClientId, (Service, SecretHash)>,
    audit: Trail,
}

impl MemoryStore {
    /// An empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lock for one step. A step that panicked may have left half of its work, so none follows it.
    fn state(&self) -> StoreResult<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| StoreError::unavailable("an earlier step in memory broke off"))
    }
}

#[async_trait]
impl StoreHealth for MemoryStore {
    async fn ping(&self) -> StoreResult<()> {
        self.state().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_poisoned_lock_is_an_unavailable_storage() {
        let store = MemoryStore::new();
        std::thread::scope(|scope| {
            let step = scope.spawn(|| {
                let _held = store.state.lock().unwrap();
                panic!("a step breaks off");
            });
            step.join().unwrap_err();
        });

        assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    }
}
