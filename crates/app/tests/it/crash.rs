//! `kill -9` in the middle of the work: what was acknowledged is there afterwards (REL-07, REL-08, REL-29).

use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{PASSWORD, Server, SignedIn, Storage, logged_in, patiently};

/// A restart on a crowded machine may outlast the default grace; what is proven here is that nothing is lost.
const SETTINGS: [(&str, &str); 1] = [("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "60s")];
const ROUNDS: usize = 4;
const CLIENTS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_acknowledged_survives_a_kill_during_a_registration_storm() {
    what_was_acknowledged_survives_a_kill_during_a_registration_storm(&Storage::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_acknowledged_survives_a_kill_during_a_registration_storm() {
    let Some(storage) = Storage::postgres().await else { return };
    what_was_acknowledged_survives_a_kill_during_a_registration_storm(&storage).await;
}

async fn what_was_acknowledged_survives_a_kill_during_a_registration_storm(storage: &Storage) {
    let mut server = Server::start(storage, &SETTINGS);
    let mut acknowledged: Vec<SignedIn> = Vec::new();
    for round in 0..ROUNDS {
        let storm = Storm::begin(&server, round);
        storm.acknowledged_at_least(5 + 3 * round).await;
        server.kill();
        let outcome = storm.end().await;
        server = Server::start(storage, &SETTINGS);

        for user in &outcome.acknowledged {
            assert_eq!(server.me(&user.access).await.status(), StatusCode::OK, "session of {}", user.email);
            let refreshed = server.refresh(&user.refresh).await;
            assert_eq!(refreshed.status(), StatusCode::OK, "refresh token of {}", user.email);
            logged_in(&server, &user.email).await;
        }
        for email in &outcome.unanswered {
            let retried = patiently(|| server.register(email, PASSWORD)).await.status();
            assert!([StatusCode::CREATED, StatusCode::CONFLICT].contains(&retried), "{email}: {retried}");
            logged_in(&server, email).await;
        }
        acknowledged.extend(outcome.acknowledged);
    }
    for user in &acknowledged {
        assert_eq!(
            server.me(&user.access).await.status(),
            StatusCode::OK,
            "{} outlives later crashes",
            user.email
        );
    }
}

/// Clients that register new users, and refresh each new session once, until the server is gone.
struct Storm {
    clients: JoinSet<String>,
    acknowledged: std::sync::Arc<Mutex<Vec<SignedIn>>>,
    count: watch::Receiver<usize>,
}

struct Outcome {
    /// With the newest tokens that the server answered with.
    acknowledged: Vec<SignedIn>,
    /// The addresses whose registration was under way when the server died.
    unanswered: Vec<String>,
}

impl Storm {
    fn begin(server: &Server, round: usize) -> Self {
        let acknowledged = std::sync::Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (http, base) = (server.http.clone(), server.base.clone());
            let (acknowledged, counter) = (acknowledged.clone(), counter.clone());
            clients.spawn(async move {
                for n in 0.. {
                    let email = format!("user-{round}-{client}-{n}@example.com");
                    let Some(user) = register(&http, &base, &email).await else { return email };
                    let place = {
                        let mut all = acknowledged.lock().expect("no panic");
                        all.push(user.clone());
                        counter.send_replace(all.len());
                        all.len() - 1
                    };
                    // Until it is answered, the first refresh token is the newest that the client knows.
                    if let Some(refreshed) = refresh(&http, &base, &user.refresh).await {
                        acknowledged.lock().expect("no panic")[place] = refreshed;
                    }
                }
                unreachable!("the server is killed before a client runs out of numbers")
            });
        }
        Self { clients, acknowledged, count }
    }

    async fn acknowledged_at_least(&self, wanted: usize) {
        let mut count = self.count.clone();
        let reached = count.wait_for(|count| *count >= wanted);
        tokio::time::timeout(Duration::from_mins(1), reached).await.expect("in time").expect("clients");
    }

    async fn end(self) -> Outcome {
        let unanswered = self.clients.join_all().await;
        let acknowledged = std::mem::take(&mut *self.acknowledged.lock().expect("no panic"));
        Outcome { acknowledged, unanswered }
    }
}

/// The new user, or nothing once the server is gone.
async fn register(http: &Client, base: &str, email: &str) -> Option<SignedIn> {
    let body = json!({ "email": email, "password": PASSWORD, "name": "Test User" });
    loop {
        let answer = http.post(format!("{base}/api/v1/auth/register")).json(&body).send().await.ok()?;
        let status = answer.status();
        let body: Value = answer.json().await.ok()?;
        match status {
            StatusCode::CREATED => return Some(SignedIn::from_body(&body)),
            StatusCode::SERVICE_UNAVAILABLE if body["code"] == "overloaded" => {}
            _ => panic!("{status}: {body}"),
        }
    }
}

async fn refresh(http: &Client, base: &str, token: &str) -> Option<SignedIn> {
    let answer = http.post(format!("{base}/api/v1/auth/refresh")).bearer_auth(token).send().await.ok()?;
    let status = answer.status();
    let body: Value = answer.json().await.ok()?;
    assert_eq!(status, StatusCode::OK, "{body}");
    Some(SignedIn::from_body(&body))
}
