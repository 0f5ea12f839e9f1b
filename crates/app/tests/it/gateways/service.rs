use serde_json::json;

use super::listener::{Listener, Received};

/// A service behind the gateway: it knows nothing of authentication, and answers with what it was told.
pub struct EchoService {
    listener: Listener,
}

impl EchoService {
    pub async fn start() -> Self {
        Self { listener: Listener::start(echo).await }
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    pub fn seen(&self) -> usize {
        self.listener.received().len()
    }

    /// The last request that reached the service.
    pub fn last(&self) -> Received {
        self.listener.received().pop().expect("a request")
    }
}

fn echo(request: &Received) -> String {
    let body = json!({ "line": request.line, "headers": request.headers, "body": request.body }).to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
