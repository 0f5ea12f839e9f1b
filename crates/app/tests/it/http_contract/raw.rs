//! What only a socket shows: framing, `HEAD`, and whether a connection survives.

use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use maestro_auth::http;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::harness::Api;

struct Listening {
    port: u16,
    handle: ServerHandle,
}

impl Listening {
    fn start(api: &Api) -> Self {
        let state = api.state.clone();
        let server = HttpServer::new(move || http::app(state.clone())).workers(1).disable_signals();
        // Not less: actix reads a clock that is up to half a second old, and misses a deadline that has passed.
        let server = server.client_disconnect_timeout(Duration::from_secs(1));
        let server = server.bind(("127.0.0.1", 0)).unwrap();
        let port = server.addrs()[0].port();
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { port, handle }
    }

    /// Sends `request` and reads until the server closes the connection.
    async fn exchange(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(10), socket.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // A server that closes on a body it does not want may reset the connection after its answer.
        let _ = read.unwrap_or_else(|_| panic!("the connection stays open after {request:.90}: {answer}"));
        answer
    }
}

#[actix_web::test]
async fn head_answers_as_get_without_the_body() {
    let server = Listening::start(&Api::new());
    let head = server.exchange("HEAD /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-length: 18"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn sec_102_trace_and_connect_are_405() {
    let server = Listening::start(&Api::new());
    for line in ["TRACE /livez", "TRACE /nowhere", "CONNECT example.com:443", "CONNECT /livez"] {
        let answer =
            server.exchange(&format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{line}: {answer}");
        assert!(answer.contains("method_not_allowed"), "{line}: {answer}");
    }
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn sec_94_a_body_over_the_limit_is_cut_off_and_its_connection_closed() {
    let server = Listening::start(&Api::new());
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: 10000000\r\n\r\n{{");
    let chunks = format!("1000\r\n{}\r\n", " ".repeat(0x1000)).repeat(17);
    let endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    let nowhere = "POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
    let lost = server.exchange(nowhere).await;
    assert!(lost.starts_with("HTTP/1.1 404"), "{lost}");
    for request in [announced, endless] {
        let answer = server.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("payload_too_large"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
    server.handle.stop(false).await;
}
