//! SEC-84: every operation of the API has a declared permission, and lets in whoever has it and nobody else.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{NOBODY, admin, has_role, logged_in, made};
use crate::endpoints::on_every_storage;
use crate::support::{Answer, OPENAPI, Server, SignedIn, Storage};

on_every_storage!(sec_84_every_operation_lets_in_who_has_its_permission_and_nobody_else);

/// An operation with what it demands.
struct Operation {
    method: Method,
    path: String,
    permission: String,
    has_body: bool,
}

/// Every operation of the document. One that declares nothing fails.
fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in OPENAPI["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let permission = operation["x-permission"].as_str();
            operations.push(Operation {
                method: method.to_uppercase().parse().expect("a method"),
                path: path
                    .replace("{id}", NOBODY)
                    .replace("{name}", "no-such")
                    .replace("{kid}", &"A".repeat(43)),
                permission: permission
                    .unwrap_or_else(|| panic!("{method} {path} declares nothing"))
                    .to_owned(),
                has_body: operation["requestBody"].is_object(),
            });
        }
    }
    // What ends the caller's own session comes last.
    operations.sort_by_key(|operation| operation.path.ends_with("/logout"));
    operations
}

/// Somebody who asks, with what it holds.
struct Somebody {
    name: &'static str,
    session: Option<SignedIn>,
    permissions: Vec<String>,
}

impl Somebody {
    async fn new(server: &Server, name: &'static str, session: SignedIn) -> Self {
        let me = Answer::to_me(server, &session.access).await.ok(200);
        let permissions = serde_json::from_value(me.body["permissions"].clone()).expect("texts");
        Self { name, session: Some(session), permissions }
    }

    fn holds(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| held == permission || held == "system:admin")
    }

    /// Status and code of the answer to an operation, asked for with as little as possible.
    async fn ask(&self, server: &Server, operation: &Operation) -> (StatusCode, String) {
        let url = format!("{}{}", server.base, operation.path);
        let mut request = server.http.request(operation.method.clone(), url);
        if let Some(session) = &self.session {
            request = request.bearer_auth(&session.access);
        }
        if operation.has_body {
            request = request.json(&json!({}));
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

async fn sec_84_every_operation_lets_in_who_has_its_permission_and_nobody_else(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let chief = admin(&server).await;
    has_role(&server, &chief, "limited-manager", &["user:view", "user:update"], &[]).await;
    for (email, role) in [("viewer@example.com", "viewer"), ("manager@example.com", "limited-manager")] {
        made(&server, &chief, email, &[role]).await;
    }
    let viewer = logged_in(&server, "viewer@example.com").await;
    let manager = logged_in(&server, "manager@example.com").await;
    let everybody = [
        Somebody { name: "nobody", session: None, permissions: Vec::new() },
        Somebody::new(&server, "a viewer", viewer).await,
        Somebody::new(&server, "a limited manager", manager).await,
        Somebody::new(&server, "an admin", chief).await,
    ];
    let operations = operations();
    assert!(operations.iter().filter(|operation| operation.permission.contains(':')).count() >= 20);
    for somebody in &everybody {
        for operation in &operations {
            let (status, code) = somebody.ask(&server, operation).await;
            let told =
                format!("{} {} by {}: {status} {code}", operation.method, operation.path, somebody.name);
            assert!(!status.is_server_error(), "{told}");
            let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
            let verdict = (status.as_u16(), code.as_str());
            match operation.permission.as_str() {
                // A refresh shows its token, and is the only one that demands one by itself.
                "public" => assert!(!is_refused || operation.path.ends_with("/refresh"), "{told}"),
                "service" => assert_eq!(verdict, (401, "invalid_client"), "{told}"),
                _ if somebody.session.is_none() => assert_eq!(verdict, (401, "missing_token"), "{told}"),
                permission if permission == "user" || somebody.holds(permission) => {
                    assert!(!is_refused, "{told}");
                }
                _ => assert_eq!(verdict, (403, "forbidden"), "{told}"),
            }
        }
    }
}
