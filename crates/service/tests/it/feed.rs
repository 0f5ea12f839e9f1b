//! What registered services are told of revocations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{BlacklistEntry, Revoked, SessionId, TenantId, Timestamp};
use maestro_auth_ports::{BlacklistCursor, BlacklistPage, BlacklistWakeups, StoreResult, TokenBlacklist};
use maestro_auth_service::{Caller, FeedError, FeedPage, LogoutScope};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::introspect::service;
use crate::support::{TestAuth, role};
use crate::tokens::{claims, key_of};

fn entry(number: u128) -> BlacklistEntry {
    let revoked = Revoked::Session(SessionId::from_uuid(Uuid::from_u128(number)));
    BlacklistEntry { tenant: TenantId::DEFAULT, revoked, until: Timestamp::from_unix_seconds(1_900_000_000) }
}

/// Everything after a place, page by page, and the place behind it.
async fn all(t: &TestAuth, mut after: Option<BlacklistCursor>) -> (Vec<Revoked>, BlacklistCursor) {
    let mut all = Vec::new();
    loop {
        let page = t.auth.read_feed(after.as_ref()).await.unwrap();
        all.extend(page.entries.iter().map(|entry| entry.revoked));
        if page.is_complete {
            return (all, page.next.clone());
        }
        after = Some(page.next.clone());
    }
}

#[tokio::test]
async fn it_tells_of_every_kind_of_revocation_and_of_changed_roles() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    let (_, before) = all(&t, None).await;
    let ada = t.signed_in("ada@example.com").await;
    let bob = t.signed_in("bob@example.com").await;
    let by = service(&t, "reports").await;
    t.auth.revoke_token(&by, &ada.access_token).await.unwrap();
    t.logout(&ada, LogoutScope::ThisSession).await.unwrap();
    let bob_now = t.set_active(bob.user.id, false).await.unwrap();
    t.auth.put_role(&operator, role("printer", &["data:view"], &[])).await.unwrap();
    let key = key_of(&ada.access_token);
    t.auth.revoke_key(&operator, key).await.unwrap();

    let id = |name: &str| claims(&ada.access_token)[name].as_str().unwrap().to_owned();
    let (told, after) = all(&t, Some(before)).await;
    for expected in [
        Revoked::Token(id("jti").parse().unwrap()),
        Revoked::Session(id("sid").parse().unwrap()),
        Revoked::User { user: bob.user.id, min_generation: bob_now.generation },
        Revoked::RoleDefinitions,
        Revoked::Key(key),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not among {told:?}");
    }
    assert_eq!(all(&t, Some(after)).await.0, [], "told once");
}

#[tokio::test]
async fn a_long_log_comes_in_pages() {
    let t = TestAuth::new().await;
    let entries: Vec<BlacklistEntry> = (0..2_500).map(entry).collect();
    t.stores.blacklist.add(&entries).await.unwrap();
    let first = t.auth.read_feed(None).await.unwrap();
    assert_eq!((first.entries.len(), first.is_complete), (1_000, false));
    let (told, _) = all(&t, None).await;
    assert_eq!(told.len(), 2_500);
}

/// Waits as a held poll does.
async fn next(t: &TestAuth, by: &Caller, after: &BlacklistCursor) -> Result<Arc<FeedPage>, FeedError> {
    let mut follower = t.auth.follow_feed(by)?;
    t.auth.next_of_feed(&mut follower, Some(after)).await
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_by_what_any_instance_revokes_and_by_nothing_else() {
    let (here, there) = TestAuth::two_instances().await;
    let by = service(&here, "reports").await;
    let ada = here.signed_in("ada@example.com").await;
    let (_, start) = all(&there, None).await;
    let following = {
        let auth = there.auth.clone();
        tokio::spawn(async move { auth.revocations().follow().await })
    };
    let waited = timeout(Duration::from_mins(5), next(&there, &by, &start)).await;
    assert!(waited.is_err(), "there is nothing to tell: {waited:?}");

    let (page, ()) = tokio::join!(next(&there, &by, &start), async {
        sleep(Duration::from_secs(1)).await;
        here.logout(&ada, LogoutScope::ThisSession).await.unwrap();
    });
    assert_eq!(page.unwrap().entries.len(), 1);
    following.abort();
}

#[tokio::test]
async fn without_a_cursor_nobody_waits() {
    let t = TestAuth::new().await;
    let by = service(&t, "reports").await;
    let mut follower = t.auth.follow_feed(&by).unwrap();
    let page = t.auth.next_of_feed(&mut follower, None).await.unwrap();
    assert!(page.is_complete && page.entries.is_empty());
}

#[tokio::test]
async fn a_service_has_so_many_places_and_gets_them_back() {
    let t = TestAuth::new().await;
    let (by, other) = (service(&t, "reports").await, service(&t, "gateway").await);
    let mut held: Vec<_> = (0..64).map(|_| t.auth.follow_feed(&by).unwrap()).collect();
    assert!(matches!(t.auth.follow_feed(&by), Err(FeedError::Overloaded)));
    assert!(t.auth.follow_feed(&other).is_ok());
    assert!(t.auth.read_feed(None).await.is_ok(), "who does not wait needs no place");
    held.pop();
    assert!(t.auth.follow_feed(&by).is_ok());
}

/// A log that counts its reads, takes a moment for each, and can be replaced by another.
#[derive(Default)]
struct SlowLog {
    inner: MemoryStore,
    reads: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    is_another: AtomicBool,
}

#[async_trait]
impl TokenBlacklist for SlowLog {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        self.inner.add(entries).await
    }

    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let page = self.inner.read(after, limit).await;
        sleep(Duration::from_millis(10)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let starts_over = self.is_another.load(Ordering::SeqCst) && after.is_some();
        page.map(|page| BlacklistPage { starts_over, ..page })
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.inner.forget_expired_entries(before, limit).await
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        self.inner.subscribe().await
    }
}

