use async_trait::async_trait;
use maestro_auth_domain::{BlacklistEntry, Timestamp};

use crate::StoreResult;

/// The token blacklist, as a log that every instance follows.
///
/// A storage adds the entry of a session or user that ends by itself, in the same step as its cause; see
/// [`SessionRepository`](crate::SessionRepository) and [`UserRepository`](crate::UserRepository). What a follower has
/// read once it need not be told again: entries only ever add up, and the order of two does not matter.
#[async_trait]
pub trait TokenBlacklist: Send + Sync {
    /// Adds entries.
    ///
    /// MUST show every one of them, as it was added, to every reader once this returns:
    /// `an_added_entry_is_read_by_every_instance`.
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()>;

    /// Reads the entries that have come since `after`, at most `limit` of them and at least one while there are any;
    /// `None` starts at the beginning.
    ///
    /// MUST NOT skip an entry, however writers and readers interleave, and however late a writer's step shows:
    /// `no_cursor_skips_a_concurrent_writer`. MUST come to an end once nobody writes:
    /// `pages_of_entries_are_complete_and_end`. May give an entry more than once, and need not give one that has expired.
    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage>;

    /// Forgets entries that expired before `before`, at most `limit` of them, and says how many it forgot.
    ///
    /// MUST keep every other entry: `only_expired_entries_are_forgotten`.
    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;

    /// Asks to be woken whenever entries have come, whoever added them.
    ///
    /// MUST wake a subscriber soon after each addition, unless it fails: `a_subscriber_is_woken_by_every_instance`. The
    /// log is the truth all the same: a follower reads it now and then without having been woken.
    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>>;
}

/// A subscription to a blacklist.
#[async_trait]
pub trait BlacklistWakeups: Send {
    /// Waits until entries have come since the last call, or since the subscription. `Err` means that the subscription
    /// is lost. Dropping the future loses nothing.
    async fn next(&mut self) -> StoreResult<()>;
}

/// Where a reader of a blacklist stands. Only the adapter that made it understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlacklistCursor(String);

impl BlacklistCursor {
    /// Takes the text of a cursor.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text of the cursor.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A piece of a blacklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlacklistPage {
    /// The entries, in no particular order.
    pub entries: Vec<BlacklistEntry>,
    /// Where the next read goes on.
    pub next: BlacklistCursor,
    /// Whether the cursor stood in a log that is not this one, such as that of a database which was put back to an earlier
    /// state: then this page is the first of all, and what its reader knows besides was never acknowledged here.
    pub starts_over: bool,
    /// Whether this page completes what had been added when its first page was read: then its reader knows all of that.
    pub is_complete: bool,
}
