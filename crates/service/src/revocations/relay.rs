use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use maestro_auth_domain::{BlacklistEntry, Timestamp};
use maestro_auth_ports::{BlacklistCursor, StoreResult, TokenBlacklist};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{sleep, timeout};

/// A second way by which instances tell each other what they have revoked: sooner perhaps, and never instead of the log in
/// the store. What it loses arrives by the log, and nothing waits for it (REL-35, REL-36).
pub(super) struct Relay {
    blacklist: Arc<dyn TokenBlacklist>,
    queue: mpsc::Sender<BlacklistEntry>,
    queued: Mutex<mpsc::Receiver<BlacklistEntry>>,
    works: AtomicBool,
}

impl Relay {
    const QUEUE: usize = 10_000;
    const BATCH: usize = 500;
    const PAGE: u32 = 10_000;
    /// How often it is read without having said that there is something new.
    const HEARTBEAT: Duration = Duration::from_secs(1);
    /// How long it is left alone after a failure.
    const PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn new(blacklist: Arc<dyn TokenBlacklist>) -> Self {
        let (queue, queued) = mpsc::channel(Self::QUEUE);
        Self { blacklist, queue, queued: Mutex::new(queued), works: AtomicBool::new(true) }
    }

    /// Passes an entry on, unless too many wait already.
    pub(super) fn send(&self, entry: BlacklistEntry) {
        if self.queue.try_send(entry).is_err() {
            self.works.store(false, Ordering::Relaxed);
        }
    }

    /// Whether its last use worked.
    pub(super) fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// Passes on what was queued, and hears what others have passed on, whatever fails.
    pub(super) async fn follow(&self, hear: impl Fn(&BlacklistEntry)) -> Infallible {
        tokio::select! {
            never = self.pass_on() => never,
            never = self.listen(hear) => never,
        }
    }

    pub(super) async fn forget_expired(&self, now: Timestamp, limit: u32) {
        self.judge(self.blacklist.forget_expired_entries(now, limit).await.map(drop));
    }

    async fn pass_on(&self) -> Infallible {
        let mut queued = self.queued.lock().await;
        let mut batch = Vec::with_capacity(Self::BATCH);
        loop {
            queued.recv_many(&mut batch, Self::BATCH).await;
            if !self.judge(self.blacklist.add(&batch).await) {
                sleep(Self::PAUSE).await;
            }
            batch.clear();
        }
    }

    async fn listen(&self, hear: impl Fn(&BlacklistEntry)) -> Infallible {
        let mut cursor = None;
        loop {
            let heard = self.listen_until_lost(&mut cursor, &hear).await;
            self.judge(heard.map(|never| match never {}));
            sleep(Self::PAUSE).await;
        }
    }

    async fn listen_until_lost(
        &self,
        cursor: &mut Option<BlacklistCursor>,
        hear: &impl Fn(&BlacklistEntry),
    ) -> StoreResult<Infallible> {
        let mut subscription = self.blacklist.subscribe().await?;
        loop {
            loop {
                let page = self.blacklist.read(cursor.as_ref(), Self::PAGE).await?;
                page.entries.iter().for_each(hear);
                *cursor = Some(page.next);
                if page.is_complete {
                    break;
                }
            }
            self.judge(Ok(()));
            timeout(Self::HEARTBEAT, subscription.next()).await.unwrap_or(Ok(()))?;
        }
    }

    /// Notes whether it works, and tells the log when that has changed.
    fn judge(&self, outcome: StoreResult<()>) -> bool {
        let works = outcome.is_ok();
        match (self.works.swap(works, Ordering::Relaxed), outcome) {
            (true, Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "the relay of revocations fails: they arrive by the storage alone"
                );
            }
            (false, Ok(())) => tracing::info!("the relay of revocations works again"),
            _ => {}
        }
        works
    }
}
