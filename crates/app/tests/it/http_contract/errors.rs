use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::harness::{Answer, Api, bearer};

const REGISTER: &str = "/api/v1/auth/register";
const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";
const LOGOUT: &str = "/api/v1/auth/logout";
const ME: &str = "/api/v1/auth/me";

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn registration(changes: &Value) -> Value {
    let mut body = json!({"email": "ada@example.com", "password": "password123", "name": "Ada"});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

async fn post_raw(api: &Api, path: &str, content_type: &str, body: &str) -> Answer {
    let request = TestRequest::post().uri(path).insert_header(("content-type", content_type));
    api.call(request.set_payload(body.to_owned())).await
}

#[actix_web::test]
async fn registration_says_why_not() {
    let api = Api::new();
    api.registered("ada@example.com").await;
    let cases = [
        (json!({"email": "ADA@example.com"}), is(409, "email_taken")),
        (json!({"role": "admin"}), is(403, "role_not_assignable")),
    ];
    for (changes, expected) in cases {
        assert_eq!(api.post(REGISTER, registration(&changes)).await.problem(), expected, "{changes}");
    }
    let unknown_role = api.post(REGISTER, registration(&json!({"role": "owner"}))).await;
    assert_eq!(unknown_role.offences(), [("/role".to_owned(), "unknown_role".to_owned())]);

    let closed = Api::with_registration_closed();
    assert_eq!(
        closed.post(REGISTER, registration(&json!({}))).await.problem(),
        is(403, "registration_closed")
    );
}

#[actix_web::test]
async fn all_offending_fields_are_told_at_once_and_no_value_is_echoed() {
    let api = Api::new();
    let body = json!({
        "email": "canary at example.com", "password": "canary1", "name": "\u{1b}canary", "role": 5,
        "is_admin": "canary", "user": {"roles": ["canary"]},
    });
    let answer = api.post(REGISTER, body).await;
    let expected = [
        ("/email", "email_invalid"),
        ("/name", "name_invalid_chars"),
        ("/password", "password_too_short"),
        ("/role", "invalid_type"),
        ("/is_admin", "unknown_field"),
        ("/user", "unknown_field"),
    ];
    assert_eq!(answer.offences(), expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    assert!(!String::from_utf8(answer.body).unwrap().contains("canary"));

    let missing = api.post(LOGIN, json!({})).await.offences();
    let required = |pointer: &str| (pointer.to_owned(), "required".to_owned());
    assert_eq!(missing, [required("/email"), required("/password")]);
}

#[actix_web::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let api = Api::new();
    for (content_type, body, expected) in [
        ("application/json", "{\"email\":", is(400, "malformed_request")),
        ("application/json", "{\"email\":1,\"email\":2}", is(400, "malformed_request")),
        ("application/json", "", is(400, "malformed_request")),
        ("application/json", "[]", is(422, "validation_failed")),
        ("application/vnd.api+json", "{}", is(415, "unsupported_media_type")),
        ("text/plain", "{}", is(415, "unsupported_media_type")),
    ] {
        assert_eq!(
            post_raw(&api, LOGIN, content_type, body).await.problem(),
            expected,
            "{content_type} {body}"
        );
    }
    let long = post_raw(&api, LOGIN, "application/json", &" ".repeat(65_537)).await;
    assert_eq!(long.problem(), is(413, "payload_too_large"));

    let packed =
        TestRequest::post().uri(LOGIN).insert_header(("content-encoding", "gzip")).set_json(json!({}));
    assert_eq!(api.call(packed).await.problem(), is(415, "unsupported_media_type"));
}

#[actix_web::test]
async fn sec_15_every_refused_login_looks_the_same() {
    let api = Api::new();
    api.registered("ada@example.com").await;
    let mut seen = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let request = TestRequest::post().uri(LOGIN).insert_header(("x-request-id", "same"));
        let body = json!({"email": email, "password": "wrong-password"});
        let answer = api.call(request.set_json(body)).await;
        assert_eq!(answer.problem(), is(401, "invalid_credentials"));
        assert_eq!(answer.json(401)["detail"], "Invalid email or password");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="maestro-auth""#));
        let mut headers: Vec<String> = answer.headers.iter().map(|header| format!("{header:?}")).collect();
        headers.sort();
        seen.push((headers, answer.body));
    }
    assert_eq!(seen[0], seen[1]);
}

