//! A client that sends what no library would: any path, any header, as often as it likes.

use std::fmt::{Debug, Write as _};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::listener::dechunked;

/// No gateway may take longer, whatever has happened to the verification.
const PATIENCE: Duration = Duration::from_secs(4);

/// One request, to be written as it is.
pub struct Request {
    method: &'static str,
    path: String,
    headers: Vec<String>,
    body: String,
    trailer: &'static str,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), headers: Vec::new(), body: String::new(), trailer: "" }
    }

    pub fn post(path: &str, body: &str) -> Self {
        Self { method: "POST", body: body.to_owned(), ..Self::get(path) }
    }

    pub fn with_token(self, token: &str) -> Self {
        self.with_header(&format!("Authorization: Bearer {token}"))
    }

    pub fn with_header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// For a chunked body.
    pub fn with_trailer(self, trailer: &'static str) -> Self {
        Self { trailer, ..self }
    }

    pub async fn send_to(&self, port: u16) -> Response {
        let bytes = timeout(PATIENCE, exchange(port, &self.text())).await;
        let bytes = bytes.unwrap_or_else(|_| panic!("no answer to {} within {PATIENCE:?}", self.path));
        Response::parse(&bytes)
    }

    fn text(&self) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", self.method, self.path);
        for line in &self.headers {
            let _ = write!(text, "{line}\r\n");
        }
        if !self.headers.iter().any(|line| line.starts_with("Connection:")) {
            text.push_str("Connection: close\r\n");
        }
        if self.headers.iter().any(|line| line == "Transfer-Encoding: chunked") {
            let _ = write!(text, "\r\n{:x}\r\n{}\r\n0\r\n{}\r\n", self.body.len(), self.body, self.trailer);
        } else if self.method == "POST" {
            let _ = write!(text, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        } else {
            text.push_str("\r\n");
        }
        text
    }
}

async fn exchange(port: u16, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    // A gateway that refuses may close before all has been sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

/// What the client gets to see.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    head: String,
    body: String,
}

impl Response {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let answer = Self { status, head: head.to_owned(), body: body.to_owned() };
        let is_chunked = answer.header("transfer-encoding").is_some();
        let body = if is_chunked { dechunked(&answer.body).0 } else { answer.body };
        Self { body, ..answer }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let values: Vec<&str> = fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect();
        assert!(values.len() <= 1, "{name} is there more than once: {self:?}");
        values.first().copied()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A problem with this status and code, and a challenge if it is a 401.
    #[track_caller]
    pub fn is_a_refusal(&self, what: impl Debug, status: u16, code: &str) {
        assert_eq!(self.status, status, "{what:?}: {self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
        assert_eq!(self.json()["status"], status, "{self:?}");
        let challenge = self.header("www-authenticate");
        assert_eq!(
            challenge.is_some_and(|challenge| challenge.starts_with("Bearer ")),
            status == 401,
            "{self:?}"
        );
        assert_eq!(self.header("retry-after").is_some(), status == 503, "{self:?}");
    }
}
