use std::time::Duration;

use maestro_auth_service::{LogoutError, LogoutScope};

use crate::support::{PASSWORD, TestAuth};

#[tokio::test]
async fn a_logout_ends_its_session_and_no_other() {
    let t = TestAuth::new().await;
    let here = t.signed_in("ada@example.org").await;
    let there = t.login("ada@example.org", PASSWORD).await.unwrap();
    t.logout(&here, LogoutScope::ThisSession).await.unwrap();
    assert!(!t.is_accepted(&here.access_token).await);
    assert!(t.refresh(&here).await.is_err());
    assert!(t.is_accepted(&there.access_token).await);
    assert!(t.refresh(&there).await.is_ok());
}

#[tokio::test]
async fn sec_64_a_logout_everywhere_ends_every_session_of_the_user_alone() {
    let t = TestAuth::new().await;
    let here = t.signed_in("ada@example.org").await;
    let there = t.login("ada@example.org", PASSWORD).await.unwrap();
    let other = t.signed_in("ida@example.org").await;
    t.logout(&here, LogoutScope::Everywhere).await.unwrap();
    for ended in [&here, &there] {
        assert!(!t.is_accepted(&ended.access_token).await);
        assert!(t.refresh(ended).await.is_err());
    }
    assert!(t.is_accepted(&other.access_token).await);
}

#[tokio::test]
async fn sec_61_logging_out_twice_succeeds_and_ends_nothing_more() {
    let t = TestAuth::new().await;
    for scope in [LogoutScope::ThisSession, LogoutScope::Everywhere] {
        let email = format!("{scope:?}@example.org");
        let first = t.signed_in(&email).await;
        t.logout(&first, scope).await.unwrap();
        let later = t.login(&email, PASSWORD).await.unwrap();
        t.logout(&first, scope).await.unwrap();
        assert!(t.is_accepted(&later.access_token).await, "a dead token ended a session opened since");
    }
}

#[tokio::test]
async fn a_dead_token_is_not_told_that_it_ended_every_session() {
    let t = TestAuth::new().await;
    let here = t.signed_in("ada@example.org").await;
    let there = t.login("ada@example.org", PASSWORD).await.unwrap();
    t.logout(&here, LogoutScope::ThisSession).await.unwrap();
    let everywhere = t.logout(&here, LogoutScope::Everywhere).await;
    assert!(matches!(everywhere, Err(LogoutError::Revoked)));
    assert!(t.is_accepted(&there.access_token).await);
}

#[tokio::test]
async fn sec_61_an_expired_token_ends_its_own_session_and_nothing_else() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    t.clock.advance(t.policy.access_ttl + t.policy.leeway);
    let everywhere = t.logout(&signed_in, LogoutScope::Everywhere).await;
    assert!(matches!(everywhere, Err(LogoutError::Expired)));
    t.logout(&signed_in, LogoutScope::ThisSession).await.unwrap();
    assert!(t.refresh(&signed_in).await.is_err());
}

#[tokio::test]
async fn sessions_are_forgotten_only_once_none_of_their_tokens_can_live() {
    let t = TestAuth::new().await;
    t.signed_in("ada@example.org").await;
    t.clock.advance(t.policy.session_ttl + t.policy.leeway);
    assert_eq!(t.auth.forget_expired_sessions(100).await.unwrap(), 0);
    t.clock.advance(Duration::from_secs(1));
    assert_eq!(t.auth.forget_expired_sessions(100).await.unwrap(), 1);
}

#[tokio::test]
async fn sec_62_a_logout_everywhere_that_another_instance_was_faster_with_is_done_here_too() {
    let (here, there) = TestAuth::two_instances().await;
    let phone = here.signed_in("ada@example.org").await;
    let laptop = here.login("ada@example.org", PASSWORD).await.unwrap();
    here.catch_up().await;
    there.logout(&phone, LogoutScope::Everywhere).await.unwrap();

    here.logout(&phone, LogoutScope::Everywhere).await.unwrap();
    assert!(!here.is_accepted(&laptop.access_token).await, "the instance that answered has no delay");
}
