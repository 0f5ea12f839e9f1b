//! What each role permits.
//!
//! The catalogue is read anew when the feed says that roles have changed, and when the feed was not heard of for so long that it
//! may have said so in vain. Until the new one is there, requests wait for it; when it can't be had, the old one is as stale as
//! revocations that can't be had. Now and then it is read anew all the same, for which no request waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::server::AuthServer;
use crate::{Refusal, StalePolicy};

/// The permissions of every role, inherited ones included.
pub(crate) struct Catalogue(BTreeMap<String, BTreeSet<String>>);

impl Catalogue {
    /// Whether the role holds the permission. A role that is not in the catalogue holds none.
    pub(crate) fn grants(&self, role: &str, permission: &str) -> bool {
        self.0.get(role).is_some_and(|held| held.contains(permission) || held.contains("system:admin"))
    }
}

impl<'de> Deserialize<'de> for Catalogue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Document {
            items: Vec<Role>,
        }
        #[derive(Deserialize)]
        struct Role {
            name: String,
            permissions: BTreeSet<String>,
        }

        let Document { items } = Document::deserialize(deserializer)?;
        Ok(Self(items.into_iter().map(|role| (role.name, role.permissions)).collect()))
    }
}

/// The catalogue as it is known at the moment.
pub(crate) struct Roles {
    state: watch::Sender<State>,
}

struct State {
    catalogue: Option<Arc<Catalogue>>,
    /// Counts the changes that the feed told of.
    wanted: u64,
    /// Which of them are in the catalogue.
    loaded: Option<u64>,
    /// Which of them could not be loaded.
    failed: Option<u64>,
}

impl Roles {
    /// The longest that a request waits for the new catalogue.
    const LOAD_LIMIT: Duration = Duration::from_secs(3);
    /// After this long the catalogue is read anew, whatever the feed says: the clocks that stand still while a machine sleeps
    /// do not notice that the feed has forgotten something meanwhile.
    const REFRESH_AFTER: Duration = Duration::from_mins(5);

    pub(crate) fn new() -> Self {
        let state = State { catalogue: None, wanted: 0, loaded: None, failed: None };
        Self { state: watch::Sender::new(state) }
    }

    /// From now on, what was known is out of date.
    pub(crate) fn invalidate(&self) {
        self.state.send_modify(|state| state.wanted += 1);
    }

    pub(crate) fn is_current(&self) -> bool {
        self.state.borrow().is_current()
    }

    /// Whether there is a catalogue that the policy permits to use.
    pub(crate) fn is_usable(&self, policy: StalePolicy) -> bool {
        self.state.borrow().usable(policy).is_some()
    }

    /// Waits for the first catalogue.
    pub(crate) async fn loaded(&self) {
        let _ = self.state.subscribe().wait_for(State::is_current).await;
    }

    /// The catalogue; an outdated one only when the newer can't be had and the policy permits it.
    pub(crate) async fn current(&self, policy: StalePolicy) -> Result<Arc<Catalogue>, Refusal> {
        if let Some(catalogue) = self.state.borrow().current() {
            return Ok(catalogue);
        }
        let mut states = self.state.subscribe();
        let _ = timeout(Self::LOAD_LIMIT, states.wait_for(State::is_settled)).await;
        self.state.borrow().usable(policy).ok_or(Refusal::FeedStale)
    }
}

impl State {
    fn is_current(&self) -> bool {
        self.loaded == Some(self.wanted)
    }

    fn current(&self) -> Option<Arc<Catalogue>> {
        self.catalogue.clone().filter(|_| self.is_current())
    }

    fn usable(&self, policy: StalePolicy) -> Option<Arc<Catalogue>> {
        match policy {
            StalePolicy::Refuse => self.current(),
            StalePolicy::AcceptUntilExpiry => self.catalogue.clone(),
        }
    }

    /// Whether there is nothing to wait for.
    fn is_settled(&self) -> bool {
        self.is_current() || self.failed == Some(self.wanted)
    }
}

/// Keeps the catalogue up to date, for ever.
pub(crate) async fn follow(roles: Arc<Roles>, server: Arc<AuthServer>) {
    let mut states = roles.state.subscribe();
    let mut backoff = Backoff::default();
    loop {
        let wanted = roles.state.borrow().wanted;
        match server.roles().await {
            Ok(catalogue) => {
                backoff.reset();
                roles.state.send_modify(|state| {
                    state.catalogue = Some(Arc::new(catalogue));
                    state.loaded = Some(wanted);
                });
                until_outdated(&mut states, Roles::REFRESH_AFTER).await;
            }
            Err(error) => {
                roles.state.send_modify(|state| state.failed = Some(wanted));
                let pause = backoff.after_failure(error.retry_after());
                if backoff.just_began() {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the roles can't be read");
                }
                if roles.is_current() {
                    until_outdated(&mut states, pause).await; // a request that needs a new one does not wait out the pause
                } else {
                    sleep(pause).await;
                }
            }
        }
    }
}

/// Waits until the feed says that roles have changed, for so long at most.
async fn until_outdated(states: &mut watch::Receiver<State>, limit: Duration) {
    // An error of the inner kind would mean that the sender is gone, which the caller holds itself.
    let _ = timeout(limit, states.wait_for(|state| !state.is_current())).await;
}