async fn over_a_slow_log() -> (Arc<TestAuth>, Arc<SlowLog>) {
    let log = Arc::new(SlowLog::default());
    let t = TestAuth::new().await.instance_that_follows(log.clone()).await;
    (Arc::new(t), log)
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_at_one_place_cost_hardly_more_than_one() {
    let (t, log) = over_a_slow_log().await;
    let start = t.auth.read_feed(None).await.unwrap().next.clone();
    let mut waiting = JoinSet::new();
    for number in 0..10 {
        let by = service(&t, &format!("service {number}")).await;
        for _ in 0..50 {
            let (t, by, start) = (t.clone(), by.clone(), start.clone());
            waiting.spawn(async move { next(&t, &by, &start).await.unwrap().entries.len() });
        }
    }
    sleep(Duration::from_mins(1)).await;
    let idle = log.reads.swap(0, Ordering::SeqCst);
    assert!(idle < 10, "{idle} reads before anything had come");

    log.add(&[entry(1)]).await.unwrap();
    t.catch_up().await;
    let mut woken = 0;
    while let Some(told) = waiting.join_next().await {
        assert_eq!(told.unwrap(), 1);
        woken += 1;
    }
    assert_eq!(woken, 500);
    let reads = log.reads.load(Ordering::SeqCst);
    assert!(reads < 10, "{reads} reads of one entry");
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_the_log_is_read_by_a_few_at_a_time() {
    let (t, log) = over_a_slow_log().await;
    log.add(&(0..101).map(entry).collect::<Vec<_>>()).await.unwrap();
    let mut asking = JoinSet::new();
    let mut place = None;
    for _ in 0..100 {
        let after = log.inner.read(place.as_ref(), 1).await.unwrap().next;
        place = Some(after.clone());
        let t = t.clone();
        asking.spawn(async move { t.auth.read_feed(Some(&after)).await.unwrap().entries.len() });
    }
    let told: usize = asking.join_all().await.into_iter().sum();
    assert_eq!(told, 5_050, "each hears what comes after its own place");
    assert_eq!(log.most_at_once.load(Ordering::SeqCst), 2);
}

/// A read that began before something was committed must not answer whoever asked after it.
#[tokio::test(start_paused = true)]
async fn nobody_is_answered_by_a_read_that_began_before_they_asked() {
    let (t, log) = over_a_slow_log().await;
    let start = t.auth.read_feed(None).await.unwrap().next.clone();
    let first = {
        let (t, start) = (t.clone(), start.clone());
        tokio::spawn(async move { t.auth.read_feed(Some(&start)).await.unwrap().entries.len() })
    };
    while log.at_once.load(Ordering::SeqCst) == 0 {
        yield_now().await;
    }
    log.add(&[entry(1)]).await.unwrap();
    assert_eq!(t.auth.read_feed(Some(&start)).await.unwrap().entries.len(), 1);
    assert_eq!(first.await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_takes_nothing_from_those_who_share_a_read() {
    let (t, _log) = over_a_slow_log().await;
    let ask = || {
        let t = t.clone();
        tokio::spawn(async move { t.auth.read_feed(None).await.is_ok() })
    };
    // Two hold the turns, so that the others wait together.
    let busy = [ask(), ask()];
    yield_now().await;
    let (first, second, third) = (ask(), ask(), ask());
    yield_now().await;
    first.abort();
    sleep(Duration::from_millis(15)).await; // while the next one reads for all
    second.abort();
    assert!(third.await.unwrap());
    for one in busy {
        assert!(one.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn who_stands_in_another_log_hears_of_it_also_while_waiting() {
    let (t, log) = over_a_slow_log().await;
    let by = service(&t, "reports").await;
    t.catch_up().await;
    let start = t.auth.read_feed(None).await.unwrap().next.clone();
    let waiting = {
        let (t, start) = (t.clone(), start.clone());
        tokio::spawn(async move { next(&t, &by, &start).await })
    };
    sleep(Duration::from_secs(1)).await;
    log.is_another.store(true, Ordering::SeqCst);
    t.catch_up().await;
    assert!(matches!(waiting.await.unwrap(), Err(FeedError::CursorExpired)));
    assert!(matches!(t.auth.read_feed(Some(&start)).await, Err(FeedError::CursorExpired)));
    assert!(t.auth.read_feed(None).await.is_ok());
}

#[tokio::test]
async fn without_the_store_there_is_no_page() {
    let t = TestAuth::new().await;
    let by = service(&t, "reports").await;
    let (_, start) = all(&t, None).await;
    t.storage.turn_off();
    assert!(matches!(t.auth.read_feed(None).await, Err(FeedError::Store(_))));
    assert!(matches!(next(&t, &by, &start).await, Err(FeedError::Store(_))));
}
