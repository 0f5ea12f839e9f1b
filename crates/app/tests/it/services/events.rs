//! `GET /revocations` as a stream of server-sent events.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use super::{FEED, a_service, cursor_of, entries_of, page};
use crate::support::bounds::ELSEWHERE;
use crate::support::{Answer, Client, Server, Storage, claims, logged_in, registered};

crate::endpoints::on_every_storage!(
    events_come_as_they_happen_and_a_client_goes_on_from_its_last,
    a_stream_does_not_keep_the_server_from_stopping,
);

const EMAIL: &str = "ada@example.com";

/// An open stream.
pub(super) struct Stream {
    response: Response,
    /// What has come and is not a whole message yet.
    rest: String,
}

/// One event.
pub(super) struct Event {
    id: String,
    pub(super) page: Value,
}

impl Stream {
    pub(super) async fn open(server: &Server, by: &Client, last_event_id: Option<&str>) -> Self {
        let request = server.http.get(format!("{}{FEED}", server.base));
        let request = request.basic_auth(&by.id, Some(&by.secret)).header("accept", "text/event-stream");
        let request = match last_event_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, rest: String::new() }
    }

    /// The next message, event or comment, without its empty line; `None` at the end.
    async fn message(&mut self) -> Option<String> {
        loop {
            if let Some((message, rest)) = self.rest.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.rest = rest;
                return Some(message);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.rest.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    /// The next event, past any comment.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            let message =
                timeout(Duration::from_secs(20), self.message()).await.expect("soon").expect("more");
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                message.lines().find_map(|line| line.strip_prefix(prefix.as_str()))
            };
            if let Some(data) = field("data") {
                assert_eq!(field("event"), Some("revocations"));
                let page: Value = serde_json::from_str(data).expect("JSON");
                let id = field("id").expect("an id").to_owned();
                assert_eq!(id, cursor_of(&page));
                return Event { id, page };
            }
            assert!(message.starts_with(':'), "{message}");
        }
    }
}

async fn events_come_as_they_happen_and_a_client_goes_on_from_its_last(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let first = registered(&server, EMAIL).await;
    Answer::to_logout(&server, &first.access).await.ok(200);

    let mut stream = Stream::open(&server, &by, None).await;
    let start = stream.event().await;
    assert_eq!(entries_of(&start.page).len(), 1, "what was before");
    assert_eq!(start.page["complete"], true);
    let mut ids = vec![start.id];
    for _ in 0..3 {
        let ada = logged_in(&server, EMAIL).await;
        Answer::to_logout(&server, &ada.access).await.ok(200);
        let acknowledged = Instant::now();
        let event = stream.event().await;
        assert!(acknowledged.elapsed() < ELSEWHERE);
        let [entry] = entries_of(&event.page) else { panic!("{}", event.page) };
        assert_eq!((&entry["kind"], &entry["id"]), (&"session".into(), &claims(&ada.access)["sid"]));
        ids.push(event.id);
    }
    drop(stream);

    let mut again = Stream::open(&server, &by, Some(&ids[1])).await;
    assert_eq!(entries_of(&again.event().await.page).len(), 2, "what came after the second");
    let mut latest = Stream::open(&server, &by, Some(&ids[3])).await;
    assert_eq!(entries_of(&latest.event().await.page).len(), 0, "the client knows where it stands");
    let polled = page(&server, &by, Some(&ids[2]), 0).await;
    assert_eq!(entries_of(&polled).len(), 1, "a poll goes on where a stream was left");

    let forged = |request: reqwest::RequestBuilder| {
        let request = request.basic_auth(&by.id, Some(&by.secret)).header("accept", "text/event-stream");
        request.header("last-event-id", "forged")
    };
    Answer::to(&server, Method::GET, FEED, forged).await.is(400, "malformed_request");
}

async fn a_stream_does_not_keep_the_server_from_stopping(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let mut stream = Stream::open(&server, &by, None).await;
    stream.event().await;
    server.signal("-TERM");
    let stopped = Instant::now();
    assert!(timeout(Duration::from_secs(5), stream.message()).await.expect("it ends").is_none());
    assert!(server.wait(Duration::from_secs(10)).success());
    assert!(stopped.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_that_it_lives_and_ends_soon_after_its_service() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage, &[]);
    let (by, admin) = a_service(&server).await;
    let mut stream = Stream::open(&server, &by, None).await;
    stream.event().await;
    let opened = Instant::now();
    let comment = timeout(Duration::from_secs(20), stream.message()).await.expect("soon").expect("more");
    assert_eq!(comment, ":");
    assert!(opened.elapsed() > Duration::from_secs(10), "not all the time");

    let path = format!("/api/v1/admin/services/{}", by.id);
    Answer::to_json(&server, Method::DELETE, &path, &admin.access, None).await.ok(204);
    // However much there is to tell meanwhile.
    registered(&server, EMAIL).await;
    let deleted = Instant::now();
    let end = async {
        loop {
            let ada = logged_in(&server, EMAIL).await;
            Answer::to_logout(&server, &ada.access).await.ok(200);
            tokio::select! {
                message = stream.message() => if message.is_none() { break },
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    };
    timeout(Duration::from_secs(20), end).await.expect("it ends with the next look");
    assert!(deleted.elapsed() < Duration::from_secs(18));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_instance_revokes_comes_as_an_event() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let (by, _) = a_service(&here).await;
    let ada = registered(&here, EMAIL).await;
    let mut stream = Stream::open(&there, &by, None).await;
    let start = stream.event().await;
    Answer::to_logout(&here, &ada.access).await.ok(200);
    let acknowledged = Instant::now();
    let event = stream.event().await;
    assert!(acknowledged.elapsed() < ELSEWHERE);
    assert_eq!(entries_of(&event.page)[0]["id"], claims(&ada.access)["sid"]);
    drop(stream);
    let mut elsewhere = Stream::open(&here, &by, Some(&start.id)).await;
    assert_eq!(entries_of(&elsewhere.event().await.page).len(), 1, "an id is good at every instance");
}
