//! Just enough HTTP/1.1 for a client that must not be the bottleneck.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A keep-alive connection with at most one request under way.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024] })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Reads one answer and gives its status and body.
    pub(crate) fn receive(&mut self) -> Result<(u16, &[u8])> {
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "an answer is over {filled} bytes");
            let read = self.stream.read(&mut self.buffer[filled..])?;
            ensure!(read > 0, "the server closed the connection after {filled} bytes of an answer");
            filled += read;
            if let Some((body, length)) = body_of(&self.buffer[..filled])?
                && filled >= body + length
            {
                return Ok((status_of(&self.buffer)?, &self.buffer[body..body + length]));
            }
        }
    }

    /// Sends a request and demands this status.
    pub(crate) fn ask(&mut self, request: &[u8], expected: u16) -> Result<Value> {
        self.send(request)?;
        let (status, body) = self.receive()?;
        ensure!(status == expected, "{status} instead of {expected}: {}", String::from_utf8_lossy(body));
        if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(body)?) }
    }
}

pub(crate) fn get(path: &str, bearer: Option<&str>) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{}\r\n", authorization(bearer)).into_bytes()
}

pub(crate) fn post(path: &str, bearer: Option<&str>, body: Option<&Value>) -> Vec<u8> {
    let (kind, body) = match body {
        Some(body) => ("content-type: application/json\r\n", body.to_string()),
        None => ("", String::new()),
    };
    let (authorization, length) = (authorization(bearer), body.len());
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}{kind}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn authorization(bearer: Option<&str>) -> String {
    bearer.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default()
}

/// Where the body begins and how long it is, once the head is complete.
fn body_of(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    for line in head.split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').context("a header line")?;
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Some((end + 4, value.trim().parse()?)));
        }
    }
    bail!("an answer without a content-length")
}

fn status_of(bytes: &[u8]) -> Result<u16> {
    Ok(std::str::from_utf8(bytes.get(9..12).context("a status line")?)?.parse()?)
}
