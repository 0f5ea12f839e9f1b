//! Which tokens are refused before their time, as this instance knows it (api.md section 8).
//!
//! Every instance holds the unexpired entries of the blacklist in memory and follows the log in the store. What it knows
//! is as fresh as its last complete read: [`Revocations::is_fresh`] says whether an answer may be given from memory, and
//! when it may not, the store is asked. Notifications only make reads come sooner.

mod image;
mod relay;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use maestro_auth_domain::{BlacklistEntry, RevocableToken, Revoked};
use maestro_auth_ports::{BlacklistCursor, Clock, StoreResult, TokenBlacklist, TokenSigner};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{sleep, timeout};

use self::image::BlacklistImage;
use self::relay::Relay;
use crate::feed::Feed;

/// The blacklist of one instance.
pub struct Revocations {
    image: BlacklistImage,
    log: Arc<dyn TokenBlacklist>,
    relay: Option<Relay>,
    /// Hears which keys are revoked.
    signer: Arc<dyn TokenSigner>,
    clock: Arc<dyn Clock>,
    reader: Mutex<Reader>,
    /// Asks for a read before the next heartbeat.
    wake: Notify,
    /// Up to when the image holds every acknowledged entry, by the monotonic clock in microseconds; one more than that, so
    /// that 0 stands for never.
    complete_as_of: AtomicU64,
    /// How often the image was emptied.
    restarts: AtomicU64,
    /// How often what the roles permit may have changed.
    changes_of_roles: AtomicU64,
    /// Tells whoever waits for it that something has come to the log.
    news: watch::Sender<()>,
    /// The log as registered services read it.
    feed: Feed,
    counters: Counters,
}

/// How far the log has been read.
#[derive(Default)]
struct Reader {
    cursor: Option<BlacklistCursor>,
    /// When the first of the pages that are being read was asked for.
    pages_since: Option<Duration>,
    /// When the image was last rid of expired entries.
    swept: Duration,
}

/// Numbers that only ever rise.
#[derive(Default)]
struct Counters {
    from_memory: AtomicU64,
    from_store: AtomicU64,
    reads: AtomicU64,
    failed_reads: AtomicU64,
}

/// What an operator wants to know of the revocation feed of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedStatus {
    /// Whether requests are answered from memory; else the store is asked for each.
    pub is_fresh: bool,
    /// How long ago the blacklist was last known completely; `None` if never.
    pub lag: Option<Duration>,
    /// Entries in memory.
    pub entries: usize,
    /// Requests answered from memory since the start.
    pub from_memory: u64,
    /// Requests for which the store was asked since the start.
    pub from_store: u64,
    /// Complete reads of the log since the start.
    pub reads: u64,
    /// Reads of the log that failed since the start.
    pub failed_reads: u64,
    /// Whether the relay works; `None` without one.
    pub relay_works: Option<bool>,
}

impl Revocations {
    /// How stale an answer from memory may be. With the time of a request it keeps the bound of one second that api.md
    /// section 8 gives to other instances.
    pub const MAX_LAG: Duration = Duration::from_millis(900);
    /// How often the log is read when nothing wakes the reader: three reads may fail before the image is too old.
    const HEARTBEAT: Duration = Duration::from_millis(250);
    /// The least time between two reads, so that a thousand entries a second do not cause as many.
    const PAUSE: Duration = Duration::from_millis(5);
    /// How often expired entries are dropped.
    const SWEEP: Duration = Duration::from_mins(1);
    const PAGE: u32 = 10_000;
    const RESUBSCRIBE: Duration = Duration::from_secs(1);

