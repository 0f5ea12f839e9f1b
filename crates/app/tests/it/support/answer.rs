//! Asks the server and looks at every answer with the same eyes: what api.md promises of all of them is checked here, so
//! that each test adds only what is its own.

use std::sync::LazyLock;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Client, Server, people};

/// An answer that has been found to keep the house rules.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null when the answer is no JSON.
    pub body: Value,
}

impl Answer {
    /// Asks with `method` and `path`; `adjust` completes the request.
    pub async fn to(
        server: &Server,
        method: Method,
        path: &str,
        adjust: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Self {
        let url = format!("{}{path}", server.base);
        let ask = || async {
            let request = adjust(server.http.request(method.clone(), &url));
            request.send().await.expect("an answer")
        };
        let response = people::patiently(ask).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("a whole answer");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_default();
        let answer = Self { status, headers, text, body };
        answer.keeps_the_house_rules(&method, path);
        answer
    }

    pub async fn to_get(server: &Server, path: &str, bearer: Option<&str>) -> Self {
        Self::to(server, Method::GET, path, |request| with_bearer(request, bearer)).await
    }

    pub async fn to_post(server: &Server, path: &str, bearer: Option<&str>, body: Option<Value>) -> Self {
        Self::to(server, Method::POST, path, |request| {
            let request = with_bearer(request, bearer);
            match &body {
                Some(body) => request.json(body),
                None => request,
            }
        })
        .await
    }

    /// Asks with any method and a JSON body, as the admin API is asked.
    pub async fn to_json(
        server: &Server,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<Value>,
    ) -> Self {
        Self::to(server, method, path, |request| {
            let request = request.bearer_auth(bearer);
            match &body {
                Some(body) => request.json(body),
                None => request,
            }
        })
        .await
    }

    /// Posts a form with the credentials of a service.
    pub async fn to_form(server: &Server, path: &str, by: &Client, form: &[(&str, &str)]) -> Self {
        let by = || (by.id.clone(), Some(by.secret.clone()));
        Self::to(server, Method::POST, path, |request| {
            let (id, secret) = by();
            request.basic_auth(id, secret).form(form)
        })
        .await
    }

    pub async fn to_login(server: &Server, email: &str, password: &str) -> Self {
        let body = json!({ "email": email, "password": password });
        Self::to_post(server, "/api/v1/auth/login", None, Some(body)).await
    }

    pub async fn to_register(server: &Server, email: &str, password: &str) -> Self {
        let body = json!({ "email": email, "password": password, "name": "Test User" });
        Self::to_post(server, "/api/v1/auth/register", None, Some(body)).await
    }

    pub async fn to_refresh(server: &Server, refresh_token: &str) -> Self {
        Self::to_post(server, "/api/v1/auth/refresh", Some(refresh_token), None).await
    }

    pub async fn to_logout(server: &Server, access_token: &str) -> Self {
        Self::to_post(server, "/api/v1/auth/logout", Some(access_token), None).await
    }

    pub async fn to_logout_everywhere(server: &Server, access_token: &str) -> Self {
        let body = json!({ "everywhere": true });
        Self::to_post(server, "/api/v1/auth/logout", Some(access_token), Some(body)).await
    }

    pub async fn to_me(server: &Server, access_token: &str) -> Self {
        Self::to_get(server, "/api/v1/auth/me", Some(access_token)).await
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    /// Demands a status, and of an error its code.
    #[track_caller]
    pub fn is(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        self
    }

    /// Demands a good answer.
    #[track_caller]
    pub fn ok(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    fn keeps_the_house_rules(&self, method: &Method, path: &str) {
        let context = format!("{method} {path}: {} {}", self.status, self.text);
        assert!(self.status < 500 || self.status == 503, "{context}");
        let id = self.header("x-request-id").unwrap_or_else(|| panic!("no X-Request-Id: {context}"));
        assert!((1..=64).contains(&id.len()), "{context}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{context}");
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"), "{context}");
        let policy = self.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{context}"
        );
        for absent in ["access-control-allow-origin", "set-cookie", "server", "x-powered-by"] {
            assert!(self.header(absent).is_none(), "{absent}: {context}");
        }
        if path.starts_with("/api/") || self.status >= 400 {
            assert_eq!(self.header("cache-control"), Some("no-store"), "{context}");
        }
        if self.status >= 400 && *method != Method::HEAD {
            self.is_a_problem(id, &context);
        }
        is_documented(method, path, self.status);
    }

    #[track_caller]
    fn is_a_problem(&self, request_id: &str, context: &str) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{context}");
        for member in ["type", "title", "detail", "code"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {context}");
        }
        assert_eq!(self.body["status"], self.status, "{context}");
        assert_eq!(self.body["request_id"], request_id, "{context}");
        let challenge = self.header("www-authenticate");
        assert_eq!(challenge.is_some(), self.status == 401, "{context}");
        let scheme = if self.body["code"] == "invalid_client" { "Basic " } else { "Bearer " };
        assert!(challenge.is_none_or(|challenge| challenge.starts_with(scheme)), "{context}");
        assert_eq!(self.header("retry-after").is_some(), self.status == 503, "{context}");
    }
}

fn with_bearer(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// The `OpenAPI` document, as the binary prints and serves it.
pub static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&maestro_auth::http::openapi_json()).expect("JSON"));

/// A status that a documented operation answers with must be documented too.
#[track_caller]
fn is_documented(method: &Method, path: &str, status: u16) {
    let path = path.split('?').next().unwrap_or_default();
    let paths = OPENAPI["paths"].as_object().expect("paths");
    // A path that is spelled out counts before one with a parameter in its place.
    let templates = paths.iter().filter(|(template, _)| matches(template, path));
    let documented = templates.min_by_key(|(template, _)| template.matches('{').count());
    let Some((_, methods)) = documented else { return };
    let operation = &methods[method.as_str().to_ascii_lowercase()];
    if operation.is_object() {
        let documented = &operation["responses"][status.to_string()];
        assert!(documented.is_object(), "{method} {path} answers {status}, which the document does not say");
    }
}

/// Whether `path` is one of those that `template` stands for.
fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let alike = |(expected, found): (&&str, &&str)| expected.starts_with('{') || expected == found;
    template.len() == path.len() && template.iter().zip(&path).all(alike)
}
