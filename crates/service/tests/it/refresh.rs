use std::time::Duration;

use maestro_auth_service::RefreshError;

use crate::support::TestAuth;
use crate::tokens::claims;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_refresh_token_buys_its_successor() {
    let t = TestAuth::new().await;
    let first = t.signed_in("ada@example.org").await;
    let second = t.refresh(&first).await.unwrap();
    assert_eq!(claims(&second.refresh_token)["ctr"], 2);
    assert!(t.is_accepted(&second.access_token).await);
    assert!(t.is_accepted(&first.access_token).await, "a refresh ends no access token");
}

#[tokio::test]
async fn a_replay_within_the_grace_is_answered_with_the_same_successor() {
    let t = TestAuth::new().await;
    let first = t.signed_in("ada@example.org").await;
    let second = t.refresh(&first).await.unwrap();
    t.clock.advance(Duration::from_secs(9));
    let replayed = t.refresh(&first).await.unwrap();
    assert_eq!(claims(&replayed.refresh_token), claims(&second.refresh_token));
    assert!(t.refresh(&replayed).await.is_ok());
}

#[tokio::test]
async fn sec_50_reuse_outside_the_grace_ends_the_session() {
    let t = TestAuth::new().await;
    let first = t.signed_in("ada@example.org").await;
    let second = t.refresh(&first).await.unwrap();
    t.clock.advance(Duration::from_secs(10));
    assert!(matches!(t.refresh(&first).await, Err(RefreshError::Reused)));
    assert!(matches!(t.refresh(&second).await, Err(RefreshError::Revoked)));
    assert!(!t.is_accepted(&second.access_token).await);
}

#[tokio::test]
async fn sec_53_a_refresh_token_dies_unused_and_a_session_dies_of_age() {
    let t = TestAuth::new().await;
    let idle = t.signed_in("ida@example.org").await;
    let mut used = t.signed_in("ada@example.org").await;
    for _ in 0..4 {
        t.clock.advance(6 * DAY);
        used = t.refresh(&used).await.unwrap();
    }
    t.clock.advance(4 * DAY);
    used = t.refresh(&used).await.unwrap();
    assert!(matches!(t.refresh(&idle).await, Err(RefreshError::Expired)));
    t.clock.advance(2 * DAY);
    assert!(matches!(t.refresh(&used).await, Err(RefreshError::Expired)));
}

#[tokio::test]
async fn sec_53_no_token_outlives_its_session() {
    let t = TestAuth::new().await;
    let mut signed_in = t.signed_in("ada@example.org").await;
    let end = claims(&signed_in.refresh_token)["iat"].as_i64().unwrap() + 30 * 24 * 3_600;
    for wait in [6 * DAY, 6 * DAY, 6 * DAY, 6 * DAY, 6 * DAY.saturating_sub(Duration::from_mins(1))] {
        t.clock.advance(wait);
        signed_in = t.refresh(&signed_in).await.unwrap();
    }
    assert_eq!(claims(&signed_in.refresh_token)["exp"], end);
    assert_eq!(claims(&signed_in.access_token)["exp"], end);
    assert_eq!(signed_in.expires_in, Duration::from_mins(6));
}

#[tokio::test]
async fn sec_52_a_refresh_finds_the_user_as_it_is_now() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    t.set_active(signed_in.user.id, false).await.unwrap();
    assert!(matches!(t.refresh(&signed_in).await, Err(RefreshError::Revoked)));
    t.set_active(signed_in.user.id, true).await.unwrap();
    assert!(matches!(t.refresh(&signed_in).await, Err(RefreshError::Revoked)), "what ended stays ended");
}
