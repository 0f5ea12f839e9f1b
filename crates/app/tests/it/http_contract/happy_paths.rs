use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::harness::{Api, bearer};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[actix_web::test]
async fn a_user_registers_logs_in_reads_refreshes_and_logs_out() {
    let api = Api::new();
    let body = json!({"email": "Test@Example.com", "password": "password123", "name": "Test User", "role": "viewer"});
    let registered = api.post("/api/v1/auth/register", body).await.json(201);
    assert_eq!(keys(&registered), ["access_token", "expires_in", "refresh_token", "token_type", "user"]);
    assert_eq!((&registered["token_type"], &registered["expires_in"]), (&json!("bearer"), &json!(900)));

    let login = json!({"email": "test@example.com", "password": "password123"});
    let signed_in = api.post("/api/v1/auth/login", login).await.json(200);
    let access = text(&signed_in["access_token"]);

    let user = api.get_with_token("/api/v1/auth/me", access).await.json(200);
    let expected = json!({
        "user_id": registered["user"]["user_id"], "email": "Test@example.com", "name": "Test User",
        "role": "viewer", "roles": ["viewer"], "permissions": ["data:view", "experiment:view", "model:view"],
        "email_verified": false, "is_active": true,
        "created_at": "2027-01-15T08:00:00Z", "last_login_at": "2027-01-15T08:00:00Z",
    });
    assert_eq!(user, expected);
    assert_eq!(signed_in["user"], expected);

    let refreshed =
        api.post_with_token("/api/v1/auth/refresh", text(&signed_in["refresh_token"])).await.json(200);
    assert_ne!(refreshed["access_token"], signed_in["access_token"]);
    let body = json!({"refresh_token": refreshed["refresh_token"]});
    let refreshed = api.post("/api/v1/auth/refresh", body).await.json(200);

    let access = text(&refreshed["access_token"]);
    for _ in 0..2 {
        let left = api.post_with_token("/api/v1/auth/logout", access).await.json(200);
        assert_eq!(left, json!({"message": "Successfully logged out"}));
    }
    let code = api.get_with_token("/api/v1/auth/me", access).await.problem();
    assert_eq!(code, (401, "token_revoked".to_owned()));
    let first = text(&registered["access_token"]);
    api.get_with_token("/api/v1/auth/me", first).await.json(200); // another session
}

#[actix_web::test]
async fn a_logout_everywhere_ends_every_session() {
    let api = Api::new();
    let first = api.registered("ada@example.com").await;
    let login = json!({"email": "ada@example.com", "password": "password123"});
    let second = api.post("/api/v1/auth/login", login).await.json(200);

    let request = TestRequest::post().uri("/api/v1/auth/logout");
    let request = request.insert_header(bearer(text(&second["access_token"])));
    api.call(request.set_json(json!({"everywhere": true}))).await.json(200);

    for session in [first, second] {
        let answer = api.get_with_token("/api/v1/auth/me", text(&session["access_token"])).await;
        assert_eq!(answer.problem(), (401, "token_revoked".to_owned()));
        let answer = api.post_with_token("/api/v1/auth/refresh", text(&session["refresh_token"])).await;
        assert_eq!(answer.problem(), (401, "token_revoked".to_owned()));
    }
}

#[actix_web::test]
async fn the_service_tells_its_health_and_its_keys() {
    let api = Api::new();
    let health = api.get("/api/v1/auth/health").await.json(200);
    let expected = json!({
        "status": "healthy", "service": "authentication", "jwt_configured": true, "storage": "available",
        "version": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(health, expected);
    assert_eq!(api.get("/livez").await.json(200), json!({"status": "alive"}));
    let checks = |feed| json!({"storage": "ok", "signing_key": "ok", "revocation_feed": feed});
    let lost = api.get("/readyz").await.json(200);
    assert_eq!(lost["checks"], checks("lost"), "nobody has read the feed yet");
    let unread = json!({
        "mode": "storage", "lag_ms": null, "entries": 0, "answers_from_memory": 0, "answers_from_storage": 0,
        "reads": 0, "failed_reads": 0,
    });
    assert_eq!(lost["revocations"], unread);
    api.state.auth.revocations().catch_up().await.unwrap();
    let ready = api.get("/readyz").await.json(200);
    assert_eq!((&ready["status"], &ready["checks"]), (&json!("ready"), &checks("following")));
    assert_eq!(
        (&ready["revocations"]["mode"], &ready["revocations"]["lag_ms"]),
        (&json!("memory"), &json!(0))
    );

    let keys = api.get("/.well-known/jwks.json").await;
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(keys.header("content-type"), Some("application/json"));
    assert_eq!(keys.json(200)["keys"][0]["kid"], "t".repeat(43));
}

#[actix_web::test]
async fn the_documentation_is_complete_and_needs_no_network() {
    let api = Api::new();
    assert_eq!(api.get("/openapi.json").await.json(200)["openapi"], "3.1.0");

    let page = api.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let html = String::from_utf8(page.body).unwrap();
    assert!(!html.contains("//"), "nothing comes from elsewhere");

    let assets = html.split('"').filter(|part| part.starts_with("docs/assets/"));
    let mut count = 0;
    for asset in assets {
        let answer = api.get(&format!("/{asset}")).await;
        assert_eq!(answer.status, 200, "{asset}");
        let is_packed = answer.header("content-encoding") == Some("gzip");
        assert_eq!(is_packed, answer.body.starts_with(&[0x1f, 0x8b]), "{asset}");
        assert_eq!(is_packed, answer.header("cache-control").unwrap().contains("immutable"), "{asset}");
        count += 1;
    }
    assert_eq!(count, 3);

    let explained = String::from_utf8(api.get("/docs/errors").await.body).unwrap();
    assert!(explained.contains(r#"<h2 id="email_taken">"#));
}
