//! Sends the cases and looks at both ends: what the client gets, and what the service has seen.

use std::fmt::Debug;

use super::administrator;
use super::cases::{Case, Outcome, Token, UPGRADE};
use super::client::{Request, Response};
use super::gateway::{Gateway, Product};
use super::listener::Received;
use super::service::EchoService;
use crate::support::{Answer, Server, SignedIn, registered};

const IDENTITY: [&str; 3] = ["x-auth-user-id", "x-auth-email", "x-auth-roles"];

/// By these names, with any sign for a hyphen, services would believe whatever is in them.
const NEVER: &[&str] = &[
    "remote-user",
    "remote-groups",
    "remote-email",
    "remote-name",
    "x-remote-user",
    "x-remote-group",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-webauth-user",
    "x-original-url",
    "x-rewrite-url",
    "forwarded",
];

const JUNK: &str = "eyJhbGciOiJub25lIn0.e30.";

/// A gateway between the server's users and a service.
pub struct World<'a> {
    product: Product,
    gateway: &'a Gateway,
    service: &'a EchoService,
    pub viewer: SignedIn,
    administrator: SignedIn,
    told_of_viewer: [String; 3],
    told_of_administrator: [String; 3],
}

impl<'a> World<'a> {
    pub async fn new(
        product: Product,
        server: &Server,
        gateway: &'a Gateway,
        service: &'a EchoService,
    ) -> Self {
        let viewer = registered(server, "grace@example.com").await;
        let administrator = administrator(server).await;
        let told_of_viewer = told_of(server, &viewer).await;
        let told_of_administrator = told_of(server, &administrator).await;
        Self { product, gateway, service, viewer, administrator, told_of_viewer, told_of_administrator }
    }

    pub async fn send(&self, request: &Request) -> Response {
        request.send_to(self.gateway.port()).await
    }

    /// Sends what must not reach the service.
    pub async fn send_unseen(&self, what: impl Debug, request: &Request) -> Response {
        let seen = self.service.seen();
        let answer = self.send(request).await;
        assert_eq!(self.service.seen(), seen, "{what:?} reached the service: {:?}", self.service.last());
        answer
    }

    /// Sends what must reach the service, with these three headers and no other word about who sends it.
    async fn send_seen(&self, what: impl Debug, request: &Request, told: &[String; 3]) -> Received {
        let seen = self.service.seen();
        let answer = self.send(request).await;
        assert_eq!((answer.status, self.service.seen()), (200, seen + 1), "{what:?}: {answer:?}");
        let received = self.service.last();
        self.is_told(&what, &received, told);
        received
    }

    pub async fn check(&self, case: &Case) {
        let request =
            case.headers.iter().fold(Request::get(case.path), |request, line| request.with_header(line));
        let request = match self.token(case.token) {
            Some(token) => request.with_token(token),
            None => request,
        };
        match case.outcome {
            Outcome::Enters => {
                let received = self.send_seen(case.what, &request, self.told(case.token)).await;
                assert_eq!(received.line, format!("GET {} HTTP/1.1", case.path), "{}", case.what);
            }
            Outcome::EntersUnnamed => {
                self.send_seen(case.what, &request, &Default::default()).await;
            }
            Outcome::Refused(status, code) => {
                self.send_unseen(case.what, &request).await.is_a_refusal(case.what, status, code);
            }
        }
    }

    /// A claim of one's own changes nothing: not for somebody with a token, not for nobody, and not on an open path.
    pub async fn check_spoof(&self, line: &str) {
        let spoofed = |path: &str| Request::get(path).with_header(line);
        let with_token = spoofed("/projects").with_token(&self.viewer.access);
        self.send_seen(line, &with_token, &self.told_of_viewer).await;
        self.send_unseen(line, &spoofed("/projects")).await.is_a_refusal(line, 401, "missing_token");
        self.send_seen(line, &spoofed("/public/"), &Default::default()).await;
    }

    /// Nobody gets further by such a path. A gateway that passes on another path than it got must have decided about the one
    /// that it passes on.
    pub async fn check_ambiguous(&self, path: &str) {
        let as_viewer = Request::get(path).with_token(&self.viewer.access);
        for (request, is_viewer) in [(Request::get(path), false), (as_viewer, true)] {
            let seen = self.service.seen();
            let answer = self.send(&request).await;
            if self.service.seen() == seen {
                assert!([400, 401, 403, 404].contains(&answer.status), "{path}: {answer:?}");
                continue;
            }
            let received = self.service.last();
            let read = received.line.split(' ').nth(1).expect("a path");
            let is_plain = !["..", "//", "/./", "%", ";", "\\", "#"].iter().any(|sign| read.contains(sign));
            let is_open = read == "/healthz" || read.starts_with("/public/");
            assert!(is_plain && !read.starts_with("/admin"), "{path}: {received:?}");
            assert!(is_open || is_viewer, "{path}: {received:?}");
            let told = if is_open { &Default::default() } else { &self.told_of_viewer };
            self.is_told(path, &received, told);
        }
    }

