use std::future::Future;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::Server;

pub const PASSWORD: &str = "correct horse battery";

/// What a signed-in user holds.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub email: String,
    pub access: String,
    pub refresh: String,
}

impl SignedIn {
    pub fn from_body(body: &Value) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned();
        Self { email: text("/user/email"), access: text("/access_token"), refresh: text("/refresh_token") }
    }

    pub async fn from_answer(answer: Response, expected: StatusCode) -> Self {
        let (status, body) = (answer.status(), answer.text().await.expect("a body"));
        assert_eq!(status, expected, "{body}");
        Self::from_body(&serde_json::from_str(&body).expect("JSON"))
    }
}

/// A new account, signed in.
pub async fn registered(server: &Server, email: &str) -> SignedIn {
    let answer = patiently(|| server.register(email, PASSWORD)).await;
    SignedIn::from_answer(answer, StatusCode::CREATED).await
}

/// A further session of an account.
pub async fn logged_in(server: &Server, email: &str) -> SignedIn {
    let answer = patiently(|| server.login(email, PASSWORD)).await;
    SignedIn::from_answer(answer, StatusCode::OK).await
}

/// Asks as a well-behaved client does: after 503 `overloaded`, which a crowded machine may give, once more.
pub async fn patiently<F: Future<Output = Response>>(ask: impl Fn() -> F) -> Response {
    for _ in 0..60 {
        let answer = ask().await;
        let is_shed = answer.status() == StatusCode::SERVICE_UNAVAILABLE
            && answer.headers().contains_key("retry-after");
        if !is_shed {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    ask().await
}

/// The `code` of a problem.
pub async fn code(answer: Response) -> String {
    let body: Value = answer.json().await.expect("a problem");
    body["code"].as_str().expect("a code").to_owned()
}
