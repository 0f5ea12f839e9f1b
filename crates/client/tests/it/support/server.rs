use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64ct::{Base64, Encoding};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Signer;

pub const CLIENT_ID: &str = "01936c5e-7c1a-7000-8000-00000000c11e";
pub const CLIENT_SECRET: &str = "a-secret-of-forty-three-characters-0123456";

/// The `until` of an entry that no test outlives.
pub const NEVER: &str = "2999-01-01T00:00:00Z";

/// An auth server that knows what the client needs of one, and is told what to answer.
pub struct FakeServer {
    pub url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

struct State {
    facts: Mutex<Facts>,
    /// Wakes polls that are held open.
    changed: watch::Sender<()>,
}

/// What the server answers, and what it was asked.
pub struct Facts {
    pub keys: Vec<Value>,
    pub roles: Value,
    pub entries: Vec<Value>,
    /// Cursors of another history are too old.
    pub history: u32,
    /// The status with which it says so.
    pub lost_cursor: u16,
    pub page_size: usize,
    /// Answers 503 to these paths.
    pub failing: Vec<&'static str>,
    /// Has no place for polls that are to be held.
    pub crowded: bool,
    /// How many it had no place for.
    pub turned_away: usize,
    /// Keeps those who ask for the roles waiting.
    pub roles_delayed: bool,
    pub key_fetches: usize,
    pub role_fetches: usize,
    pub polls: usize,
    /// How long the last poll could be held open, in seconds.
    pub last_wait: u64,
}

impl FakeServer {
    pub const JWKS: &str = "/.well-known/jwks.json";
    pub const FEED: &str = "/api/v1/auth/revocations";
    pub const ROLES: &str = "/api/v1/auth/roles";

    pub fn start(signers: &[&Signer]) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), signers)
    }

    pub fn start_on(listener: TcpListener, signers: &[&Signer]) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let facts = Facts {
            keys: signers.iter().map(|signer| signer.jwk()).collect(),
            roles: json!({"items": [
                {"name": "admin", "permissions": ["system:admin"]},
                {"name": "viewer", "permissions": ["model:view"]},
            ]}),
            entries: Vec::new(),
            history: 1,
            lost_cursor: 410,
            page_size: 1000,
            failing: Vec::new(),
            crowded: false,
            turned_away: 0,
            roles_delayed: false,
            key_fetches: 0,
            role_fetches: 0,
            polls: 0,
            last_wait: 0,
        };
        let state = Arc::new(State { facts: Mutex::new(facts), changed: watch::Sender::new(()) });
        let data = Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route(Self::JWKS, web::get().to(jwks))
                .route(Self::ROLES, web::get().to(roles))
                .route(Self::FEED, web::get().to(revocations))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, state, handle }
    }

    /// Looks at the facts or changes them.
    pub fn facts<T>(&self, act: impl FnOnce(&mut Facts) -> T) -> T {
        let result = act(&mut self.state.facts());
        self.state.changed.send_replace(());
        result
    }

    /// Adds an entry to the feed.
    pub fn revoke(&self, entry: Value) {
        self.facts(|facts| facts.entries.push(entry));
    }

    /// Answers 503 to everything.
    pub fn fail(&self) {
        self.facts(|facts| facts.failing = vec![Self::JWKS, Self::FEED, Self::ROLES]);
    }

    pub fn recover(&self) {
        self.facts(|facts| facts.failing.clear());
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl State {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }
}

async fn jwks(state: Data<State>) -> HttpResponse {
    let mut facts = state.facts();
    facts.key_fetches += 1;
    if facts.failing.contains(&FakeServer::JWKS) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let keys = &facts.keys;
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(json!({"keys": keys}))
}

async fn roles(state: Data<State>, request: HttpRequest) -> HttpResponse {
    let mut changes = state.changed.subscribe();
    state.facts().role_fetches += 1;
    let _ = changes.wait_for(|()| !state.facts().roles_delayed).await;
    let facts = state.facts();
    if !is_authenticated(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    if facts.failing.contains(&FakeServer::ROLES) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    HttpResponse::Ok().json(&facts.roles)
}

#[derive(Deserialize)]
struct Poll {
    cursor: Option<String>,
    #[serde(default)]
    wait: u64,
}

async fn revocations(state: Data<State>, request: HttpRequest, poll: Query<Poll>) -> HttpResponse {
    if !is_authenticated(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let mut changes = state.changed.subscribe();
    let asked_in = {
        let mut facts = state.facts();
        facts.polls += 1;
        facts.last_wait = poll.wait;
        if facts.crowded && poll.wait > 0 {
            facts.turned_away += 1;
            return HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, "2")).finish();
        }
        facts.history
    };
    let has_news = || {
        let facts = state.facts();
        let is_at_end = poll.cursor.as_ref() == Some(&format!("{}-{}", facts.history, facts.entries.len()));
        !is_at_end || facts.history != asked_in || facts.failing.contains(&FakeServer::FEED)
    };
    let _ = timeout(Duration::from_secs(poll.wait), changes.wait_for(|()| has_news())).await;
    answer(&state.facts(), poll.cursor.as_deref())
}

fn answer(facts: &Facts, cursor: Option<&str>) -> HttpResponse {
    if facts.failing.contains(&FakeServer::FEED) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let position: usize = match cursor.map(|cursor| cursor.split_once('-').unwrap()) {
        None => 0,
        Some((history, position)) if history == facts.history.to_string() => position.parse().unwrap(),
        Some(_) => return HttpResponse::build(StatusCode::from_u16(facts.lost_cursor).unwrap()).finish(),
    };
    let end = facts.entries.len().min(position + facts.page_size);
    HttpResponse::Ok().json(json!({
        "cursor": format!("{}-{end}", facts.history),
        "complete": end == facts.entries.len(),
        "entries": facts.entries[position..end],
    }))
}

fn is_authenticated(request: &HttpRequest) -> bool {
    let expected =
        format!("Basic {}", Base64::encode_string(format!("{CLIENT_ID}:{CLIENT_SECRET}").as_bytes()));
    request.headers().get(header::AUTHORIZATION).is_some_and(|given| given == expected.as_str())
}
