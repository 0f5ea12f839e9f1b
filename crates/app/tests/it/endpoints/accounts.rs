//! Registration and the user's own account.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage, claims};

super::on_every_storage!(
    a_registration_answers_with_tokens_and_the_user,
    an_address_is_one_account_in_every_spelling,
    a_stranger_becomes_a_viewer_and_nothing_more,
    closed_registration_lets_nobody_in_and_the_others_sign_in,
    me_shows_the_account_as_it_is_now,
);

async fn a_registration_answers_with_tokens_and_the_user(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let body = json!({ "email": "Test@Example.com", "password": "password123", "name": "Test User", "role": "viewer" });
    let answer = Answer::to_post(&server, "/api/v1/auth/register", None, Some(body)).await.ok(201);

    assert_is_token_response(&answer.body, 900);
    let user = &answer.body["user"];
    assert_eq!(user["email"], "Test@example.com", "the local part stays as typed");
    assert_eq!(user["name"], "Test User");
    assert_eq!(user["role"], "viewer");
    assert_eq!(user["roles"], json!(["viewer"]));
    assert_eq!(user["permissions"], json!(["data:view", "experiment:view", "model:view"]));
    assert_eq!(user["email_verified"], false);
    assert_eq!(user["is_active"], true);
    assert!(user["last_login_at"].is_string(), "a registration is the first login");

    let signed_in = SignedIn::from_body(&answer.body);
    let me = Answer::to_me(&server, &signed_in.access).await.ok(200);
    assert_eq!(me.body, *user);
    Answer::to_login(&server, "test@example.com", "password123").await.ok(200);
}

async fn an_address_is_one_account_in_every_spelling(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let first = Answer::to_register(&server, "Ada.Lovelace@example.com", PASSWORD).await.ok(201);
    for spelling in
        ["ada.lovelace@example.com", " ADA.LOVELACE@EXAMPLE.COM ", "ada.lovelace\u{FF20}example.com"]
    {
        Answer::to_register(&server, spelling, "another quiet password").await.is(409, "email_taken");
        let login = Answer::to_login(&server, spelling, PASSWORD).await.ok(200);
        assert_eq!(login.body["user"]["user_id"], first.body["user"]["user_id"]);
        assert_eq!(login.body["user"]["email"], "Ada.Lovelace@example.com");
        Answer::to_login(&server, spelling, "another quiet password").await.is(401, "invalid_credentials");
    }
}

async fn a_stranger_becomes_a_viewer_and_nothing_more(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let register = async |email: &str, role: Option<&str>| {
        let mut body = json!({ "email": email, "password": PASSWORD, "name": "Test User" });
        if let Some(role) = role {
            body["role"] = Value::from(role);
        }
        Answer::to_post(&server, "/api/v1/auth/register", None, Some(body)).await
    };
    for role in ["admin", "developer", "data_scientist", "ml_engineer"] {
        register("ada@example.com", Some(role)).await.is(403, "role_not_assignable");
    }
    for role in ["owner", "Admin", "viewer "] {
        let refused = register("ada@example.com", Some(role)).await.is(422, "validation_failed");
        assert_eq!(refused.body["errors"][0]["pointer"], "/role");
    }
    let unknown = register("ada@example.com", Some("owner")).await;
    assert_eq!(unknown.body["errors"][0]["code"], "unknown_role");

    // None of the refused ones left anything, and without a role one is a viewer.
    let accepted = register("ada@example.com", None).await.ok(201);
    assert_eq!(accepted.body["user"]["roles"], json!(["viewer"]));
}

async fn closed_registration_lets_nobody_in_and_the_others_sign_in(storage: Storage) {
    let server = Server::start(&storage, &[("MAESTRO_AUTH__REGISTRATION__MODE", "closed")]);
    Answer::to_register(&server, "ada@example.com", PASSWORD).await.is(403, "registration_closed");
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.is(401, "invalid_credentials");

    let admin = Answer::to_login(&server, "admin@maestro.ml", "admin123").await.ok(200);
    assert_eq!(admin.body["user"]["role"], "admin");
    assert_eq!(admin.body["user"]["permissions"], json!(["system:admin"]));
}

async fn me_shows_the_account_as_it_is_now(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let first =
        SignedIn::from_body(&Answer::to_register(&server, "ada@example.com", PASSWORD).await.ok(201).body);
    let before = Answer::to_me(&server, &first.access).await.ok(200);
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.ok(200);
    let after = Answer::to_me(&server, &first.access).await.ok(200);
    assert!(after.body["last_login_at"].as_str() > before.body["last_login_at"].as_str());
    assert_eq!(after.body["user_id"], claims(&first.access)["sub"]);

    Answer::to_get(&server, "/api/v1/auth/me", None).await.is(401, "missing_token");
    let challenge = Answer::to_get(&server, "/api/v1/auth/me", Some("zq")).await.is(401, "invalid_token");
    assert!(challenge.header("www-authenticate").unwrap_or_default().contains("error=\"invalid_token\""));
    Answer::to(&server, Method::HEAD, "/api/v1/auth/me", |request| request.bearer_auth(&first.access))
        .await
        .ok(200);
}

/// Every member of a `TokenResponse` and of its `User`, and no other.
pub(super) fn assert_is_token_response(body: &Value, expires_in: u64) {
    let members = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(body), ["access_token", "expires_in", "refresh_token", "token_type", "user"]);
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], expires_in);
    let user = &body["user"];
    assert_eq!(
        members(user),
        [
            "created_at",
            "email",
            "email_verified",
            "is_active",
            "last_login_at",
            "name",
            "permissions",
            "role",
            "roles",
            "user_id"
        ]
    );
    let id = uuid::Uuid::parse_str(user["user_id"].as_str().expect("an id")).expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    for time in ["created_at", "last_login_at"] {
        let text = user[time].as_str().expect("a time");
        assert!(text.ends_with('Z'), "{time} is UTC: {text}");
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(text, format).expect("RFC 3339");
    }
}
