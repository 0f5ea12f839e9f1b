//! A small HTTP/1.1 listener that keeps exactly what arrived: duplicates, spellings, odd paths.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Received {
    pub line: String,
    /// In the order and spelling of the sender.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// What came after a chunked body.
    pub trailers: String,
}

impl Received {
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// Answers each connection's one request, and remembers it.
pub struct Listener {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Listener {
    pub async fn start(answer: impl Fn(&Received) -> String + Clone + Send + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = socket.local_addr().expect("an address").port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.expect("a connection");
                tokio::spawn(serve(stream, Arc::clone(&kept), answer.clone()));
            }
        });
        Self { port, received, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that arrived so far, also what could not be read as a request.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<Received>>>, answer: impl Fn(&Received) -> String) {
    // A connection that a gateway opens ahead and closes unused is no request.
    let Some(request) = read(&mut stream).await else { return };
    let answer = answer(&request);
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return (!bytes.is_empty()).then(|| head(&bytes));
        }
    };
    let mut request = head(&bytes[..end]);
    let mut body = bytes.split_off(end + 4);
    let is_chunked = !request.values("transfer-encoding").is_empty();
    let length = request.values("content-length").first().map_or(0, |text| text.parse().unwrap_or(0));
    while !(if is_chunked { is_last_chunk(&body) } else { body.len() >= length }) {
        if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
            break;
        }
    }
    request.body = String::from_utf8_lossy(&body).into_owned();
    if is_chunked {
        (request.body, request.trailers) = dechunked(&request.body);
    }
    Some(request)
}

fn is_last_chunk(body: &[u8]) -> bool {
    let last = body.windows(5).rposition(|window| window == b"\r\n0\r\n");
    (last.is_some() || body.starts_with(b"0\r\n")) && body.ends_with(b"\r\n\r\n")
}

fn head(bytes: &[u8]) -> Received {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Received { line, headers, body: String::new(), trailers: String::new() }
}

/// A chunked body and its trailers.
pub fn dechunked(mut text: &str) -> (String, String) {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            return (whole, rest.to_owned());
        }
        whole.push_str(&rest[..size]);
        text = rest[size..].trim_start_matches("\r\n");
    }
    (whole, String::new())
}
