//! What registered services are told of revocations (api.md section 4).
//!
//! They read the same log as every instance does, page by page, each from where its own cursor stands. Whoever wants to wait for
//! something new takes a place, of which there are so many, and is woken by this instance's own reader of the log. So however
//! many wait, the log is read only when there is something in it; and those who stand at the same place share one read.

mod places;
mod reads;

use std::sync::Arc;

use maestro_auth_domain::BlacklistEntry;
use maestro_auth_ports::{BlacklistCursor, StoreError, TokenBlacklist};
use thiserror::Error;
use tokio::sync::watch;

use self::places::{Place, Places};
use self::reads::SharedReads;
use crate::{AuthService, Caller};

/// A piece of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// What has been revoked, in no particular order.
    pub entries: Vec<BlacklistEntry>,
    /// Where the next page begins.
    pub next: BlacklistCursor,
    /// Whether this is all that had been revoked when it was asked for.
    pub is_complete: bool,
}

impl FeedPage {
    /// The most entries of a page.
    pub const MAX_ENTRIES: u32 = 1_000;

    /// Whether it tells its reader anything.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !self.entries.is_empty() || !self.is_complete
    }
}

/// Why there is no page.
#[derive(Debug, Error)]
pub enum FeedError {
    /// The cursor stands in a log that is not this one: what was read by it says nothing any more.
    #[error("the cursor is of another log")]
    CursorExpired,
    /// As many wait for news as may.
    #[error("too many wait for revocations")]
    Overloaded,
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

/// The feed as one instance serves it.
pub(crate) struct Feed {
    reads: SharedReads,
    places: Arc<Places>,
}

impl Feed {
    pub(crate) fn new(log: Arc<dyn TokenBlacklist>) -> Self {
        Self { reads: SharedReads::new(log), places: Arc::default() }
    }
}

/// One who waits for news, and takes up a place as long as it exists.
pub struct FeedFollower {
    news: watch::Receiver<()>,
    _place: Place,
}

impl AuthService {
    /// What has been revoked since `after`; from the beginning without a cursor. Always asks the store, so that what was
    /// acknowledged before the call is in it, or in the pages after it.
    pub async fn read_feed(&self, after: Option<&BlacklistCursor>) -> Result<Arc<FeedPage>, FeedError> {
        self.revocations.feed().reads.read(after).await
    }

    /// Takes a place among those who wait for news. There are 1024 of them, and a service has at most 64, so that none can shut
    /// all others out.
    pub fn follow_feed(&self, by: &Caller) -> Result<FeedFollower, FeedError> {
        let client = by.as_service().map(|service| service.id);
        let place = Places::take(&self.revocations.feed().places, client).ok_or(FeedError::Overloaded)?;
        Ok(FeedFollower { news: self.revocations.news(), _place: place })
    }

    /// Waits until something has come since `after`, and gives it. Dropping the future loses nothing.
    ///
    /// Without a cursor there is always something: where to go on from.
    pub async fn next_of_feed(
        &self,
        follower: &mut FeedFollower,
        after: Option<&BlacklistCursor>,
    ) -> Result<Arc<FeedPage>, FeedError> {
        loop {
            follower.news.mark_unchanged(); // before the read: what comes in between wakes once more
            let page = self.read_feed(after).await?;
            if after.is_none() || page.is_news() {
                return Ok(page);
            }
            if follower.news.changed().await.is_err() {
                return Ok(page); // nobody reads the log any more, so nobody would ever be woken
            }
        }
    }
}
