//! Signing keys and registered services in the hands of administrators.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NOBODY, admin, all, ask, delete, get, has_role, logged_in, made, offending, post};
use crate::endpoints::on_every_storage;
use crate::support::{Answer, Server, SignedIn, Storage, key_id};

const KEYS: &str = "/api/v1/admin/keys";
const SERVICES: &str = "/api/v1/admin/services";

on_every_storage!(
    a_new_key_is_published_before_it_signs_and_a_revoked_one_is_worth_nothing,
    services_are_registered_shown_and_deleted,
    sec_88_a_service_gets_what_its_maker_holds,
);

/// Every key by its id, with what it is for.
async fn states(server: &Server, by: &SignedIn) -> Vec<(String, String)> {
    let listed = get(server, by, KEYS).await.ok(200);
    assert_eq!(listed.body["next_cursor"], Value::Null);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let keys = listed.body["items"].as_array().expect("items").iter();
    keys.map(|key| (text(&key["kid"]), text(&key["state"]))).collect()
}

async fn a_new_key_is_published_before_it_signs_and_a_revoked_one_is_worth_nothing(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let first_admin = admin(&server).await;
    let first = key_id(&first_admin.access);
    let state = |kid: &str, state: &str| (kid.to_owned(), state.to_owned());
    assert_eq!(states(&server, &first_admin).await, [state(&first, "active")]);

    let rotate = format!("{KEYS}/rotate");
    let made = ask(&server, &first_admin, Method::POST, &rotate, None).await.ok(201);
    let next = made.body["kid"].as_str().expect("a kid").to_owned();
    assert_eq!((&made.body["state"], &made.body["algorithm"]), (&json!("next"), &json!("ES256")));
    assert_eq!(made.body["jwk"]["kid"], next);
    assert!(made.body["jwk"].get("d").is_none() && made.body["retires_at"].is_null());
    assert_eq!(states(&server, &first_admin).await, [state(&next, "next"), state(&first, "active")]);
    assert_eq!(key_id(&admin(&server).await.access), first, "the next key does not sign yet");
    let published = Answer::to_get(&server, "/.well-known/jwks.json", None).await.ok(200);
    assert_eq!(published.body["keys"].as_array().map(Vec::len), Some(2));

    let made = post(&server, &first_admin, &rotate, json!({ "at_once": true })).await.ok(201);
    assert_eq!(made.body["state"], "active");
    let latest = made.body["kid"].as_str().expect("a kid").to_owned();
    let second_admin = admin(&server).await;
    assert_eq!(key_id(&second_admin.access), latest);
    assert!(states(&server, &second_admin).await.contains(&state(&first, "retiring")));
    assert_eq!(all(&server, &second_admin, KEYS, 1, "kid").await.len(), 3);
    post(&server, &second_admin, &rotate, json!({ "at_once": null })).await.is(422, "validation_failed");

    get(&server, &first_admin, KEYS).await.ok(200);
    delete(&server, &second_admin, &format!("{KEYS}/{first}")).await.ok(204);
    assert_eq!(get(&server, &first_admin, KEYS).await.status, 401, "every token of the key is dead");
    assert_eq!(Answer::to_refresh(&server, &first_admin.refresh).await.status, 401);
    for unknown in [&first, "no-such", NOBODY] {
        delete(&server, &second_admin, &format!("{KEYS}/{unknown}")).await.is(404, "not_found");
    }
    assert!(states(&server, &second_admin).await.iter().all(|(kid, _)| *kid != first));
}

async fn services_are_registered_shown_and_deleted(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let body = json!({ "name": "projects", "permissions": ["role:view", "data:view"] });
    let made = post(&server, &admin, SERVICES, body.clone()).await.ok(201);
    let id = made.body["client_id"].as_str().expect("an id").to_owned();
    let secret = made.body["client_secret"].as_str().expect("a secret").to_owned();
    assert!(secret.len() >= 43, "256 bits");
    assert_eq!(made.body["permissions"], json!(["data:view", "role:view"]));

    let path = format!("{SERVICES}/{id}");
    let shown = get(&server, &admin, &path).await.ok(200);
    let listed = get(&server, &admin, SERVICES).await.ok(200);
    assert_eq!(listed.body["items"], json!([shown.body]));
    assert_eq!((&shown.body["name"], shown.body.get("client_secret")), (&json!("projects"), None));
    assert!(!listed.text.contains(&secret), "a secret is shown once");

    post(&server, &admin, SERVICES, body).await.is(409, "conflict");
    for (body, pointer, code) in [
        (json!({ "permissions": [] }), "/name", "required"),
        (
            json!({ "name": "a", "permissions": ["data:view", "no:such"] }),
            "/permissions/1",
            "unknown_permission",
        ),
        (json!({ "name": "a", "permissions": ["data:view", "data:view"] }), "/permissions/1", "repeated"),
        (json!({ "name": "a", "client_secret": "x" }), "/client_secret", "unknown_field"),
    ] {
        let refused = post(&server, &admin, SERVICES, body).await.is(422, "validation_failed");
        assert_eq!(offending(&refused), [(pointer, code)]);
    }
    for name in ["a", "b", "c"] {
        post(&server, &admin, SERVICES, json!({ "name": name })).await.ok(201);
    }
    // In the order of their registration, but for those of one millisecond.
    let mut names = all(&server, &admin, SERVICES, 2, "name").await;
    names.sort();
    assert_eq!(names, ["a", "b", "c", "projects"]);

    // With its own credentials a service does what its permissions allow.
    let as_service = async |path: &str| {
        let request = server.http.get(format!("{}{path}", server.base));
        request.basic_auth(&id, Some(&secret)).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(as_service("/api/v1/admin/roles").await, 200);
    assert_eq!(as_service("/api/v1/admin/users").await, 403);
    delete(&server, &admin, &path).await.ok(204);
    assert_eq!(as_service("/api/v1/admin/roles").await, 401);
    for unknown in [&path, &format!("{SERVICES}/{NOBODY}"), &format!("{SERVICES}/1")] {
        get(&server, &admin, unknown).await.is(404, "not_found");
        delete(&server, &admin, unknown).await.is(404, "not_found");
    }
}

async fn sec_88_a_service_gets_what_its_maker_holds(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    has_role(&server, &admin, "operations", &["system:config"], &["viewer"]).await;
    made(&server, &admin, "ops@example.com", &["operations"]).await;
    let ops = logged_in(&server, "ops@example.com").await;
    for permission in ["system:admin", "user:view"] {
        let body = json!({ "name": "projects", "permissions": ["data:view", permission] });
        post(&server, &ops, SERVICES, body).await.is(403, "forbidden");
    }
    post(&server, &ops, SERVICES, json!({ "name": "projects", "permissions": ["data:view"] })).await.ok(201);
}
