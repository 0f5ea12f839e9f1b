use actix_web::test::TestRequest;
use serde_json::json;

use super::harness::{Answer, Api};

/// Answers of every kind and status.
async fn answers(api: &Api) -> Vec<Answer> {
    let mut answers = Vec::new();
    for path in
        ["/livez", "/readyz", "/openapi.json", "/docs", "/docs/errors", "/.well-known/jwks.json", "/nowhere"]
    {
        let request = TestRequest::get().uri(path).insert_header(("origin", "https://evil.example"));
        answers.push(api.call(request).await);
    }
    answers.push(api.get("/api/v1/auth/me").await);
    answers.push(api.get("/api/v1/auth/login").await);
    answers.push(api.post("/api/v1/auth/login", json!({"email": 5})).await);
    let body = json!({"email": "ada@example.com", "password": "password123", "name": "Ada"});
    answers.push(api.post("/api/v1/auth/register", body).await);
    api.storage.turn_off();
    answers.push(api.get("/readyz").await);
    answers
}

#[actix_web::test]
async fn sec_105_and_107_security_headers_are_on_every_answer() {
    let api = Api::new();
    for answer in answers(&api).await {
        let has = |name: &str, value: &str| assert_eq!(answer.header(name), Some(value), "{}", answer.status);
        has("x-content-type-options", "nosniff");
        has("referrer-policy", "no-referrer");
        has("strict-transport-security", "max-age=63072000");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(answer.header("cache-control").is_some());
        assert!(answer.header("x-request-id").is_some());
        for absent in
            ["server", "access-control-allow-origin", "access-control-allow-credentials", "x-powered-by"]
        {
            assert_eq!(answer.header(absent), None, "{absent}");
        }
    }
}

#[actix_web::test]
async fn answers_with_tokens_or_personal_data_are_not_stored() {
    let api = Api::new();
    let body = json!({"email": "ada@example.com", "password": "password123", "name": "Ada"});
    let registered = api.post("/api/v1/auth/register", body).await;
    assert_eq!(registered.header("cache-control"), Some("no-store"));
    let access = registered.json(201)["access_token"].as_str().unwrap().to_owned();
    let me = api.get_with_token("/api/v1/auth/me", &access).await;
    assert_eq!(me.header("cache-control"), Some("no-store"));
    assert_eq!(me.header("content-type"), Some("application/json"));
}

#[actix_web::test]
async fn the_request_id_is_the_clients_own_or_a_fresh_one() {
    let api = Api::new();
    let ask = |id: &'static str| TestRequest::get().uri("/nowhere").insert_header(("x-request-id", id));
    assert_eq!(api.call(ask("trace-42")).await.header("x-request-id"), Some("trace-42"));
    let first = api.call(ask("no good")).await;
    let second = api.get("/nowhere").await;
    assert_eq!(first.header("x-request-id").unwrap().len(), 36);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}
