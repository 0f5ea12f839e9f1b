use std::time::Duration;

use maestro_auth_client::StalePolicy;
use serde_json::json;
use tokio::{select, time};

use crate::support::{
    Claims, FakeServer, NEVER, PATIENCE, Scene, Signer, jump, settings, until, until_verdict,
};

/// Changes what a viewer may do, and has the feed say so.
fn change(scene: &Scene) {
    change_unnoticed(&scene.server);
    scene.server.revoke(json!({"kind": "roles", "id": "*", "until": NEVER}));
}

/// Changes what a viewer may do. The feed has forgotten it.
fn change_unnoticed(server: &FakeServer) {
    server.facts(|facts| {
        facts.roles = json!({"items": [{"name": "viewer", "permissions": ["model:deploy"]}]});
    });
}

async fn permitted(scene: &Scene, role: &str, permission: &str) -> bool {
    scene.auth.verify(&scene.token(Claims::of(&[role]))).await.unwrap().has_permission(permission)
}

fn role_fetches(scene: &Scene) -> usize {
    scene.server.facts(|facts| facts.role_fetches)
}

#[tokio::test]
async fn a_role_permits_what_it_holds_and_an_admin_everything() {
    let scene = Scene::new().await;
    assert!(permitted(&scene, "viewer", "model:view").await);
    assert!(!permitted(&scene, "viewer", "model:deploy").await);
    assert!(permitted(&scene, "admin", "what:ever").await);
    assert!(!permitted(&scene, "unknown", "model:view").await);
}

#[tokio::test]
async fn a_change_of_roles_counts_as_soon_as_the_feed_tells_of_it() {
    let scene = Scene::new().await;
    let fetches = role_fetches(&scene);
    change(&scene);
    until("the roles were read anew", || role_fetches(&scene) > fetches).await;
    assert!(permitted(&scene, "viewer", "model:deploy").await, "a request waits for the new roles");
    assert!(!permitted(&scene, "viewer", "model:view").await);
}

#[tokio::test]
async fn roles_that_can_not_be_read_anew_are_stale() {
    let scene = Scene::new().await;
    let token = scene.token(Claims::of(&["viewer"]));
    scene.server.facts(|facts| facts.failing = vec![FakeServer::ROLES]);
    assert_eq!(scene.verdict(&token).await, "accepted", "nobody says that they have changed");

    change(&scene);
    until_verdict(&scene.auth, &token, "feed_stale").await;
    assert!(!scene.auth.status().ready && !scene.auth.status().roles_current);

    scene.server.recover();
    until_verdict(&scene.auth, &token, "accepted").await;
    assert!(permitted(&scene, "viewer", "model:deploy").await);
}

#[tokio::test]
async fn the_other_policy_goes_on_with_the_former_roles() {
    let scene = Scene::with(|settings| settings.when_stale(StalePolicy::AcceptUntilExpiry)).await;
    scene.server.facts(|facts| facts.failing = vec![FakeServer::ROLES]);
    change(&scene);
    until("the roles are known to be outdated", || !scene.auth.status().roles_current).await;
    assert!(permitted(&scene, "viewer", "model:view").await);
    assert!(scene.auth.status().ready);
}

#[tokio::test]
async fn after_a_minute_without_the_feed_the_roles_are_read_anew_before_anybody_is_let_in() {
    let scene = Scene::new().await;
    let token = scene.token(Claims::of(&["viewer"]));
    scene.server.facts(|facts| facts.failing = vec![FakeServer::FEED]);
    jump(Duration::from_secs(61)).await;
    until_verdict(&scene.auth, &token, "feed_stale").await;

    change_unnoticed(&scene.server);
    scene.server.recover();
    until_verdict(&scene.auth, &token, "accepted").await;
    assert!(!permitted(&scene, "viewer", "model:view").await, "it was withdrawn");
    assert!(permitted(&scene, "viewer", "model:deploy").await);
}

#[tokio::test]
async fn after_a_few_seconds_without_the_feed_the_roles_are_still_known() {
    let scene = Scene::new().await;
    let token = scene.token(Claims::of(&["viewer"]));
    scene.server.facts(|facts| facts.failing = vec![FakeServer::FEED, FakeServer::ROLES]);
    jump(Duration::from_secs(40)).await;
    until_verdict(&scene.auth, &token, "feed_stale").await;

    scene.server.facts(|facts| facts.failing = vec![FakeServer::ROLES]);
    until_verdict(&scene.auth, &token, "accepted").await;
    assert!(scene.auth.status().roles_current);
}

#[tokio::test]
async fn roles_that_were_read_long_before_the_first_revocations_are_read_anew() {
    let signer = Signer::es256("key-1");
    let server = FakeServer::start(&[&signer]);
    server.facts(|facts| facts.failing = vec![FakeServer::FEED]);
    let auth = settings(&server.url).start().unwrap();
    until("the roles are known", || auth.status().roles_current).await;

    change_unnoticed(&server);
    server.recover();
    time::timeout(PATIENCE, auth.ready()).await.unwrap();
    let viewer = auth.verify(&signer.token(&Claims::of(&["viewer"]))).await.unwrap();
    assert!(viewer.has_permission("model:deploy") && !viewer.has_permission("model:view"));
}

#[tokio::test]
async fn roles_are_read_anew_every_five_minutes_for_which_nobody_waits() {
    let scene = Scene::new().await;
    let fetches = role_fetches(&scene);
    let pass_most_of_a_minute = async || {
        jump(Duration::from_secs(50)).await; // the feed is never lost for a whole minute
        let age = || scene.auth.status().staleness.unwrap();
        until("the feed is heard of again", || age() < Duration::from_secs(10)).await;
        assert!(scene.auth.status().roles_current);
    };
    for _ in 0..5 {
        pass_most_of_a_minute().await;
    }
    assert_eq!(role_fetches(&scene), fetches, "after 250 s");

    scene.server.facts(|facts| facts.failing = vec![FakeServer::ROLES]);
    pass_most_of_a_minute().await;
    pass_most_of_a_minute().await;
    until("the roles are asked for", || role_fetches(&scene) > fetches + 1).await;
    assert!(permitted(&scene, "viewer", "model:view").await, "the known ones do");

    change_unnoticed(&scene.server);
    scene.server.recover();
    let has_changed = async {
        while !permitted(&scene, "viewer", "model:deploy").await {
            time::sleep(Duration::from_millis(2)).await;
        }
    };
    time::timeout(PATIENCE, has_changed).await.expect("the new ones are read");
}

#[tokio::test]
async fn a_token_whose_key_is_revoked_while_its_request_waits_for_roles_is_refused() {
    let scene = Scene::new().await;
    let token = scene.token(Claims::of(&["viewer"]));
    scene.server.facts(|facts| facts.roles_delayed = true);
    change(&scene);
    until("the roles are outdated", || !scene.auth.status().roles_current).await;

    let verdict = scene.verdict(&token);
    tokio::pin!(verdict);
    select! {
        biased;
        verdict = &mut verdict => panic!("the roles are there already: {verdict}"),
        () = async {
            scene.server.revoke(json!({"kind": "key", "id": "key-1", "until": NEVER}));
            until("the key is gone", || scene.auth.status().keys == 0).await;
        } => {}
    }
    scene.server.facts(|facts| facts.roles_delayed = false);
    assert_eq!(verdict.await, "invalid_token");
}
