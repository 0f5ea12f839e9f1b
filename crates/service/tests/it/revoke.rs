//! Tokens that registered services revoke (RFC 7009, SEC-59).

use maestro_auth_domain::{Action, Actor, AuditFilter, Subject, TenantId};
use maestro_auth_service::RefreshError;

use crate::introspect::service;
use crate::support::TestAuth;
use crate::tokens::claims;

const EMAIL: &str = "ada@example.com";

/// How many entries the trail has of revoked tokens, and whom they are about.
async fn told(t: &TestAuth) -> Vec<(Actor, Option<Subject>)> {
    let filter = AuditFilter { action: Some(Action::TokenRevoked), ..AuditFilter::default() };
    let found = t.stores.audit.find_entries(TenantId::DEFAULT, &filter, None, 100).await.unwrap();
    found.into_iter().map(|entry| (entry.actor, entry.subject)).collect()
}

#[tokio::test]
async fn a_revoked_access_token_dies_alone_and_at_once() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in(EMAIL).await;
    let again = here.refresh(&ada).await.unwrap();
    let by = service(&here, "reports").await;
    for t in [&here, &there] {
        t.catch_up().await;
        assert!(t.is_accepted(&ada.access_token).await);
    }
    for _ in 0..2 {
        here.auth.revoke_token(&by, &ada.access_token).await.unwrap();
        assert!(!here.is_accepted(&ada.access_token).await);
        there.catch_up().await;
        assert!(!there.is_accepted(&ada.access_token).await);
    }
    for t in [&here, &there] {
        assert!(t.is_accepted(&again.access_token).await, "another token of the session");
    }
    assert!(there.refresh(&again).await.is_ok(), "the session goes on");

    let session = claims(&ada.access_token)["sid"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        told(&here).await,
        [(by.actor(), Some(Subject::Session(session)))],
        "once, since once was done"
    );
}

#[tokio::test]
async fn a_revoked_refresh_token_ends_its_session() {
    for is_spent in [false, true] {
        let (here, there) = TestAuth::two_instances().await;
        let ada = here.signed_in(EMAIL).await;
        let other = here.login_or_register(EMAIL).await;
        let latest = if is_spent { here.refresh(&ada).await.unwrap() } else { ada.clone() };
        let by = service(&here, "reports").await;
        there.catch_up().await;

        here.auth.revoke_token(&by, &ada.refresh_token).await.unwrap();
        there.catch_up().await;
        for t in [&here, &there] {
            assert!(!t.is_accepted(&ada.access_token).await && !t.is_accepted(&latest.access_token).await);
            assert!(matches!(t.refresh(&latest).await, Err(RefreshError::Revoked)));
            assert!(t.is_accepted(&other.access_token).await, "another session");
        }
        let session = claims(&ada.refresh_token)["sid"].as_str().unwrap().parse().unwrap();
        assert_eq!(told(&here).await, [(by.actor(), Some(Subject::Session(session)))]);
    }
}

#[tokio::test]
async fn sec_59_what_is_good_for_nothing_can_be_revoked_without_effect() {
    let t = TestAuth::new().await;
    let foreign = TestAuth::new().await.signed_in(EMAIL).await;
    let ada = t.signed_in(EMAIL).await;
    let by = service(&t, "reports").await;
    for junk in ["", "junk", &foreign.access_token, &foreign.refresh_token, &format!("{}x", ada.access_token)]
    {
        t.auth.revoke_token(&by, junk).await.unwrap();
    }
    assert!(t.is_accepted(&ada.access_token).await);
    t.clock.advance(t.policy.access_ttl + t.policy.leeway);
    t.auth.revoke_token(&by, &ada.access_token).await.unwrap();
    let ada = t.refresh(&ada).await.unwrap();
    t.clock.advance(t.policy.refresh.idle_ttl + t.policy.leeway);
    t.auth.revoke_token(&by, &ada.refresh_token).await.unwrap();
    assert_eq!(told(&t).await, []);
}

#[tokio::test]
async fn a_revocation_is_not_acknowledged_without_the_store() {
    let t = TestAuth::new().await;
    let ada = t.signed_in(EMAIL).await;
    let by = service(&t, "reports").await;
    t.storage.turn_off();
    for token in [&ada.access_token, &ada.refresh_token] {
        assert!(t.auth.revoke_token(&by, token).await.is_err());
    }
    t.storage.turn_on();
    assert!(t.is_accepted(&ada.access_token).await);
    assert!(t.refresh(&ada).await.is_ok());
}
