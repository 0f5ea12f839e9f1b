use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    Claims, FakeServer, NEVER, PATIENCE, Scene, Signer, id, settings, until, until_verdict, verdict,
};

fn claims() -> Claims {
    Claims::of(&["viewer"])
}

fn entry(kind: &str, id: &str) -> Value {
    json!({"kind": kind, "id": id, "until": NEVER})
}

fn user_entry(id: &str, min_gen: i64) -> Value {
    json!({"kind": "user", "id": id, "min_gen": min_gen, "until": NEVER})
}

#[tokio::test]
async fn each_kind_of_entry_refuses_its_tokens_and_no_others() {
    let scene = Scene::new().await;
    let tokens =
        |changes: [(&str, Value); 2]| changes.map(|(claim, value)| scene.token(claims().with(claim, value)));
    // User 1 has tokens 3 and 4 in session 2, token 3 in session 9, and tokens of generations 5 and 6.
    for (entry, [refused, accepted]) in [
        (entry("token", &id(41)), tokens([("jti", json!(id(41))), ("jti", json!(id(42)))])),
        (entry("session", &id(51)), tokens([("sid", json!(id(51))), ("sid", json!(id(52)))])),
        (user_entry(&id(61), 6), tokens([("sub", json!(id(61))), ("sub", json!(id(62)))])),
        (user_entry(&id(1), 6), tokens([("gen", json!(5)), ("gen", json!(6))])),
    ] {
        assert_eq!(scene.verdict(&refused).await, "accepted", "before {entry}");
        scene.server.revoke(json!({"kind": "something new", "id": 5}));
        scene.server.revoke(entry.clone());
        until_verdict(&scene.auth, &refused, "token_revoked").await;
        assert_eq!(scene.verdict(&accepted).await, "accepted", "after {entry}");
    }
    assert_eq!(scene.auth.status().revocations, 4);
}

#[tokio::test]
async fn what_was_revoked_before_the_start_is_read_page_by_page() {
    let signer = Signer::es256("key-1");
    let server = FakeServer::start(&[&signer]);
    server.facts(|facts| {
        facts.page_size = 3;
        facts.entries = (0..10).map(|number| entry("token", &id(100 + number))).collect();
    });
    let auth = settings(&server.url).start().unwrap();
    timeout(PATIENCE, auth.ready()).await.unwrap();
    assert_eq!(auth.status().revocations, 10);
    let last = signer.token(&claims().with("jti", id(109)));
    assert_eq!(verdict(&auth, &last).await, "token_revoked");
}

#[tokio::test]
async fn a_lost_cursor_means_a_new_snapshot_and_no_gap_in_between() {
    let scene = Scene::new().await;
    let old = scene.token(claims().with("jti", id(41)));
    scene.server.revoke(entry("token", &id(41)));
    until_verdict(&scene.auth, &old, "token_revoked").await;

    // Another history, of which the second page can't be had for now.
    let new = scene.token(claims().with("jti", id(42)));
    scene.server.facts(|facts| {
        facts.history = 2;
        facts.page_size = 1;
        facts.entries = vec![entry("token", &id(42)), json!({"kind": "token", "id": "spoilt"})];
    });
    until_verdict(&scene.auth, &new, "token_revoked").await;
    assert_eq!(scene.verdict(&old).await, "token_revoked", "the new snapshot is not complete yet");

    scene.server.facts(|facts| facts.entries[1] = entry("token", &id(43)));
    until_verdict(&scene.auth, &old, "accepted").await; // the server no longer says otherwise
    assert_eq!(scene.verdict(&new).await, "token_revoked");
    assert_eq!(scene.auth.status().revocations, 2);
}

#[tokio::test]
async fn a_server_that_was_set_up_anew_and_takes_no_former_cursor_is_followed_all_the_same() {
    let scene = Scene::new().await;
    let token = scene.token(claims().with("jti", id(41)));
    scene.server.facts(|facts| {
        (facts.history, facts.lost_cursor) = (2, 400);
        facts.entries = vec![entry("token", &id(41))];
    });
    until_verdict(&scene.auth, &token, "token_revoked").await;
}

#[tokio::test]
async fn a_server_that_was_set_up_anew_has_no_token_accepted_that_its_predecessor_had_revoked() {
    let scene = Scene::new().await;
    let revoked = scene.token(claims().with("jti", id(41)));
    scene.server.revoke(entry("token", &id(41)));
    until_verdict(&scene.auth, &revoked, "token_revoked").await;

    // Its feed says nothing of the token, and that the key is another can't be had yet.
    let successor = Signer::es256("key-2");
    scene.server.facts(|facts| {
        facts.history = 2;
        facts.entries.clear();
        facts.keys = vec![successor.jwk()];
        facts.failing = vec![FakeServer::JWKS];
    });
    let polls = || scene.server.facts(|facts| facts.polls);
    let before = polls();
    until("its feed was read some times", || polls() > before + 4).await;
    assert_eq!(scene.verdict(&revoked).await, "token_revoked");
    assert_eq!(scene.auth.status().revocations, 1, "what was known before is kept");

    scene.server.recover();
    until("its feed has replaced the former", || scene.auth.status().revocations == 0).await;
    assert_eq!(scene.verdict(&revoked).await, "invalid_token", "its key has gone first");
    assert_eq!(scene.verdict(&successor.token(&claims())).await, "accepted");
}

#[tokio::test]
async fn the_server_is_not_asked_for_each_token() {
    let scene = Scene::new().await;
    let asked =
        |scene: &Scene| scene.server.facts(|facts| facts.polls + facts.key_fetches + facts.role_fetches);
    until("a poll is held open", || scene.server.facts(|facts| facts.polls) >= 2).await;
    let before = asked(&scene);
    for number in 0..500 {
        let token = scene.token(claims().with("jti", id(number)));
        assert_eq!(scene.verdict(&token).await, "accepted");
    }
    assert!(asked(&scene) <= before + 2, "a poll may have ended meanwhile");
}
