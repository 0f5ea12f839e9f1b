use std::net::TcpListener;
use std::time::Duration;

use maestro_auth_client::{Builder, StalePolicy};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{
    Claims, FakeServer, NEVER, PATIENCE, Scene, Signer, id, settings, until, until_verdict, verdict,
};

fn short_of_patience(settings: Builder) -> Builder {
    settings.max_staleness(Duration::from_millis(300))
}

#[tokio::test]
async fn a_server_that_is_down_for_too_long_has_tokens_refused_until_it_is_back() {
    let scene = Scene::with(short_of_patience).await;
    let good = scene.token(Claims::of(&["viewer"]));
    let revoked = scene.token(Claims::of(&["viewer"]).with("jti", id(41)));
    scene.server.revoke(json!({"kind": "token", "id": id(41), "until": NEVER}));
    until_verdict(&scene.auth, &revoked, "token_revoked").await;

    scene.server.fail();
    let begun_at = tokio::time::Instant::now();
    if scene.auth.status().staleness.unwrap() < Duration::from_millis(150) {
        assert_eq!(scene.verdict(&good).await, "accepted", "a short absence is no harm");
    }
    until_verdict(&scene.auth, &good, "feed_stale").await;
    assert!(begun_at.elapsed() < Duration::from_secs(3), "the limit is 300 ms");
    assert!(!scene.auth.status().ready);
    assert_eq!(scene.verdict(&revoked).await, "token_revoked", "what is known stays known");
    assert_eq!(scene.verdict("rubbish").await, "invalid_token");

    let refusal = scene.auth.verify(&good).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.retry_after()), (503, Some(2)));

    scene.server.recover();
    until_verdict(&scene.auth, &good, "accepted").await;
    assert_eq!(scene.verdict(&revoked).await, "token_revoked");
}

#[tokio::test]
async fn the_other_policy_accepts_tokens_until_they_expire() {
    let accepting = |settings| short_of_patience(settings).when_stale(StalePolicy::AcceptUntilExpiry);
    let scene = Scene::with(accepting).await;
    let good = scene.token(Claims::of(&["viewer"]));
    let expired = scene.token(Claims::of(&["viewer"]).with("exp", 1));
    scene.server.fail();
    until("300 ms are over", || scene.auth.status().staleness.unwrap() > Duration::from_millis(350)).await;
    assert_eq!(scene.verdict(&good).await, "accepted");
    assert_eq!(scene.verdict(&expired).await, "token_expired");
    assert!(scene.auth.status().ready);
}

#[tokio::test]
async fn polls_are_held_open_for_five_seconds_but_not_after_a_failure() {
    let scene = Scene::new().await;
    let last_wait = || scene.server.facts(|facts| facts.last_wait);
    until("a poll may be held", || last_wait() == 5).await;
    scene.server.fail();
    until("the next may not", || last_wait() == 0).await; // so that its answer comes at once
    scene.server.recover();
    until("those that follow may", || last_wait() == 5).await;
}

#[tokio::test]
async fn an_answer_that_can_not_be_understood_is_no_sign_of_life() {
    let scene = Scene::with(short_of_patience).await;
    let good = scene.token(Claims::of(&["viewer"]));
    scene.server.revoke(json!({"kind": "user", "id": id(9), "until": NEVER})); // of which generation?
    until_verdict(&scene.auth, &good, "feed_stale").await;
}

#[tokio::test]
async fn a_service_that_starts_before_the_server_refuses_until_it_has_caught_up() {
    for policy in [StalePolicy::Refuse, StalePolicy::AcceptUntilExpiry] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let signer = Signer::es256("key-1");
        let token = signer.token(&Claims::of(&["viewer"]));

        let auth = settings(&format!("http://{address}")).when_stale(policy).start().unwrap();
        until_verdict(&auth, &token, "keys_unavailable").await;
        let status = auth.status();
        assert!(!status.ready && status.staleness.is_none() && status.keys == 0, "{status:?}");

        // Now the keys come, but the revocations do not.
        let server = FakeServer::start_on(TcpListener::bind(address).unwrap(), &[&signer]);
        server.facts(|facts| facts.failing = vec![FakeServer::FEED]);
        until_verdict(&auth, &token, "feed_stale").await;

        server.recover();
        timeout(PATIENCE, auth.ready()).await.unwrap();
        assert_eq!(verdict(&auth, &token).await, "accepted");
        assert!(auth.status().ready);
    }
}

#[tokio::test]
async fn a_wrong_secret_opens_nothing() {
    let signer = Signer::es256("key-1");
    let server = FakeServer::start(&[&signer]);
    let auth = settings(&server.url).service("someone", "else").start().unwrap();
    until_verdict(&auth, &signer.token(&Claims::of(&["viewer"])), "feed_stale").await;
}

#[tokio::test]
async fn dropping_the_last_handle_stops_all_that_it_started() {
    let Scene { server, signer: _, auth } = Scene::with(short_of_patience).await;
    let clone = auth.clone();
    drop(auth);
    let polls = server.facts(|facts| facts.polls);
    until("the clone keeps polling", || server.facts(|facts| facts.polls) > polls + 1).await;

    drop(clone);
    until("every task is gone", || tokio::runtime::Handle::current().metrics().num_alive_tasks() <= 1).await;
}
