//! The blacklist in memory, and the feed that keeps it fresh: on one instance and on two.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{BlacklistEntry, Revoked, TenantId, Timestamp, TokenId};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, BlacklistWakeups, Clock, StoreResult, TokenBlacklist,
};
use maestro_auth_service::{AuthenticateError, LogoutScope, RefreshError, Revocations, TokenPolicy};

use crate::support::{PASSWORD, TestAuth, roles};
use crate::tokens::claims;

const EMAIL: &str = "ada@example.com";

#[tokio::test]
async fn a_warm_token_costs_no_question_to_the_store_while_the_feed_is_fresh() {
    let t = TestAuth::new().await;
    let ada = t.signed_in(EMAIL).await;
    t.catch_up().await;
    assert!(t.is_accepted(&ada.access_token).await);

    t.storage.turn_off();
    t.clock.advance(Revocations::MAX_LAG);
    assert_eq!(*t.auth.authenticate(&ada.access_token).await.unwrap(), ada.user);

    t.clock.advance(Duration::from_millis(1));
    let refused = t.auth.authenticate(&ada.access_token).await;
    assert!(matches!(refused, Err(AuthenticateError::Store(_))), "it never guesses");
    let status = t.auth.revocations().status();
    assert!(!status.is_fresh);
    assert_eq!(status.lag, Some(Revocations::MAX_LAG + Duration::from_millis(1)));
    assert_eq!((status.from_memory, status.from_store), (2, 1));

    t.storage.turn_on();
    assert!(t.is_accepted(&ada.access_token).await);
}

#[tokio::test]
async fn without_a_feed_the_store_is_asked_on_each_request() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    assert!(there.is_accepted(&ada.access_token).await);
    here.logout(&ada, LogoutScope::ThisSession).await.unwrap();
    assert!(!there.is_accepted(&ada.access_token).await);
    assert!(!there.auth.revocations().status().is_fresh);
}

#[tokio::test]
async fn another_instance_learns_of_a_logout_by_its_feed_and_within_the_bound_without() {
    let (here, there) = TestAuth::two_instances().await;
    for hears_of_it in [true, false] {
        let ada = here.login_or_register(EMAIL).await;
        there.catch_up().await;
        assert!(there.is_accepted(&ada.access_token).await);

        here.logout(&ada, LogoutScope::ThisSession).await.unwrap();
        assert!(!here.is_accepted(&ada.access_token).await, "the instance that answered has no delay");

        if hears_of_it {
            there.catch_up().await;
        } else {
            assert!(there.is_accepted(&ada.access_token).await, "it has not heard of it, and may say so");
            there.clock.advance(Revocations::MAX_LAG + Duration::from_millis(1));
        }
        assert!(!there.is_accepted(&ada.access_token).await);
    }
}

#[tokio::test]
async fn a_new_instance_knows_what_was_revoked_before_it_started() {
    let (here, _) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    here.logout(&ada, LogoutScope::ThisSession).await.unwrap();

    let late = here.another_instance().await;
    late.catch_up().await;
    late.storage.turn_off();

    let refused = late.auth.authenticate(&ada.access_token).await;
    assert!(matches!(refused, Err(AuthenticateError::Revoked)), "refused without asking: {refused:?}");
}

#[tokio::test]
async fn a_blacklisted_token_dies_alone() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    let again = here.refresh(&ada).await.unwrap();
    there.catch_up().await;
    assert!(there.is_accepted(&ada.access_token).await);

    here.stores.blacklist.add(&[entry_for(&ada.access_token, &here)]).await.unwrap();

    for asks_the_store in [false, true] {
        if asks_the_store {
            there.clock.advance(Revocations::MAX_LAG * 2);
        } else {
            there.catch_up().await;
        }
        assert!(!there.is_accepted(&ada.access_token).await);
        assert!(there.is_accepted(&again.access_token).await, "another token of the session");
    }
}

#[tokio::test]
async fn other_roles_outdate_older_tokens_everywhere_and_a_refresh_brings_them() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    there.catch_up().await;
    assert!(there.is_accepted(&ada.access_token).await);

    here.set_roles(ada.user.id, &["admin"]).await.unwrap();
    assert!(!here.is_accepted(&ada.access_token).await);
    there.catch_up().await;
    assert!(!there.is_accepted(&ada.access_token).await);

    let fresh = here.refresh(&ada).await.unwrap();
    let seen = there.auth.authenticate(&fresh.access_token).await.unwrap();
    assert_eq!(seen.roles, roles(&["admin"]), "what was cached of the user has the former roles");
}

#[tokio::test]
async fn a_deactivated_user_is_out_of_every_cache() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    there.catch_up().await;
    assert!(there.is_accepted(&ada.access_token).await);

    here.set_active(ada.user.id, false).await.unwrap();
    there.catch_up().await;
    assert!(!there.is_accepted(&ada.access_token).await);
    assert!(matches!(there.refresh(&ada).await, Err(RefreshError::Revoked)));

    here.set_active(ada.user.id, true).await.unwrap();
    there.catch_up().await;
    assert!(!there.is_accepted(&ada.access_token).await, "activation brought a token back");
    let back = here.login(EMAIL, PASSWORD).await.unwrap();
    assert!(there.is_accepted(&back.access_token).await);
}

