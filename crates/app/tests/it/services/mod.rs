//! What registered services ask (api.md section 4): what a token is worth, and what has been revoked; as they ask it, over HTTP
//! and on every storage.

mod credentials;
mod events;
mod example;
mod feed;
mod introspection;
mod other_logs;
mod places;
mod public;
mod revocation;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Client, Server, SignedIn, admin, service};

const FEED: &str = "/api/v1/auth/revocations";
const INTROSPECT: &str = "/api/v1/auth/introspect";
const REVOKE: &str = "/api/v1/auth/revoke";
const ROLES: &str = "/api/v1/auth/roles";

/// A service without any permission, and the admin who has registered it.
async fn a_service(server: &Server) -> (Client, SignedIn) {
    let admin = admin(server).await;
    (service(server, &admin, "projects", &[]).await, admin)
}

/// Gets with the credentials of a service.
async fn get_by(server: &Server, by: &Client, path: &str) -> Answer {
    Answer::to(server, Method::GET, path, |request| request.basic_auth(&by.id, Some(&by.secret))).await
}

/// One page of the feed.
async fn page(server: &Server, by: &Client, cursor: Option<&str>, wait: u8) -> Value {
    let path = match cursor {
        Some(cursor) => format!("{FEED}?wait={wait}&cursor={cursor}"),
        None => format!("{FEED}?wait={wait}"),
    };
    get_by(server, by, &path).await.ok(200).body
}

fn cursor_of(page: &Value) -> &str {
    page["cursor"].as_str().expect("a cursor")
}

fn entries_of(page: &Value) -> &[Value] {
    page["entries"].as_array().expect("entries")
}

/// Whether the token is good at the moment, as a service hears it.
async fn is_active(server: &Server, by: &Client, token: &str) -> bool {
    let answer = Answer::to_form(server, INTROSPECT, by, &[("token", token)]).await.ok(200);
    answer.body["active"].as_bool().expect("a boolean")
}
