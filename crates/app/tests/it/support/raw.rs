//! One request on a connection of its own, as light as two thousand at once must be.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Server;

/// What came back over a plain socket.
pub struct RawAnswer {
    pub status: u16,
    head: String,
    body: Vec<u8>,
}

impl RawAnswer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The `code` of a problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A `POST` of JSON that asks for the connection to be closed after the answer.
pub fn post_json(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A `GET` that asks for the connection to be closed after the answer.
pub fn get(path: &str, bearer: Option<&str>) -> Vec<u8> {
    let authorization = bearer.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}connection: close\r\n\r\n").into_bytes()
}

/// Sends `request` on a new connection and reads the answer to its end. No whole answer within `limit` is an error.
pub async fn exchange(server: &Server, request: &[u8], limit: Duration) -> io::Result<RawAnswer> {
    let talk = async {
        let mut stream = connect(server).await?;
        stream.write_all(request).await?;
        read_answer(&mut stream).await
    };
    timeout(limit, talk).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

pub async fn connect(server: &Server) -> io::Result<TcpStream> {
    TcpStream::connect(server.address()).await
}

/// Reads until the server closes, and demands that the answer is whole by then.
pub async fn read_answer(stream: &mut TcpStream) -> io::Result<RawAnswer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    whole_answer(&bytes).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("closed after {} bytes of the answer", bytes.len()),
        )
    })
}

fn whole_answer(bytes: &[u8]) -> Option<RawAnswer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let answer = RawAnswer { status, head, body: bytes[end + 4..].to_vec() };
    let promised: usize = answer.header("content-length")?.parse().ok()?;
    (answer.body.len() == promised).then_some(answer)
}