#[tokio::test]
async fn the_blacklist_forgets_what_no_token_needs_any_more() {
    let t = TestAuth::new().await;
    let ada = t.signed_in(EMAIL).await;
    t.logout(&ada, LogoutScope::ThisSession).await.unwrap();

    // Also for tokens of a former setting, which may have let them live the longest.
    t.clock.advance(TokenPolicy::LONGEST_ACCESS_TTL + t.policy.leeway);
    t.catch_up().await;
    assert_eq!(t.auth.revocations().status().entries, 1);
    assert_eq!(t.auth.forget_expired_revocations(100).await.unwrap(), 0);
    assert!(!t.is_accepted(&ada.access_token).await);

    t.clock.advance(Duration::from_mins(2));
    t.catch_up().await;
    assert_eq!(t.auth.revocations().status().entries, 0);
    assert_eq!(t.auth.forget_expired_revocations(100).await.unwrap(), 1);
    assert!(!t.is_accepted(&ada.access_token).await);
}

#[tokio::test]
async fn what_is_cached_of_a_user_is_read_again_after_a_while() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    there.catch_up().await;
    there.auth.authenticate(&ada.access_token).await.unwrap();
    here.clock.advance(Duration::from_secs(3));
    let login = here.login(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(*here.auth.authenticate(&ada.access_token).await.unwrap(), login.user, "at once where it was");

    there.clock.advance(Duration::from_millis(2_001));
    there.catch_up().await;
    assert_eq!(*there.auth.authenticate(&ada.access_token).await.unwrap(), login.user);
}

/// A database that is put back to an earlier state has lost an end that everybody had heard of. Those whom it concerned are
/// let in again, since the store says that they are valid; what the new log holds is refused.
#[tokio::test]
async fn what_another_log_does_not_hold_is_dropped() {
    let here = TestAuth::new().await;
    let log = Arc::new(ReplaceableLog::default());
    let there = here.instance_that_follows(log.clone()).await;
    let (lost, kept) = (here.signed_in(EMAIL).await, here.signed_in("bob@example.com").await);
    for ended in [&lost, &kept] {
        log.present().add(&[entry_for(&ended.access_token, &here)]).await.unwrap();
    }
    there.catch_up().await;
    for ended in [&lost, &kept] {
        assert!(!there.is_accepted(&ended.access_token).await);
    }

    log.replace();
    log.present().add(&[entry_for(&kept.access_token, &here)]).await.unwrap();
    there.catch_up().await;

    assert!(there.is_accepted(&lost.access_token).await, "thrown out by an end that never was");
    assert!(!there.is_accepted(&kept.access_token).await);
    assert_eq!(there.auth.revocations().status().entries, 1);
}

/// A log that can be replaced by another one, as the one of a database that is put back to an earlier state.
#[derive(Default)]
struct ReplaceableLog {
    present: Mutex<Arc<MemoryStore>>,
    /// Whether the next cursor is one of the former log.
    is_new: AtomicBool,
}

impl ReplaceableLog {
    fn present(&self) -> Arc<MemoryStore> {
        self.present.lock().unwrap().clone()
    }

    fn replace(&self) {
        *self.present.lock().unwrap() = Arc::default();
        self.is_new.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl TokenBlacklist for ReplaceableLog {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        self.present().add(entries).await
    }

    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        let starts_over = self.is_new.swap(false, Ordering::SeqCst);
        let after = after.filter(|_| !starts_over);
        Ok(BlacklistPage { starts_over, ..self.present().read(after, limit).await? })
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.present().forget_expired_entries(before, limit).await
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        self.present().subscribe().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_follows_stays_fresh_and_says_when_it_does_not() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    let following = {
        let auth = there.auth.clone();
        tokio::spawn(async move { auth.revocations().follow().await })
    };
    there.until(|status| status.is_fresh).await;
    assert!(there.is_accepted(&ada.access_token).await);

    here.logout(&ada, LogoutScope::ThisSession).await.unwrap();
    there.until(|status| status.entries == 1).await;
    assert!(!there.is_accepted(&ada.access_token).await);

    there.storage.turn_off();
    there.until(|status| status.failed_reads > 0).await;
    there.clock.advance(Revocations::MAX_LAG * 2);
    assert!(!there.auth.revocations().status().is_fresh);
    there.storage.turn_on();
    there.until(|status| status.is_fresh).await;
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn a_relay_tells_sooner_and_its_loss_loses_nothing() {
    let (here, there, relay) = TestAuth::two_instances_with_a_relay().await;
    let following: Vec<_> = [&here, &there]
        .map(|instance| {
            let auth = instance.auth.clone();
            tokio::spawn(async move { auth.revocations().follow().await })
        })
        .into();
    there.until(|status| status.is_fresh).await;

    // Only the relay can tell `there` while its storage is off.
    let ada = here.signed_in(EMAIL).await;
    assert!(there.is_accepted(&ada.access_token).await);
    there.storage.turn_off();
    here.logout(&ada, LogoutScope::ThisSession).await.unwrap();
    there.until(|status| status.entries == 1).await;
    there.storage.turn_on();

    relay.turn_off();
    let again = here.login(EMAIL, PASSWORD).await.unwrap();
    here.logout(&again, LogoutScope::ThisSession).await.unwrap();
    there.until(|status| status.entries == 2).await;
    here.until(|status| status.relay_works == Some(false)).await;
    relay.turn_on();
    here.until(|status| status.relay_works == Some(true)).await;
    for task in following {
        task.abort();
    }
}

/// Revokes one access token.
fn entry_for(access_token: &str, t: &TestAuth) -> BlacklistEntry {
    let revoked = Revoked::Token(token_id(access_token));
    BlacklistEntry { tenant: TenantId::DEFAULT, revoked, until: t.clock.now() + Duration::from_mins(16) }
}

/// The `jti` of a token.
fn token_id(token: &str) -> TokenId {
    claims(token)["jti"].as_str().unwrap().parse().unwrap()
}
