//! Whatever answers in place of the server, or does not: nobody enters without having been named by it.

use std::net::TcpListener;

use super::client::{Request, Response};
use super::gateway::{Gateway, Product, free_port};
use super::listener::{Listener, Received};
use super::service::EchoService;
use crate::support::Storage;

const IDENTITY: &str = "x-auth-user-id: 0-1\r\nx-auth-email: a@b\r\nx-auth-roles: viewer\r\n";

/// Answers that are no word of the server about the request. Those with identity headers must not be believed either.
const WRONG_ANSWERS: &[(&str, &str)] = &[
    ("500", IDENTITY),
    ("502", ""),
    ("503", IDENTITY),
    ("400", IDENTITY),
    ("404", ""),
    ("405", ""),
    ("429", ""),
    ("302", "location: /login\r\n"),
    ("301", IDENTITY),
    ("304", ""),
    ("200", ""),
    ("200", "x-auth-user-id: \r\nx-auth-email: \r\nx-auth-roles: \r\n"),
    ("200", "x-auth-email: a@b\r\nx-auth-roles: admin\r\n"),
    ("204", ""),
];

pub async fn lets_nobody_in(product: Product) {
    if product.is_skipped() {
        return;
    }
    let _turn = Storage::memory(); // not while a storm has the machine to itself
    let service = EchoService::start().await;
    for (status, headers) in WRONG_ANSWERS {
        let answer = canned(status, headers);
        let auth_server = Listener::start(move |_| answer.clone()).await;
        let what = format!("the verification is answered with {status} {headers:?}");
        is_unavailable(&what, product, &service, auth_server.port()).await;
    }
    let rubbish = Listener::start(|_| "rubbish\r\n\r\n".to_owned()).await;
    is_unavailable("the verification is rubbish", product, &service, rubbish.port()).await;
    is_unavailable("nobody listens", product, &service, free_port()).await;

    // The kernel accepts for it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    is_unavailable("nobody answers", product, &service, port).await;

    learns_only_what_decides(product, &service).await;
    a_stopped_service_is_another_matter(product).await;
}

async fn is_unavailable(what: &str, product: Product, service: &EchoService, auth_server: u16) {
    let gateway = Gateway::start(product, service.port(), auth_server).await;
    let seen = service.seen();
    let answer = a_full_request().send_to(gateway.port()).await;
    assert_eq!(service.seen(), seen, "{what}: the request reached the service");
    answer.is_a_refusal(what, 503, "verification_unavailable");
}

/// The server is told the token and where the request comes from, not what else is in the request.
async fn learns_only_what_decides(product: Product, service: &EchoService) {
    let answer = canned("200", IDENTITY);
    let auth_server = Listener::start(move |_| answer.clone()).await;
    let gateway = Gateway::start(product, service.port(), auth_server.port()).await;
    let seen = service.seen();
    let answer: Response = a_full_request().send_to(gateway.port()).await;
    assert_eq!((answer.status, service.seen()), (200, seen + 1), "{answer:?}");
    assert_eq!(service.last().body, "of no concern");

    let [asked]: [Received; 1] = auth_server.received().try_into().expect("one question");
    let line = asked.line.trim_end_matches(" HTTP/1.1").trim_end_matches('?');
    assert_eq!(line, "GET /api/v1/auth/verify");
    assert_eq!(asked.values("authorization"), ["Bearer abc"]);
    assert_eq!(asked.values("x-request-id"), ["a-request"]);
    assert_eq!(asked.body, "");
    for name in
        ["accept", "accept-encoding", "content-type", "cookie", "expect", "if-none-match", "range", "te"]
    {
        assert!(asked.values(name).is_empty(), "{name}: {asked:?}");
    }
    assert!(asked.values("content-length").iter().all(|length| *length == "0"), "{asked:?}");
    assert!(asked.values("transfer-encoding").is_empty(), "{asked:?}");
}

/// Whoever has been verified is told that the service is gone, and not that the verification is.
async fn a_stopped_service_is_another_matter(product: Product) {
    let answer = canned("200", IDENTITY);
    let auth_server = Listener::start(move |_| answer.clone()).await;
    let gateway = Gateway::start(product, free_port(), auth_server.port()).await;
    let answer = a_full_request().send_to(gateway.port()).await;
    assert!([502, 503, 504].contains(&answer.status), "{answer:?}");
    assert_ne!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
}

fn a_full_request() -> Request {
    [
        "Accept: text/html",
        "Accept-Encoding: gzip, br",
        "Content-Type: text/plain",
        "Cookie: a=b",
        "If-None-Match: \"a\"",
        "Range: bytes=0-1",
        "TE: trailers",
        "X-Request-Id: a-request",
    ]
    .iter()
    .fold(Request::post("/projects", "of no concern").with_token("abc"), |request, line| {
        request.with_header(line)
    })
}

fn canned(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status} Canned\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n")
}
