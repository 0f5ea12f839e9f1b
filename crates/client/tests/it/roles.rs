use maestro_auth_client::StalePolicy;
use serde_json::json;

use crate::support::{Claims, FakeServer, NEVER, Scene, until, until_verdict};

/// Changes what a viewer may do, and has the feed say so.
fn change(scene: &Scene) {
    scene.server.facts(|facts| {
        facts.roles = json!({"items": [{"name": "viewer", "permissions": ["model:deploy"]}]});
        facts.entries.push(json!({"kind": "roles", "id": "*", "until": NEVER}));
    });
}

async fn permitted(scene: &Scene, role: &str, permission: &str) -> bool {
    scene.auth.verify(&scene.token(Claims::of(&[role]))).await.unwrap().has_permission(permission)
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
    change(&scene);
    until("the roles were read anew", || scene.server.facts(|facts| facts.role_fetches) == 2).await;
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
