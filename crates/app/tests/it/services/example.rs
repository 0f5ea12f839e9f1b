//! The example service behind the real server, as its README has it (api.md section 8): it verifies tokens by itself, and refuses
//! one within a second after its user has logged out.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use maestro_auth_client::MaestroAuth;
use reqwest::StatusCode;
use tokio::task::JoinHandle;

use super::a_service;
use crate::support::bounds::ELSEWHERE;
use crate::support::{Answer, Client, Server, Storage, logged_in, registered, say};

const EMAIL: &str = "ada@example.com";

/// The example, running in this process.
struct Example {
    projects: String,
    ready: String,
    http: reqwest::Client,
    task: JoinHandle<std::io::Result<()>>,
}

impl Example {
    async fn start(server: &Server, by: &Client, max_staleness: Duration) -> Self {
        let auth = MaestroAuth::builder(&server.base)
            .service(&by.id, &by.secret)
            .max_staleness(max_staleness)
            .start()
            .expect("the client starts");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(maestro_auth_example_projects::run(listener, auth).expect("it starts"));
        let http = reqwest::Client::new();
        let example =
            Self { projects: format!("{base}/projects"), ready: format!("{base}/readyz"), http, task };
        let started = Instant::now();
        while example.http.get(&example.ready).send().await.expect("an answer").status() != 204 {
            assert!(started.elapsed() < Duration::from_secs(20), "it never is ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        example
    }

    async fn list(&self, access_token: &str) -> StatusCode {
        self.http.get(&self.projects).bearer_auth(access_token).send().await.expect("an answer").status()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How many tokens the server has judged.
async fn judged(server: &Server) -> u64 {
    let answer = Answer::to_get(server, "/readyz", None).await.ok(200);
    let count = |name: &str| answer.body["revocations"][name].as_u64().expect(name);
    count("answers_from_memory") + count("answers_from_storage")
}

async fn a_logout_is_heeded_within_a_second(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let example = Example::start(&server, &by, Duration::from_secs(30)).await;
    registered(&server, EMAIL).await;
    let mut delays = Vec::new();
    for _ in 0..60 {
        let ada = logged_in(&server, EMAIL).await;
        assert_eq!(example.list(&ada.access).await, StatusCode::OK);
        Answer::to_logout(&server, &ada.access).await.ok(200);
        let acknowledged = Instant::now();
        loop {
            let asked = acknowledged.elapsed();
            match example.list(&ada.access).await {
                StatusCode::UNAUTHORIZED => break delays.push(acknowledged.elapsed()),
                status => assert_eq!(status, StatusCode::OK),
            }
            assert!(asked < ELSEWHERE, "let in {asked:?} after the logout");
        }
    }
    delays.sort();
    let at = |percent: usize| delays[(delays.len() * percent / 100).min(delays.len() - 1)];
    let kind = storage.url().split(':').next().unwrap_or_default().to_owned();
    say(&format!(
        "{kind}: the example refuses a token after its logout: n = {}, p50 {:?}, p99 {:?}, at most {:?}",
        delays.len(),
        at(50),
        at(99),
        at(100)
    ));
}

crate::endpoints::on_every_storage!(a_logout_is_heeded_within_a_second);

#[tokio::test(flavor = "multi_thread")]
async fn the_example_asks_nobody_about_a_token_and_goes_on_without_the_server_for_a_while() {
    let storage = Storage::memory();
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let max_staleness = Duration::from_secs(3);
    let example = Example::start(&server, &by, max_staleness).await;
    let ada = registered(&server, EMAIL).await;
    assert_eq!(example.list(&ada.access).await, StatusCode::OK);

    let before = judged(&server).await;
    for _ in 0..200 {
        assert_eq!(example.list(&ada.access).await, StatusCode::OK);
    }
    assert_eq!(judged(&server).await, before, "the server was asked about tokens");

    server.kill();
    let killed = Instant::now();
    loop {
        let asked = killed.elapsed();
        match example.list(&ada.access).await {
            StatusCode::OK => assert!(asked <= max_staleness, "accepted {asked:?} after the last contact"),
            status => {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                // The last word may have been that old when the server died: see the client's follower.
                assert!(asked > max_staleness / 3, "refused {asked:?} after the server died");
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