    /// What is a variable in one of the configurations is text in an address.
    pub async fn check_odd_address(&self, server: &Server) {
        let user = registered(server, "$host{env.home}{http.request.host}%u@example.com").await;
        let request = Request::get("/projects").with_token(&user.access);
        let told = told_of(server, &user).await;
        assert_eq!(told[1], user.email);
        self.send_seen("an odd address", &request, &told).await;
    }

    /// A WebSocket is opened by a request like any other.
    pub async fn check_upgrade(&self) {
        let request =
            UPGRADE.iter().fold(Request::get("/projects"), |request, line| request.with_header(line));
        let answer = self.send_unseen("an upgrade", &request).await;
        assert!([400, 401, 403].contains(&answer.status), "{answer:?}");
    }

    /// Whichever of two tokens was verified, the service gets that one or nothing.
    pub async fn check_two_tokens(&self) {
        for (first, second) in [(&*self.viewer.access, JUNK), (JUNK, &*self.viewer.access)] {
            let request = Request::get("/projects").with_token(first).with_token(second);
            let answer = self.send_unseen("two tokens", &request).await;
            assert!([400, 401, 503].contains(&answer.status), "{answer:?}");
        }
    }

    /// What comes after a body is no place for a name either. Some gateways refuse it, some drop it.
    pub async fn check_trailers(&self) {
        let post = || {
            Request::post("/projects", "text")
                .with_token(&self.viewer.access)
                .with_header("Transfer-Encoding: chunked")
                .with_trailer("X-Auth-User-Id: evil\r\n")
        };
        self.check_trailer(&post().with_header("Trailer: X-Auth-User-Id")).await;
        if !self.product.passes_on_what_is_not_announced() {
            self.check_trailer(&post()).await;
        }
    }

    async fn check_trailer(&self, request: &Request) {
        let answer = self.send(request).await;
        assert!([200, 400, 503].contains(&answer.status), "{answer:?}");
        if answer.status == 200 {
            self.is_told("a trailer", &self.service.last(), &self.told_of_viewer);
        }
    }

    /// A body goes to the service whole, and nowhere without a token.
    pub async fn check_bodies(&self) {
        let large = "a lot of text, ".repeat(20_000);
        for body in ["", "{\"name\": \"é\"}", &large] {
            for chunked in [false, true] {
                let post = || {
                    let request = Request::post("/projects", body);
                    if chunked { request.with_header("Transfer-Encoding: chunked") } else { request }
                };
                if chunked && body.is_empty() {
                    continue;
                }
                let what = format!("{} bytes, chunked {chunked}", body.len());
                let request = post().with_token(&self.viewer.access);
                let received = self.send_seen(&what, &request, &self.told_of_viewer).await;
                assert_eq!(received.line, "POST /projects HTTP/1.1");
                assert!(received.body == body, "{what}: {} bytes arrived", received.body.len());
                self.send_unseen(&what, &post()).await.is_a_refusal(&what, 401, "missing_token");
            }
        }
    }

    /// The three headers say these things, and no other header says who sends the request.
    #[track_caller]
    fn is_told(&self, what: impl Debug, received: &Received, told: &[String; 3]) {
        for (name, value) in IDENTITY.iter().zip(told) {
            let values = received.values(name);
            let may_lack = value.is_empty() && self.product.drops_empty_headers();
            assert!(values == [value] || values.is_empty() && may_lack, "{what:?}: {received:?}");
        }
        for (name, value) in &received.headers {
            let as_services_read_it =
                name.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-").to_lowercase();
            assert!(!value.contains("evil"), "{what:?}: {received:?}");
            assert!(!NEVER.contains(&&*as_services_read_it), "{what:?}: {received:?}");
            let is_of_the_gateway = IDENTITY.iter().any(|identity| name.eq_ignore_ascii_case(identity));
            assert!(
                is_of_the_gateway || !as_services_read_it.starts_with("x-auth-"),
                "{what:?}: {received:?}"
            );
        }
        assert!(received.trailers.trim().is_empty(), "{what:?}: {received:?}");
        for value in received.values("connection") {
            assert!(!value.to_lowercase().contains("auth"), "{what:?}: {received:?}");
        }
    }

    fn token(&self, token: Token) -> Option<&str> {
        match token {
            Token::None => None,
            Token::Junk => Some(JUNK),
            Token::Viewer => Some(&self.viewer.access),
            Token::Administrator => Some(&self.administrator.access),
        }
    }

    fn told(&self, token: Token) -> &[String; 3] {
        if token == Token::Administrator { &self.told_of_administrator } else { &self.told_of_viewer }
    }
}

/// What the service must be told of a user.
async fn told_of(server: &Server, user: &SignedIn) -> [String; 3] {
    let me = Answer::to_me(server, &user.access).await.ok(200).body;
    let text = |name: &str| me[name].as_str().expect(name).to_owned();
    [text("user_id"), text("email"), text("role")]
}