    pub(crate) fn new(
        log: Arc<dyn TokenBlacklist>,
        signer: Arc<dyn TokenSigner>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            image: BlacklistImage::new(),
            feed: Feed::new(Arc::clone(&log)),
            log,
            relay: None,
            signer,
            clock,
            reader: Mutex::default(),
            wake: Notify::new(),
            complete_as_of: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            changes_of_roles: AtomicU64::new(0),
            news: watch::Sender::new(()),
            counters: Counters::default(),
        }
    }

    /// Tells other instances by `relay`, too, and hears from them by it.
    pub(crate) fn set_relay(&mut self, relay: Arc<dyn TokenBlacklist>) {
        self.relay = Some(Relay::new(relay));
    }

    /// Refuses what this instance has just revoked in the store. Called before the cause is acknowledged (SEC-62).
    pub(crate) fn note(&self, entry: BlacklistEntry) {
        self.learn(&entry);
        if let Some(relay) = &self.relay {
            relay.send(entry);
        }
    }

    /// Takes an entry up, wherever it comes from. One that comes again changes nothing that counts.
    fn learn(&self, entry: &BlacklistEntry) {
        match entry.revoked {
            Revoked::Key(key) => self.signer.drop_key(key),
            Revoked::RoleDefinitions => {
                self.changes_of_roles.fetch_add(1, Ordering::SeqCst);
            }
            Revoked::Token(_) | Revoked::Session(_) | Revoked::User { .. } => self.image.add(entry),
        }
    }

    /// The log as registered services read it.
    pub(crate) const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Wakes once this instance has read something new in the log: whoever reads the log then finds it there.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// How many changes of roles this instance has heard of. Only whether it is another number tells anything.
    pub(crate) fn changes_of_roles(&self) -> u64 {
        self.changes_of_roles.load(Ordering::SeqCst)
    }

    /// The same, if this instance hears of them as it should.
    pub(crate) fn changes_of_roles_if_fresh(&self) -> Option<u64> {
        // In this order: what is learned in between makes the number another one.
        self.is_fresh().then(|| self.changes_of_roles())
    }

    /// Whether the token is blacklisted; `None` when this instance does not know the blacklist well enough to say.
    pub(crate) fn covers(&self, token: &RevocableToken) -> Option<bool> {
        let restarts = self.restarts.load(Ordering::SeqCst);
        let is_fresh = self.is_fresh();
        let is_covered = self.image.covers(token);
        // An image that was emptied meanwhile knows less than it seemed to.
        (is_fresh && restarts == self.restarts.load(Ordering::SeqCst)).then_some(is_covered)
    }

    /// Whether the image is recent enough to answer from.
    fn is_fresh(&self) -> bool {
        self.image.is_complete() && self.lag().is_some_and(|lag| lag <= Self::MAX_LAG)
    }

    /// Counts a request that was answered from memory.
    pub(crate) fn count_answer_from_memory(&self) {
        self.counters.from_memory.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request for which the store is asked.
    pub(crate) fn count_question_to_store(&self) {
        self.counters.from_store.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads what has come to the log since the last time. Afterwards this instance knows everything that had been
    /// acknowledged before the call.
    pub async fn catch_up(&self) -> StoreResult<()> {
        let read = self.read_on().await;
        let counter = if read.is_ok() { &self.counters.reads } else { &self.counters.failed_reads };
        counter.fetch_add(1, Ordering::Relaxed);
        read
    }

    /// Follows the log for as long as it is polled, whatever fails.
    pub async fn follow(&self) -> Infallible {
        let relay = async {
            match &self.relay {
                Some(relay) => relay.follow(|entry| self.learn(entry)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            never = self.read_whenever_woken() => never,
            never = self.listen() => never,
            never = relay => never,
        }
    }

    /// Lets the log forget entries that no token needs any more, at most `limit`, and says how many it forgot.
    pub(crate) async fn forget_expired(&self, limit: u32) -> StoreResult<u64> {
        let now = self.clock.now();
        let forgotten = self.log.forget_expired_entries(now, limit).await?;
        if let Some(relay) = &self.relay
            && forgotten < u64::from(limit)
        {
            relay.forget_expired(now, limit).await; // once a round, since it may be slow to say that it is gone
        }
        Ok(forgotten)
    }

    /// How the feed is doing.
    #[must_use]
    pub fn status(&self) -> FeedStatus {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FeedStatus {
            is_fresh: self.is_fresh(),
            lag: self.lag(),
            entries: self.image.len(),
            from_memory: count(&self.counters.from_memory),
            from_store: count(&self.counters.from_store),
            reads: count(&self.counters.reads),
            failed_reads: count(&self.counters.failed_reads),
            relay_works: self.relay.as_ref().map(Relay::works),
        }
    }

    async fn read_on(&self) -> StoreResult<()> {
        let mut reader = self.reader.lock().await;
        self.sweep(&mut reader);
        loop {
            // A round that broke off goes on towards what had been added when it began, and no further.
            let begun = *reader.pages_since.get_or_insert_with(|| self.clock.monotonic());
            let page = self.log.read(reader.cursor.as_ref(), Self::PAGE).await?;
            if page.starts_over {
                tracing::warn!(
                    "the log of revocations is another one: what was known of the former is dropped"
                );
                self.restart(&mut reader);
                continue;
            }
            page.entries.iter().for_each(|entry| self.learn(entry));
            if !page.entries.is_empty() {
                self.news.send_replace(());
            }
            reader.cursor = Some(page.next);
            if page.is_complete {
                reader.pages_since = None;
                // Who has heard nothing for a while may never hear that roles have changed: the entry may be forgotten by now.
                if self.lag().is_none_or(|lag| lag > Self::MAX_LAG) {
                    self.changes_of_roles.fetch_add(1, Ordering::SeqCst);
                }
                self.complete_as_of.store(micros(begun).saturating_add(1), Ordering::SeqCst);
                return Ok(());
            }
        }
    }

    /// Drops expired entries now and then. If some had found no room, the log is then read from its beginning.
    fn sweep(&self, reader: &mut Reader) {
        let moment = self.clock.monotonic();
        if moment.saturating_sub(reader.swept) < Self::SWEEP {
            return;
        }
        reader.swept = moment;
        self.image.forget_expired(self.clock.now());
        if !self.image.is_complete() {
            self.restart(reader);
        }
    }

    /// Begins anew with an empty image. Whatever was noted before has been committed before, so it is read again.
    fn restart(&self, reader: &mut Reader) {
        // In this order, so that nobody takes what is left for fresh: see `covers`.
        self.complete_as_of.store(0, Ordering::SeqCst);
        self.restarts.fetch_add(1, Ordering::SeqCst);
        self.changes_of_roles.fetch_add(1, Ordering::SeqCst);
        self.image.clear();
        self.news.send_replace(()); // those who wait hear that their place in the log is none any more
        (reader.cursor, reader.pages_since) = (None, None);
    }

    async fn read_whenever_woken(&self) -> Infallible {
        let mut was_fresh = true;
        loop {
            let read = self.catch_up().await;
            let is_fresh = self.is_fresh();
            match (was_fresh, is_fresh) {
                (true, false) => {
                    let error = read.as_ref().err().map(|error| error as &dyn Error);
                    tracing::warn!(
                        error,
                        "the revocation feed is lost: the storage is asked on each request"
                    );
                }
                (false, true) => tracing::info!("the revocation feed is back"),
                _ => {}
            }
            was_fresh = is_fresh;
            sleep(Self::PAUSE).await;
            let _woken_or_not = timeout(Self::HEARTBEAT, self.wake.notified()).await;
        }
    }

    async fn listen(&self) -> Infallible {
        loop {
            let lost = match self.log.subscribe().await {
                Ok(mut subscription) => loop {
                    self.wake.notify_one();
                    if let Err(error) = subscription.next().await {
                        break error;
                    }
                },
                Err(error) => error,
            };
            tracing::debug!(error = &lost as &dyn Error, "no notifications of revocations for a while");
            sleep(Self::RESUBSCRIBE).await;
        }
    }

    fn lag(&self) -> Option<Duration> {
        match self.complete_as_of.load(Ordering::SeqCst) {
            0 => None,
            as_of => Some(self.clock.monotonic().saturating_sub(Duration::from_micros(as_of - 1))),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
