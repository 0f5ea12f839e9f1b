//! Bytes out, bytes in: requests that no HTTP client would send, and all that came back.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Beyond this a request counts as hanging.
const HANG: Duration = Duration::from_secs(5);

/// The first answer on a connection, and what followed it until the server closed.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub rest: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Everything that came back, as far as it is text.
    pub fn text(&self) -> String {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let headers = headers.join("\n");
        format!("{headers}\n\n{}{}", String::from_utf8_lossy(&self.body), String::from_utf8_lossy(&self.rest))
    }
}

/// Sends `request` on a connection of its own and reads until the server closes it, which it must do by itself.
pub async fn talk(address: &str, request: Vec<u8>) -> Result<Reply, String> {
    let is_head = request.starts_with(b"HEAD ");
    let (mut input, mut output) =
        TcpStream::connect(address).await.map_err(|error| error.to_string())?.into_split();
    // A server may answer and close before it has read everything: then writing fails, and reading still counts.
    let writer = tokio::spawn(async move {
        let _ = output.write_all(&request).await;
        output
    });
    let mut bytes = Vec::new();
    let read = async {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = input.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..count]);
        }
    };
    let ended = tokio::time::timeout(HANG, read).await;
    writer.abort();
    if ended.is_err() {
        let seen = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        return Err(format!("the connection was still open after {HANG:?}; it brought {seen:?}"));
    }
    parse(&bytes, is_head)
}

fn parse(bytes: &[u8], is_head: bool) -> Result<Reply, String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else { return Err(format!("no answer, but {} bytes", bytes.len())) };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut reply =
        Reply { status: status.ok_or("no status line")?, headers, body: Vec::new(), rest: Vec::new() };
    let content = &bytes[end + 4..];
    (reply.body, reply.rest) = match reply.header("content-length").map(str::parse::<usize>) {
        _ if is_head => (Vec::new(), content.to_vec()),
        Some(Ok(length)) if length <= content.len() => {
            (content[..length].to_vec(), content[length..].to_vec())
        }
        Some(_) => return Err("the answer is shorter than its Content-Length".to_owned()),
        None => (content.to_vec(), Vec::new()),
    };
    Ok(reply)
}
