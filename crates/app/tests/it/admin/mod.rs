//! The administrators' endpoints (api.md section 4), as sentences, over every storage.

mod audit;
mod commands;
mod keys_and_services;
mod races;
mod roles;
mod users;
mod walk;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Server, SignedIn, admin, user_id};

const USERS: &str = "/api/v1/admin/users";
const ROLES: &str = "/api/v1/admin/roles";
const PERMISSIONS: &str = "/api/v1/admin/permissions";

/// An id that nobody has.
const NOBODY: &str = "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a";

async fn logged_in(server: &Server, email: &str) -> SignedIn {
    SignedIn::from_body(&Answer::to_login(server, email, PASSWORD).await.ok(200).body)
}

async fn ask(server: &Server, by: &SignedIn, method: Method, path: &str, body: Option<Value>) -> Answer {
    Answer::to_json(server, method, path, &by.access, body).await
}

async fn get(server: &Server, by: &SignedIn, path: &str) -> Answer {
    ask(server, by, Method::GET, path, None).await
}

async fn post(server: &Server, by: &SignedIn, path: &str, body: Value) -> Answer {
    ask(server, by, Method::POST, path, Some(body)).await
}

async fn put(server: &Server, by: &SignedIn, path: &str, body: Value) -> Answer {
    ask(server, by, Method::PUT, path, Some(body)).await
}

async fn patch(server: &Server, by: &SignedIn, path: &str, body: Value) -> Answer {
    ask(server, by, Method::PATCH, path, Some(body)).await
}

async fn delete(server: &Server, by: &SignedIn, path: &str) -> Answer {
    ask(server, by, Method::DELETE, path, None).await
}

/// Makes an account with these roles, and gives its path.
async fn made(server: &Server, by: &SignedIn, email: &str, roles: &[&str]) -> String {
    let body = json!({ "email": email, "name": "Test User", "password": PASSWORD, "roles": roles });
    let made = post(server, by, USERS, body).await.ok(201);
    format!("{USERS}/{}", made.body["user_id"].as_str().expect("an id"))
}

/// The path of a signed-in user.
async fn path_of(server: &Server, user: &SignedIn) -> String {
    format!("{USERS}/{}", user_id(server, user).await)
}

/// Makes a role.
async fn has_role(server: &Server, by: &SignedIn, name: &str, permissions: &[&str], inherits: &[&str]) {
    let body = json!({ "permissions": permissions, "inherits": inherits });
    put(server, by, &format!("{ROLES}/{name}"), body).await.ok(201);
}

/// The text member `name` of every item of a page.
fn each(page: &Answer, name: &str) -> Vec<String> {
    let items = page.body["items"].as_array().expect("items");
    items.iter().map(|item| item[name].as_str().expect(name).to_owned()).collect()
}

/// The text member `name` of every item of a list, asked for by pages of `limit`. No page is over its limit.
async fn all(server: &Server, by: &SignedIn, path: &str, limit: usize, name: &str) -> Vec<String> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut found = Vec::new();
    let mut cursor = String::new();
    for _ in 0..100 {
        let page = get(server, by, &format!("{path}{joint}limit={limit}{cursor}")).await.ok(200);
        let items = each(&page, name);
        assert!(items.len() <= limit);
        found.extend(items);
        let Some(next) = page.body["next_cursor"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
    panic!("the list {path} has no end");
}

/// Every offending field of a 422, with its code.
fn offending(answer: &Answer) -> Vec<(&str, &str)> {
    let errors = answer.body["errors"].as_array().expect("errors");
    errors
        .iter()
        .map(|error| (error["pointer"].as_str().expect("a text"), error["code"].as_str().expect("a text")))
        .collect()
}