#[actix_web::test]
async fn a_token_that_opens_nothing_is_told_why() {
    let api = Api::new();
    let ada = api.registered("ada@example.com").await;
    let (access, refresh) = (ada["access_token"].as_str().unwrap(), ada["refresh_token"].as_str().unwrap());

    let nothing = api.get(ME).await;
    assert_eq!(nothing.problem(), is(401, "missing_token"));
    assert_eq!(nothing.header("www-authenticate"), Some(r#"Bearer realm="maestro-auth""#));
    assert_eq!(api.get(&format!("{ME}?access_token={access}")).await.problem(), is(401, "missing_token"));

    let wrong_kind = api.get_with_token(ME, refresh).await;
    assert_eq!(wrong_kind.problem(), is(401, "invalid_token"));
    let challenge = wrong_kind.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with(r#"Bearer realm="maestro-auth", error="invalid_token", error_description=""#)
    );
    assert_eq!(api.post_with_token(REFRESH, access).await.problem(), is(401, "invalid_token"));
    assert_eq!(api.post_with_token(LOGOUT, "a.b.c").await.problem(), is(401, "invalid_token"));
    assert_eq!(api.get_with_token(ME, &"a".repeat(20_000)).await.problem(), is(401, "invalid_token"));

    let twice = TestRequest::get().uri(ME).append_header(bearer(access)).append_header(bearer(access));
    assert_eq!(api.call(twice).await.problem(), is(400, "malformed_request"));

    api.clock.advance(Duration::from_secs(931));
    assert_eq!(api.get_with_token(ME, access).await.problem(), is(401, "token_expired"));
}

#[actix_web::test]
async fn a_refresh_takes_one_token_once() {
    let api = Api::new();
    let ada = api.registered("ada@example.com").await;
    let token = ada["refresh_token"].as_str().unwrap();

    let nothing = api.call(TestRequest::post().uri(REFRESH)).await;
    assert_eq!(nothing.problem(), is(401, "missing_token"));
    let empty = api.post(REFRESH, json!({})).await;
    assert_eq!(empty.offences(), [("/refresh_token".to_owned(), "required".to_owned())]);
    let both = TestRequest::post().uri(REFRESH).insert_header(bearer(token));
    let both = api.call(both.set_json(json!({"refresh_token": token}))).await;
    assert_eq!(both.problem(), is(400, "malformed_request"));

    api.post_with_token(REFRESH, token).await.json(200);
    api.clock.advance(Duration::from_secs(11));
    assert_eq!(api.post_with_token(REFRESH, token).await.problem(), is(401, "refresh_reused"));
    assert_eq!(api.post_with_token(REFRESH, token).await.problem(), is(401, "token_revoked"));
}

#[actix_web::test]
async fn a_storage_that_does_not_answer_is_a_503_and_the_process_lives_on() {
    let api = Api::new();
    let ada = api.registered("ada@example.com").await;
    let (access, refresh) = (ada["access_token"].as_str().unwrap(), ada["refresh_token"].as_str().unwrap());
    api.storage.turn_off();
    for answer in [
        api.post(REGISTER, registration(&json!({"email": "new@example.com"}))).await,
        api.post(LOGIN, json!({"email": "ada@example.com", "password": "password123"})).await,
        api.get_with_token(ME, access).await,
        api.post_with_token(REFRESH, refresh).await,
        api.post_with_token(LOGOUT, access).await,
        api.get("/api/v1/auth/health").await,
        api.get("/readyz").await,
    ] {
        assert_eq!(answer.problem(), is(503, "storage_unavailable"));
    }
    api.get("/livez").await.json(200);
    api.storage.turn_on();
    api.get_with_token(ME, access).await.json(200);
}

#[actix_web::test]
async fn an_instance_that_is_busy_or_stopping_says_so() {
    let api = Api::with_busy_hasher();
    assert_eq!(api.post(REGISTER, registration(&json!({}))).await.problem(), is(503, "overloaded"));
    let login = json!({"email": "ada@example.com", "password": "password123"});
    assert_eq!(api.post(LOGIN, login).await.problem(), is(503, "overloaded"));

    api.state.readiness.drain();
    assert_eq!(api.get("/readyz").await.problem(), is(503, "not_ready"));
    api.get("/livez").await.json(200);
}

#[actix_web::test]
async fn sec_102_only_declared_paths_and_methods_are_served() {
    let api = Api::new();
    for path in [
        "/",
        "/livez/",
        "//livez",
        "/LIVEZ",
        "/api/v1/auth",
        "/api/v1/auth/me/..",
        "/docs/assets/x",
        "/livez;a",
    ] {
        assert_eq!(api.get(path).await.problem(), is(404, "not_found"), "{path}");
    }
    let bad_host = TestRequest::get().uri("/livez").insert_header(("host", "user@a/b"));
    assert_eq!(api.call(bad_host).await.problem(), is(400, "malformed_request"));
    for (path, allow) in [(LOGIN, "POST"), (ME, "GET, HEAD"), ("/livez", "GET, HEAD"), ("/docs", "GET, HEAD")]
    {
        for method in ["TRACE", "OPTIONS", "DELETE", "PUT", "PATCH", "PROPFIND"] {
            let request = TestRequest::with_uri(path).method(method.parse().unwrap());
            let request = request.insert_header(("x-http-method-override", "GET"));
            let answer = api.call(request).await;
            assert_eq!(answer.problem(), is(405, "method_not_allowed"), "{method} {path}");
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        }
    }
    let html_only = TestRequest::get().uri("/livez").insert_header(("accept", "text/html"));
    assert_eq!(api.call(html_only).await.problem(), is(406, "not_acceptable"));
    let html_only = TestRequest::post().uri(REGISTER).insert_header(("accept", "text/html"));
    let refused = api.call(html_only.set_json(registration(&json!({})))).await;
    assert_eq!(refused.problem(), is(406, "not_acceptable"));
    api.registered("ada@example.com").await; // which the 406 has not done
}
