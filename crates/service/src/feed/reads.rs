use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use maestro_auth_ports::{BlacklistCursor, BlacklistPage, StoreError, TokenBlacklist};
use tokio::sync::{OnceCell, Semaphore};

use super::{FeedError, FeedPage};

/// Reads of the log on behalf of services: a few at a time, so that this instance's own reader is never crowded out; and one for
/// all who wait for their turn at the same place.
pub(super) struct SharedReads {
    log: Arc<dyn TokenBlacklist>,
    turns: Semaphore,
    /// Those that have not begun. Each belongs to whoever waits for it.
    waiting: Mutex<HashMap<Option<String>, Weak<Read>>>,
}

/// One read, and what came of it.
#[derive(Default)]
struct Read(OnceCell<Result<Arc<FeedPage>, Failure>>);

/// Why it failed, for all who shared it.
#[derive(Clone)]
enum Failure {
    StartsOver,
    Store(Arc<StoreError>),
}

impl SharedReads {
    const AT_A_TIME: usize = 2;

    pub(super) fn new(log: Arc<dyn TokenBlacklist>) -> Self {
        Self { log, turns: Semaphore::new(Self::AT_A_TIME), waiting: Mutex::default() }
    }

    /// The page after a place. The log is looked at after this was called, never before.
    pub(super) async fn read(&self, after: Option<&BlacklistCursor>) -> Result<Arc<FeedPage>, FeedError> {
        let read = self.join(after);
        // Who is first does it for all. When that one goes away, another who waits does it anew.
        let outcome = read.0.get_or_init(|| async {
            let _turn = self.turns.acquire().await;
            self.begin(after, &read);
            match self.log.read(after, FeedPage::MAX_ENTRIES).await {
                Ok(page) if page.starts_over && after.is_some() => Err(Failure::StartsOver),
                Ok(BlacklistPage { entries, next, is_complete, .. }) => {
                    Ok(Arc::new(FeedPage { entries, next, is_complete }))
                }
                Err(error) => Err(Failure::Store(Arc::new(error))),
            }
        });
        match outcome.await {
            Ok(page) => Ok(Arc::clone(page)),
            Err(Failure::StartsOver) => Err(FeedError::CursorExpired),
            Err(Failure::Store(error)) => Err(FeedError::Store(Arc::clone(error))),
        }
    }

    /// The read of this place that has not begun; a new one if there is none.
    fn join(&self, after: Option<&BlacklistCursor>) -> Arc<Read> {
        let place = after.map(|cursor| cursor.as_str().to_owned());
        let mut waiting = self.waiting();
        if let Some(read) = waiting.get(&place).and_then(Weak::upgrade) {
            return read;
        }
        waiting.retain(|_, read| read.strong_count() > 0); // those that everybody has left
        let read = Arc::new(Read::default());
        waiting.insert(place, Arc::downgrade(&read));
        read
    }

    /// From here on, whoever comes has to wait for the next: this one may miss what is committed from now on.
    fn begin(&self, after: Option<&BlacklistCursor>, read: &Arc<Read>) {
        let place = after.map(|cursor| cursor.as_str().to_owned());
        let mut waiting = self.waiting();
        if waiting.get(&place).is_some_and(|other| Weak::ptr_eq(other, &Arc::downgrade(read))) {
            waiting.remove(&place);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Option<String>, Weak<Read>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
