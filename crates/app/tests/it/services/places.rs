//! How many may wait: a service can't take the places of all others.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{FEED, a_service, cursor_of, page};
use crate::support::{Client, Server, Storage, service};

/// Asks without patience.
async fn poll(server: &Server, by: &Client, cursor: &str, wait: u8) -> reqwest::Response {
    let url = format!("{}{FEED}?wait={wait}&cursor={cursor}", server.base);
    server.http.get(url).basic_auth(&by.id, Some(&by.secret)).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_has_sixty_four_places_and_gets_them_back() {
    let storage = Storage::sqlite();
    let server = std::sync::Arc::new(Server::start(&storage, &[]));
    let (by, admin) = a_service(&server).await;
    let other = service(&server, &admin, "reports", &[]).await;
    let start = page(&server, &by, None, 0).await;
    let cursor = cursor_of(&start).to_owned();

    let mut held = JoinSet::new();
    for _ in 0..64 {
        let (server, by, cursor) = (server.clone(), by.clone(), cursor.clone());
        held.spawn(async move {
            loop {
                poll(&server, &by, &cursor, 30).await; // again when another had the place
            }
        });
    }
    let refused = loop {
        let answer = poll(&server, &by, &cursor, 1).await;
        if answer.status() != 200 {
            break answer;
        }
    };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(crate::support::code(refused).await, "overloaded");

    assert_eq!(poll(&server, &by, &cursor, 0).await.status(), 200, "who does not wait needs no place");
    assert_eq!(poll(&server, &other, &cursor, 1).await.status(), 200, "another service has its own");

    held.abort_all();
    while held.join_next().await.is_some() {}
    for attempt in 0.. {
        // Long before their wait is over.
        assert!(attempt < 50, "the places of those who went away are taken");
        if poll(&server, &by, &cursor, 1).await.status() == 200 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
