//! What holds of HTTP itself, whatever is stored where (api.md section 5; SEC-58, SEC-102 to SEC-107).

use reqwest::Method;

use crate::support::{Answer, OPENAPI, PASSWORD, Server, SignedIn, Storage};

/// Every path that exists, and its methods beside HEAD.
const ROUTES: [(&str, &[&str]); 32] = [
    ("/api/v1/auth/register", &["POST"]),
    ("/api/v1/auth/login", &["POST"]),
    ("/api/v1/auth/refresh", &["POST"]),
    ("/api/v1/auth/logout", &["POST"]),
    ("/api/v1/auth/me", &["GET"]),
    ("/api/v1/auth/health", &["GET"]),
    ("/api/v1/auth/verify", &["GET"]),
    ("/api/v1/auth/introspect", &["POST"]),
    ("/api/v1/auth/revoke", &["POST"]),
    ("/api/v1/auth/revocations", &["GET"]),
    ("/api/v1/auth/roles", &["GET"]),
    ("/api/v1/admin/users", &["GET", "POST"]),
    ("/api/v1/admin/users/{id}", &["GET", "PATCH", "DELETE"]),
    ("/api/v1/admin/users/{id}/end-sessions", &["POST"]),
    ("/api/v1/admin/roles", &["GET"]),
    ("/api/v1/admin/roles/{name}", &["GET", "PUT", "DELETE"]),
    ("/api/v1/admin/permissions", &["GET"]),
    ("/api/v1/admin/permissions/{name}", &["PUT", "DELETE"]),
    ("/api/v1/admin/audit", &["GET"]),
    ("/api/v1/admin/audit/export", &["GET"]),
    ("/api/v1/admin/keys", &["GET"]),
    ("/api/v1/admin/keys/rotate", &["POST"]),
    ("/api/v1/admin/keys/{kid}", &["DELETE"]),
    ("/api/v1/admin/services", &["GET", "POST"]),
    ("/api/v1/admin/services/{id}", &["GET", "DELETE"]),
    ("/.well-known/jwks.json", &["GET"]),
    ("/.well-known/oauth-authorization-server", &["GET"]),
    ("/livez", &["GET"]),
    ("/readyz", &["GET"]),
    ("/openapi.json", &["GET"]),
    ("/docs", &["GET"]),
    ("/docs/errors", &["GET"]),
];
/// Of the page, which is no part of the API.
const ASSETS: (&str, &[&str]) = ("/docs/assets/{name}", &["GET"]);

#[tokio::test(flavor = "multi_thread")]
async fn every_method_on_every_path_is_answered_and_405_lists_what_is_allowed() {
    let server = Server::start(&Storage::memory(), &[]);
    for (template, allowed) in ROUTES.into_iter().chain([ASSETS]) {
        let path = template.replace("{name}", "docs.js").replace("{id}", "1").replace("{kid}", "1");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let name = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = Answer::to(&server, name, &path, |request| request).await;
            if allowed.contains(&method) || (method == "HEAD" && allowed.contains(&"GET")) {
                assert_ne!(answer.status, 405, "{method} {path}");
                continue;
            }
            assert_eq!(answer.status, 405, "{method} {path}");
            let allow = answer.header("allow").expect("a 405 lists Allow");
            for one in allowed {
                assert!(allow.split(", ").any(|listed| listed == *one), "{method} {path}: {allow}");
            }
        }
    }
    for path in ["/", "/api", "/api/v1/auth", "/api/v1/auth/me/", "/API/v1/auth/me", "/metrics"] {
        Answer::to_get(&server, path, None).await.is(404, "not_found");
        Answer::to_post(&server, path, None, None).await.is(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_take_json_gets_406() {
    let server = Server::start(&Storage::memory(), &[]);
    for accept in ["text/html", "image/png", "application/json;q=0"] {
        let answer =
            Answer::to(&server, Method::GET, "/livez", |request| request.header("accept", accept)).await;
        answer.is(406, "not_acceptable");
    }
    for accept in ["*/*", "application/json", "text/html, */*;q=0.1", "application/problem+json"] {
        let answer =
            Answer::to(&server, Method::GET, "/livez", |request| request.header("accept", accept)).await;
        answer.ok(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sane_request_id_is_taken_over_and_any_other_replaced() {
    let server = Server::start(&Storage::memory(), &[]);
    let longest = "x".repeat(64);
    for sane in ["abc", "0af7651916cd43dd8448eb211c80319c", "a.b_c-d", &longest] {
        let answer =
            Answer::to(&server, Method::GET, "/nowhere", |request| request.header("x-request-id", sane))
                .await;
        assert_eq!(answer.header("x-request-id"), Some(sane));
        assert_eq!(answer.body["request_id"], sane);
    }
    let too_long = "x".repeat(65);
    let mut fresh = std::collections::BTreeSet::new();
    for insane in ["", "a b", "a\tb", "<script>", "a;b", &too_long] {
        let answer =
            Answer::to(&server, Method::GET, "/nowhere", |request| request.header("x-request-id", insane))
                .await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert_ne!(id, insane);
        assert!(fresh.insert(id), "a fresh id is used once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_107_no_origin_is_let_in() {
    let server = Server::start(&Storage::memory(), &[]);
    let user =
        SignedIn::from_body(&Answer::to_register(&server, "ada@example.com", PASSWORD).await.ok(201).body);
    for origin in ["https://evil.example", "null", server.base.as_str(), "http://127.0.0.1.evil.example"] {
        let simple = Answer::to(&server, Method::GET, "/api/v1/auth/me", |request| {
            request.bearer_auth(&user.access).header("origin", origin)
        })
        .await
        .ok(200);
        let preflight = Answer::to(&server, Method::OPTIONS, "/api/v1/auth/me", |request| {
            request
                .header("origin", origin)
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "authorization")
        })
        .await
        .is(405, "method_not_allowed");
        for answer in [simple, preflight] {
            assert!(
                answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")),
                "{origin}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_105_browsers_are_held_to_https_once_the_public_url_is_https() {
    let storage = Storage::memory();
    let plain = Server::start(&storage, &[]);
    assert_eq!(Answer::to_get(&plain, "/livez", None).await.header("strict-transport-security"), None);
    let secure = Server::start(&storage, &[("MAESTRO_AUTH__SERVER__PUBLIC_URL", "https://auth.example.com")]);
    for path in ["/livez", "/nowhere", "/docs"] {
        let answer = Answer::to_get(&secure, path, None).await;
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=63072000"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_lists_every_route_and_the_server_serves_it() {
    let server = Server::start(&Storage::memory(), &[]);
    let document = Answer::to_get(&server, "/openapi.json", None).await.ok(200);
    assert_eq!(document.body, *OPENAPI);
    assert!(document.body["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));

    let mut documented = Vec::new();
    for (path, operations) in OPENAPI["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            documented.push((method.to_uppercase(), path.clone()));
        }
    }
    documented.sort();
    let each = |(path, methods): (&str, &[&str])| {
        let path = path.to_owned();
        let each: Vec<_> = methods.iter().map(|method| ((*method).to_owned(), path.clone())).collect();
        each
    };
    let mut routes: Vec<_> = ROUTES.into_iter().chain([ASSETS]).flat_map(each).collect();
    routes.sort();
    assert_eq!(documented, routes);
}
