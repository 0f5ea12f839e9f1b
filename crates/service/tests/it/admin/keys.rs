use std::time::Duration;

use maestro_auth_domain::{Action, KeyId, Subject};
use maestro_auth_service::{AdminError, Caller, RefreshError, Revocations, SignedIn};

use super::told;
use crate::support::{PASSWORD, TestAuth};
use crate::tokens::key_of;

/// Whether no token of the pair is worth anything at that instance.
async fn is_dead(t: &TestAuth, tokens: &SignedIn) -> bool {
    let refresh = t.refresh(tokens).await;
    assert!(matches!(refresh, Ok(_) | Err(RefreshError::Invalid)), "refused for another reason");
    refresh.is_err() && !t.is_accepted(&tokens.access_token).await
}

#[tokio::test(start_paused = true)]
async fn sec_56_a_new_key_is_published_before_it_signs_and_no_token_is_refused() {
    let (here, there) = TestAuth::two_instances().await;
    let before = here.signed_in("ada@example.org").await;
    let next = here.auth.rotate_key(&Caller::operator(), false).await.unwrap();
    assert!(here.auth.list_keys().iter().any(|key| key.kid == next.kid));
    assert!(next.active_from > next.created_at);
    let meanwhile = here.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(key_of(&meanwhile.access_token), key_of(&before.access_token));

    here.clock.advance(Duration::from_mins(10));
    let after = here.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(key_of(&after.access_token), next.kid);
    for t in [&here, &there] {
        for tokens in [&before, &meanwhile, &after] {
            assert!(t.is_accepted(&tokens.access_token).await);
        }
    }
    let told = told(&here, Action::KeyRotated).await;
    assert_eq!(told[0].subject, Some(Subject::Key(next.kid)));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_signs_at_once_is_looked_up_by_the_other_instance() {
    let (here, there) = TestAuth::two_instances().await;
    let before = here.signed_in("ada@example.org").await;
    let next = here.auth.rotate_key(&Caller::operator(), true).await.unwrap();
    let after = here.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(key_of(&after.access_token), next.kid);
    assert!(there.is_accepted(&after.access_token).await && there.is_accepted(&before.access_token).await);
}

#[tokio::test(start_paused = true)]
async fn sec_57_a_revoked_key_takes_every_token_of_it_along_and_no_other() {
    let (here, there) = TestAuth::two_instances().await;
    let operator = Caller::operator();
    let stolen = here.signed_in("ada@example.org").await;
    let key = key_of(&stolen.access_token);
    here.auth.rotate_key(&operator, true).await.unwrap();
    let kept = here.login("ada@example.org", PASSWORD).await.unwrap();
    there.catch_up().await;
    for t in [&here, &there] {
        assert!(t.is_accepted(&stolen.access_token).await && t.is_accepted(&kept.access_token).await);
    }

    here.auth.revoke_key(&operator, key).await.unwrap();
    assert!(is_dead(&here, &stolen).await, "the instance that answered has no delay");
    assert!(there.refresh(&stolen).await.is_err(), "a refresh asks the store");
    there.catch_up().await;
    assert!(is_dead(&there, &stolen).await);
    for t in [&here, &there] {
        assert!(t.is_accepted(&kept.access_token).await);
        assert!(!t.auth.list_keys().iter().any(|published| published.kid == key));
    }
    assert!(there.refresh(&kept).await.is_ok());
    let told = told(&here, Action::KeyRevoked).await;
    assert_eq!((told.len(), told[0].subject.clone()), (1, Some(Subject::Key(key))));
}

#[tokio::test(start_paused = true)]
async fn sec_57_when_the_key_that_signs_is_revoked_another_signs_at_once() {
    let (here, there) = TestAuth::two_instances().await;
    let stolen = here.signed_in("ada@example.org").await;
    here.auth.revoke_key(&Caller::operator(), key_of(&stolen.access_token)).await.unwrap();
    there.catch_up().await;
    for t in [&here, &there] {
        assert!(is_dead(t, &stolen).await);
    }
    let again = here.login("ada@example.org", PASSWORD).await.unwrap();
    assert_ne!(key_of(&again.access_token), key_of(&stolen.access_token));
    for t in [&here, &there] {
        assert!(t.is_accepted(&again.access_token).await);
    }
    assert!(there.refresh(&again).await.is_ok());
    assert!(there.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn sec_57_an_instance_that_has_lost_the_feed_asks_whether_a_key_was_revoked() {
    let (here, there) = TestAuth::two_instances().await;
    let stolen = here.signed_in("ada@example.org").await;
    there.catch_up().await;
    assert!(there.is_accepted(&stolen.access_token).await);
    here.auth.revoke_key(&Caller::operator(), key_of(&stolen.access_token)).await.unwrap();
    there.clock.advance(Revocations::MAX_LAG * 2);
    assert!(is_dead(&there, &stolen).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_unknown_or_gone_is_not_revoked() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    let unknown = KeyId::parse(&"k".repeat(KeyId::LENGTH)).unwrap();
    assert!(matches!(t.auth.revoke_key(&operator, unknown).await, Err(AdminError::NotFound)));
    let key = t.auth.list_keys()[0].kid;
    t.auth.revoke_key(&operator, key).await.unwrap();
    assert!(matches!(t.auth.revoke_key(&operator, key).await, Err(AdminError::NotFound)));
    assert_eq!(told(&t, Action::KeyRevoked).await.len(), 1);
    assert_eq!(t.auth.list_keys().len(), 1, "one successor, and no more");
}
