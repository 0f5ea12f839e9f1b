use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{Claims, NEVER, Scene, id, jump, until, until_verdict};

/// Ends the session, and waits until the client refuses its tokens.
async fn heeds_logout_of(scene: &Scene, session: u64) {
    let token = scene.token(Claims::of(&["viewer"]).with("sid", id(session)));
    assert_eq!(scene.verdict(&token).await, "accepted");
    scene.server.revoke(json!({"kind": "session", "id": id(session), "until": NEVER}));
    until_verdict(&scene.auth, &token, "token_revoked").await;
}

/// A client that was turned away once, since all places to wait at were taken.
async fn crowded_out() -> Scene {
    let scene = Scene::new().await;
    until("a poll is held", || scene.server.facts(|facts| facts.last_wait) == 5).await;
    scene.server.facts(|facts| facts.crowded = true);
    heeds_logout_of(&scene, 50).await; // which ends the poll
    until("the next is turned away", || turned_away(&scene) == 1).await;
    scene
}

fn turned_away(scene: &Scene) -> usize {
    scene.server.facts(|facts| facts.turned_away)
}

#[tokio::test]
async fn a_client_without_a_place_to_wait_at_heeds_a_logout_within_a_second_all_the_same() {
    let scene = crowded_out().await;
    for session in 51..61 {
        let begun_at = Instant::now();
        heeds_logout_of(&scene, session).await;
        assert!(begun_at.elapsed() < Duration::from_secs(1), "session {session}: {:?}", begun_at.elapsed());
    }
    let facts = scene.server.facts(|facts| (facts.turned_away, facts.last_wait));
    assert_eq!(facts, (1, 0), "it does not try to wait again and again");
    assert!(scene.auth.status().ready);
}

#[tokio::test]
async fn a_client_without_a_place_asks_a_few_times_in_a_second() {
    let scene = crowded_out().await;
    let polls = || scene.server.facts(|facts| facts.polls);
    let (begun_at, before) = (Instant::now(), polls());
    until("it has asked three times more", || polls() >= before + 3).await;
    assert!(begun_at.elapsed() >= Duration::from_millis(250), "{:?}", begun_at.elapsed());
}

#[tokio::test]
async fn a_client_without_a_place_tries_to_wait_again_after_half_a_minute() {
    let scene = crowded_out().await;
    jump(Duration::from_secs(31)).await;
    until("there is still no place", || turned_away(&scene) == 2).await;
    heeds_logout_of(&scene, 51).await;

    scene.server.facts(|facts| facts.crowded = false);
    jump(Duration::from_secs(31)).await;
    until("a poll is held again", || scene.server.facts(|facts| facts.last_wait) == 5).await;
    heeds_logout_of(&scene, 52).await;
}
