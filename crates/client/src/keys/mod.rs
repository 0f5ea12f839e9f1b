//! The server's public keys.
//!
//! They are fetched when the service starts, when their `max-age` is over, when the feed revokes one or has to be read from its
//! beginning, and when a token names a key that is not known. One task fetches, so that there is one fetch at a time and none
//! is lost when a client hangs up; unknown keys cause at most one fetch in a cool-down. Keys are kept while the server is down.

mod jwks;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::jwks::{KeySet, VerifyingKey};
use crate::Refusal;
use crate::backoff::Backoff;
use crate::server::{AuthServer, ServerError};

/// The keys as they are known at the moment.
pub(crate) struct Keys {
    known: ArcSwap<KeySet>,
    /// Revoked keys are never taken back, whatever the server publishes. Held while `known` is replaced.
    revoked: Mutex<BTreeSet<String>>,
    /// Counts the times that keys were taken away.
    revision: AtomicU64,
    fetches: watch::Sender<Fetches>,
    fetch_now: Notify,
    cool_down: Duration,
}

/// What is known of the fetches.
#[derive(Clone, Copy)]
struct Fetches {
    /// One runs, or is about to.
    pending: bool,
    ended: u64,
    /// Whether the last one failed.
    failed: bool,
    /// When an unknown key caused one.
    looked_up_at: Option<Instant>,
    /// Counts the fetches that were demanded by [`Keys::refetch`].
    demanded: u64,
    /// Which of them had been demanded when the last one began that worked.
    fulfilled: u64,
}

impl Keys {
    /// The longest that a request waits for a fetch.
    const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);
    const MAX_KID_BYTES: usize = 128;
    const MAX_REVOKED: usize = 1_000;

    pub(crate) fn new(cool_down: Duration) -> Self {
        let fetches =
            Fetches { pending: true, ended: 0, failed: false, looked_up_at: None, demanded: 0, fulfilled: 0 };
        Self {
            known: ArcSwap::default(),
            revoked: Mutex::default(),
            revision: AtomicU64::new(0),
            fetches: watch::Sender::new(fetches),
            fetch_now: Notify::new(),
            cool_down,
        }
    }

    /// Changes when keys are taken away.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    pub(crate) fn count(&self) -> usize {
        self.known.load().len()
    }

    /// Waits for the first keys.
    pub(crate) async fn loaded(&self) {
        let _ = self.fetches.subscribe().wait_for(|_| self.count() > 0).await;
    }

    /// The key, which the server may be asked for. Without it, the token is invalid; unless the server can't be asked.
    pub(crate) async fn find_or_look_up(&self, kid: &str) -> Result<Option<Arc<VerifyingKey>>, Refusal> {
        if let Some(key) = self.known.load().find(kid) {
            return Ok(Some(key));
        }
        if kid.len() > Self::MAX_KID_BYTES || self.revoked().contains(kid) {
            return Ok(None);
        }
        self.look_up().await;
        match self.known.load().find(kid) {
            Some(key) => Ok(Some(key)),
            None if self.fetches.borrow().settles() => Ok(None),
            None => Err(Refusal::KeysUnavailable),
        }
    }

    /// Drops a key for good, and sees to it that its successor is known soon.
    pub(crate) fn revoke(&self, kid: &str) -> Result<(), ServerError> {
        let mut revoked = self.revoked();
        if revoked.contains(kid) {
            return Ok(());
        }
        if revoked.len() >= Self::MAX_REVOKED || kid.len() > Self::MAX_KID_BYTES {
            return Err(ServerError::TooManyRevocations);
        }
        revoked.insert(kid.to_owned());
        self.put(self.known.load().without(&revoked));
        drop(revoked);
        tracing::warn!(kid, "the auth server has revoked a signing key");
        self.fetch_now.notify_one();
        Ok(())
    }

    /// Has the keys fetched anew right away. The known ones count until then.
    pub(crate) fn refetch(&self) {
        self.fetches.send_modify(|fetches| fetches.demanded += 1);
        self.fetch_now.notify_one();
    }

    /// Whether a fetch has worked that began after the last [`Self::refetch`].
    pub(crate) fn are_refetched(&self) -> bool {
        let fetches = self.fetches.borrow();
        fetches.fulfilled == fetches.demanded
    }

    /// Waits for a fetch, if one runs or may be caused.
    async fn look_up(&self) {
        let mut fetches = self.fetches.subscribe();
        let ended_before = fetches.borrow_and_update().ended;
        let now = Instant::now();
        let causes_one = self.fetches.send_if_modified(|fetches| {
            let causes_one = !fetches.pending && fetches.has_cooled_down(now, self.cool_down);
            if causes_one {
                fetches.pending = true;
                fetches.looked_up_at = Some(now);
            }
            causes_one
        });
        if causes_one {
            self.fetch_now.notify_one();
        }
        let answered = |fetches: &Fetches| !fetches.pending || fetches.ended > ended_before;
        let _ = timeout(Self::LOOK_UP_LIMIT, fetches.wait_for(answered)).await;
    }

    fn replace(&self, fetched: &KeySet) {
        let revoked = self.revoked();
        self.put(fetched.without(&revoked));
    }

    /// Call it with `revoked` held.
    fn put(&self, keys: KeySet) {
        let former = self.known.swap(Arc::new(keys));
        // Only afterwards, so that no verdict by the former keys is taken for one by these.
        if !former.is_within(&self.known.load()) {
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn revoked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetches {
    fn has_cooled_down(&self, now: Instant, cool_down: Duration) -> bool {
        self.looked_up_at.is_none_or(|at| now.duration_since(at) >= cool_down)
    }

    /// Whether a key that is not known now is one that the server does not have.
    const fn settles(&self) -> bool {
        self.ended > 0 && !self.failed
    }
}

/// Keeps the keys up to date, for ever.
pub(crate) async fn follow(keys: Arc<Keys>, server: Arc<AuthServer>) {
    let mut backoff = Backoff::default();
    loop {
        let mut demanded = 0;
        keys.fetches.send_modify(|fetches| {
            fetches.pending = true;
            demanded = fetches.demanded;
        });
        let outcome = server.keys().await;
        let failed = outcome.is_err();
        let pause = match outcome {
            Ok((fetched, max_age)) => {
                keys.replace(&fetched);
                backoff.reset();
                refresh_after(max_age)
            }
            Err(error) => {
                let pause = backoff.after_failure(error.retry_after());
                if backoff.just_began() {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the keys can't be fetched");
                }
                pause
            }
        };
        keys.fetches.send_modify(|fetches| {
            let fulfilled = if failed { fetches.fulfilled } else { demanded };
            *fetches = Fetches { pending: false, ended: fetches.ended + 1, failed, fulfilled, ..*fetches };
        });
        tokio::select! {
            () = sleep(pause) => {}
            () = keys.fetch_now.notified() => {}
        }
    }
}

/// Keys are published ten minutes before they sign, so any of these waits finds them in time but for the longest, which the
/// server has to ask for.
fn refresh_after(max_age: Option<Duration>) -> Duration {
    max_age.map_or(Duration::from_mins(5), |max_age| {
        max_age.clamp(Duration::from_secs(30), Duration::from_hours(1))
    })
}
