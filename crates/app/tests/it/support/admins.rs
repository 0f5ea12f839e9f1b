use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Server, SignedIn};

/// A registered service.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
}

/// The admin that the development profile makes, signed in.
pub async fn admin(server: &Server) -> SignedIn {
    SignedIn::from_body(&Answer::to_login(server, "admin@maestro.ml", "admin123").await.ok(200).body)
}

/// A new service with these permissions.
pub async fn service(server: &Server, admin: &SignedIn, name: &str, permissions: &[&str]) -> Client {
    let body = json!({"name": name, "permissions": permissions});
    let made = Answer::to_json(server, Method::POST, "/api/v1/admin/services", &admin.access, Some(body))
        .await
        .ok(201);
    let text = |member: &str| made.body[member].as_str().expect(member).to_owned();
    Client { id: text("client_id"), secret: text("client_secret") }
}

/// The id of a signed-in user.
pub async fn user_id(server: &Server, signed_in: &SignedIn) -> String {
    let me = Answer::to_me(server, &signed_in.access).await.ok(200);
    me.body["user_id"].as_str().expect("an id").to_owned()
}

/// Changes a user by the admin API.
pub async fn patch_user(server: &Server, admin: &SignedIn, user: &str, change: Value) -> Answer {
    let path = format!("/api/v1/admin/users/{user}");
    Answer::to_json(server, Method::PATCH, &path, &admin.access, Some(change)).await
}
