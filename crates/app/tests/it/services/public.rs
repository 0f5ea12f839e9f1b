//! What services read before all else: the metadata of the server and what the roles permit.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{ROLES, a_service, cursor_of, entries_of, get_by, page};
use crate::support::{Answer, Server, Storage};

crate::endpoints::on_every_storage!(
    the_metadata_says_where_everything_is,
    the_roles_are_told_with_all_that_they_permit,
    a_change_of_roles_is_in_the_feed,
);

const METADATA: &str = "/.well-known/oauth-authorization-server";

async fn the_metadata_says_where_everything_is(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let poisoned = |request: reqwest::RequestBuilder| {
        request.header("host", "evil.example.com").header("x-forwarded-host", "evil.example.com")
    };
    let answer = Answer::to(&server, Method::GET, METADATA, poisoned).await.ok(200);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let at = |path: &str| format!("{}{path}", server.base);
    assert_eq!(
        answer.body,
        json!({
            "issuer": "maestro-auth",
            "jwks_uri": at("/.well-known/jwks.json"),
            "introspection_endpoint": at("/api/v1/auth/introspect"),
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "revocation_endpoint": at("/api/v1/auth/revoke"),
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
            "response_types_supported": [],
            "service_documentation": at("/docs"),
        })
    );
    let jwks = reqwest::get(answer.body["jwks_uri"].as_str().expect("a URL")).await.expect("an answer");
    assert_eq!(jwks.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_the_metadata_names_the_public_url() {
    let storage = Storage::memory();
    let server =
        Server::start(&storage, &[("MAESTRO_AUTH__SERVER__PUBLIC_URL", "https://auth.example.com/id/")]);
    let answer = Answer::to_get(&server, METADATA, None).await.ok(200);
    assert_eq!(answer.body["issuer"], "https://auth.example.com/id");
    assert_eq!(answer.body["jwks_uri"], "https://auth.example.com/id/.well-known/jwks.json");
}

/// What a role permits, as the service hears it.
async fn permitted(server: &Server, by: &crate::support::Client, role: &str) -> Option<Value> {
    let answer = get_by(server, by, ROLES).await.ok(200);
    let items = answer.body["items"].as_array().expect("items").clone();
    let names: Vec<_> = items.iter().map(|item| item["name"].as_str().expect("a name")).collect();
    assert!(names.is_sorted(), "{names:?}");
    items.iter().find(|item| item["name"] == role).map(|item| item["permissions"].clone())
}

async fn the_roles_are_told_with_all_that_they_permit(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, admin) = a_service(&server).await;
    assert_eq!(permitted(&server, &by, "admin").await, Some(json!(["system:admin"])));
    assert_eq!(
        permitted(&server, &by, "viewer").await,
        Some(json!(["data:view", "experiment:view", "model:view"]))
    );
    assert_eq!(permitted(&server, &by, "printer").await, None);

    let role = json!({"description": "", "permissions": ["data:create"], "inherits": ["viewer"]});
    Answer::to_json(&server, Method::PUT, "/api/v1/admin/roles/printer", &admin.access, Some(role))
        .await
        .ok(201);
    assert_eq!(
        permitted(&server, &by, "printer").await,
        Some(json!(["data:create", "data:view", "experiment:view", "model:view"]))
    );
}

async fn a_change_of_roles_is_in_the_feed(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, admin) = a_service(&server).await;
    let start = page(&server, &by, None, 0).await;
    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let role = json!({"description": "", "permissions": ["data:create"], "inherits": []});
        Answer::to_json(&server, Method::PUT, "/api/v1/admin/roles/printer", &admin.access, Some(role))
            .await
            .ok(201);
        Instant::now()
    };
    let poll = async { (page(&server, &by, Some(cursor_of(&start)), 20).await, Instant::now()) };
    let ((told, heard), acknowledged) = tokio::join!(poll, change);
    let [entry] = entries_of(&told) else { panic!("{told}") };
    assert_eq!((&entry["kind"], &entry["id"]), (&"roles".into(), &"*".into()));
    assert!(heard.saturating_duration_since(acknowledged) < Duration::from_secs(1));
}
