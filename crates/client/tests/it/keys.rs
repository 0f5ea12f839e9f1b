use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{
    Claims, FakeServer, NEVER, PATIENCE, Scene, Signer, settings, until, until_verdict, verdict,
};

fn token_of(signer: &Signer) -> String {
    signer.token(&Claims::of(&["viewer"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_unknown_keys_causes_one_fetch_in_a_cool_down() {
    let cool_down = Duration::from_secs(1);
    let scene = Scene::with(|settings| settings.key_cool_down(cool_down)).await;
    let begun_at = tokio::time::Instant::now();

    let flood = |wave: usize| {
        let auth = scene.auth.clone();
        let tokens: Vec<_> = (0..100)
            .map(|number| {
                let header =
                    json!({"typ": "at+jwt", "alg": "ES256", "kid": format!("made-up-{wave}-{number}")});
                scene.signer.token_with_header(&header, &Claims::of(&["viewer"]))
            })
            .collect();
        async move {
            let mut tasks = JoinSet::new();
            for token in tokens {
                let auth = auth.clone();
                tasks.spawn(async move { verdict(&auth, &token).await });
            }
            assert!(tasks.join_all().await.iter().all(|verdict| *verdict == "invalid_token"));
        }
    };
    flood(1).await;
    flood(2).await;
    let fetches = scene.server.facts(|facts| facts.key_fetches);
    if begun_at.elapsed() < cool_down {
        assert_eq!(fetches, 2, "the one at the start, and one for the flood");
    }

    until_some_more_fetches(&scene, fetches).await;
    assert!(begun_at.elapsed() >= cool_down);
}

/// Presents unknown keys until one of them causes a fetch again.
async fn until_some_more_fetches(scene: &Scene, fetches: usize) {
    let stranger = token_of(&Signer::es256("stranger"));
    let more = async {
        while scene.server.facts(|facts| facts.key_fetches) == fetches {
            assert_eq!(scene.verdict(&stranger).await, "invalid_token");
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, more).await.expect("the cool-down ends");
}

#[tokio::test]
async fn the_token_of_a_new_key_is_accepted_at_once_by_all_who_present_it() {
    let scene = Scene::new().await;
    let next = Signer::es256("key-2");
    scene.server.facts(|facts| facts.keys.push(next.jwk()));
    let token = token_of(&next);
    let (one, other) = tokio::join!(scene.verdict(&token), scene.verdict(&token));
    assert_eq!([one, other], ["accepted", "accepted"]);
    assert_eq!(scene.server.facts(|facts| facts.key_fetches), 2);
}

#[tokio::test]
async fn a_key_that_is_no_longer_published_is_no_longer_accepted() {
    let scene = Scene::new().await;
    let old = token_of(&scene.signer);
    assert_eq!(scene.verdict(&old).await, "accepted");

    let next = Signer::eddsa("key-2");
    scene.server.facts(|facts| facts.keys = vec![next.jwk()]);
    assert_eq!(scene.verdict(&token_of(&next)).await, "accepted");
    assert_eq!(scene.verdict(&old).await, "invalid_token");
}

#[tokio::test]
async fn another_key_under_the_same_id_ends_what_the_first_has_signed() {
    let scene = Scene::new().await;
    let old = token_of(&scene.signer);
    assert_eq!(scene.verdict(&old).await, "accepted");

    let (other, next) = (Signer::es256("key-1"), Signer::es256("key-2"));
    scene.server.facts(|facts| facts.keys = vec![other.jwk(), next.jwk()]);
    assert_eq!(scene.verdict(&token_of(&next)).await, "accepted");
    assert_eq!(scene.verdict(&old).await, "invalid_token");
    assert_eq!(scene.verdict(&token_of(&other)).await, "accepted");
}

#[tokio::test]
async fn keys_are_kept_while_the_server_is_down_and_unknown_ones_can_not_be_judged() {
    let scene = Scene::with(|settings| settings.key_cool_down(Duration::from_millis(100))).await;
    scene.server.fail();
    let fetches = scene.server.facts(|facts| facts.key_fetches);
    assert_eq!(scene.verdict(&token_of(&Signer::es256("key-2"))).await, "keys_unavailable");
    until("the keys were asked for again", || scene.server.facts(|facts| facts.key_fetches) > fetches + 1)
        .await;
    assert_eq!(scene.verdict(&token_of(&scene.signer)).await, "accepted");
}

#[tokio::test]
async fn an_answer_without_a_usable_key_takes_no_key_away() {
    let scene = Scene::new().await;
    let unusable = [
        json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "key-1"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "kid": "key-1"}),
        json!("key-1"),
    ];
    scene.server.facts(|facts| facts.keys = unusable.to_vec());
    assert_eq!(scene.verdict(&token_of(&Signer::es256("key-2"))).await, "keys_unavailable");
    assert_eq!(scene.verdict(&token_of(&scene.signer)).await, "accepted");
}

#[tokio::test]
async fn a_revoked_key_is_dropped_at_once_and_for_good_and_its_successor_is_fetched() {
    let scene = Scene::new().await;
    let (old, next) = (token_of(&scene.signer), Signer::es256("key-2"));
    assert_eq!(scene.verdict(&old).await, "accepted");

    scene.server.facts(|facts| facts.keys.push(next.jwk())); // and key-1 is still in there
    scene.server.revoke(json!({"kind": "key", "id": "key-1", "until": NEVER}));

    until_verdict(&scene.auth, &old, "invalid_token").await;
    until("the keys were fetched anew", || scene.auth.status().keys == 1).await;
    assert_eq!(scene.verdict(&token_of(&next)).await, "accepted");
    assert_eq!(scene.verdict(&old).await, "invalid_token");
    assert_eq!(scene.verdict(&token_of(&scene.signer)).await, "invalid_token");
}

#[tokio::test]
async fn a_key_that_was_revoked_before_the_start_is_never_accepted() {
    let signers = [Signer::es256("key-1"), Signer::es256("key-2")];
    let server = FakeServer::start(&signers.each_ref());
    server.revoke(json!({"kind": "key", "id": "key-1", "until": NEVER}));
    let auth = settings(&server.url).start().unwrap();
    auth.ready().await;
    assert_eq!(verdict(&auth, &token_of(&signers[0])).await, "invalid_token");
    assert_eq!(verdict(&auth, &token_of(&signers[1])).await, "accepted");
}
