//! What has been revoked, from the server's feed.
//!
//! The whole of it is kept in memory and followed by long poll. A poll says what was true when it was *asked*, so the age of
//! this knowledge is counted from there; while a poll is held open, the server is only known to live up to its last answer.
//! Hence the server is asked to hold a poll for a few seconds at most.

mod follower;
mod image;
mod page;

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use self::follower::Follower;
use self::image::Image;
use self::page::Entry;
pub(crate) use self::page::Page;
use crate::clock::unix_now;
use crate::server::ServerError;
use crate::tokens::AccessToken;
use crate::{Refusal, StalePolicy};

/// How stale the revocations may be, and what happens then.
#[derive(Clone, Copy)]
pub(crate) struct Staleness {
    pub limit: Duration,
    pub policy: StalePolicy,
}

/// The revocations as they are known at the moment.
pub(crate) struct Revocations {
    image: RwLock<Image>,
    /// When the last answer was asked for that said: this is all. `None` until everything is known for the first time.
    complete_at: watch::Sender<Option<Instant>>,
    staleness: Staleness,
}

impl Revocations {
    pub(crate) fn new(staleness: Staleness) -> Self {
        Self { image: RwLock::default(), complete_at: watch::Sender::new(None), staleness }
    }

    /// Refuses a revoked token, and every token while it can't be told which are revoked.
    pub(crate) fn judge(&self, token: &AccessToken) -> Result<(), Refusal> {
        if self.read(|image| image.refuses(token)) {
            return Err(Refusal::TokenRevoked);
        }
        if self.can_tell() { Ok(()) } else { Err(Refusal::FeedStale) }
    }

    /// Whether a token that is not refused may be accepted.
    pub(crate) fn can_tell(&self) -> bool {
        match (self.age(), self.staleness.policy) {
            (None, _) => false,
            (Some(_), StalePolicy::AcceptUntilExpiry) => true,
            (Some(age), StalePolicy::Refuse) => age <= self.staleness.limit,
        }
    }

    /// How old the knowledge is; `None` until everything is known for the first time.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.complete_at.borrow().map(|at| at.elapsed())
    }

    /// Waits until everything is known for the first time.
    pub(crate) async fn loaded(&self) {
        let _ = self.complete_at.subscribe().wait_for(Option::is_some).await;
    }

    pub(crate) fn count(&self) -> usize {
        self.read(Image::len)
    }

    fn add(&self, entries: &[Entry]) -> Result<(), ServerError> {
        self.write(|image| image.add(entries, unix_now()))
    }

    fn replace(&self, complete: Image) {
        self.write(|image| *image = complete);
    }

    fn complete_as_of(&self, asked_at: Instant) {
        self.complete_at.send_replace(Some(asked_at));
    }

    fn read<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(&self.image.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Image) -> T) -> T {
        change(&mut self.image.write().unwrap_or_else(PoisonError::into_inner))
    }
}
