//! The server starts, stops and starts again (REL-15, REL-28).

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{PASSWORD, Server, Storage, code, logged_in, raw, registered};

const EXIT_LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_what_is_in_flight_finish_and_ends_with_0() {
    let storage = Storage::sqlite();
    // One lane and a long queue: two dozen logins keep it busy for long after the first answer.
    let settings = [("MAESTRO_AUTH__HASHING__LANES", "1"), ("MAESTRO_AUTH__HASHING__MAX_WAIT", "3s")];
    let server = Server::start(&storage, &settings);
    registered(&server, "ada@example.com").await;

    let login =
        raw::post_json("/api/v1/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD }));
    let mut streams = Vec::new();
    for _ in 0..24 {
        let mut stream = raw::connect(&server).await.expect("a connection");
        stream.write_all(&login).await.expect("the request is sent");
        streams.push(stream);
    }
    let answers = streams.into_iter().map(|mut stream| async move { raw::read_answer(&mut stream).await });
    let mut answers: futures_util::stream::FuturesUnordered<_> = answers.collect();
    let first = futures_util::StreamExt::next(&mut answers).await.expect("an answer").expect("whole");
    assert_eq!(first.status, 200);

    server.signal("-TERM"); // 23 logins are in flight
    let rest: Vec<_> = futures_util::StreamExt::collect(answers).await;
    assert_eq!(rest.len(), 23);
    for answer in rest {
        assert_eq!(answer.expect("an accepted request gets its whole answer").status, 200);
    }
    assert_eq!(server.wait(EXIT_LIMIT).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_is_not_ready_but_lives_and_serves() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage, &[("MAESTRO_AUTH__SERVER__DRAIN_DELAY", "1s")]);
    let user = registered(&server, "ada@example.com").await;
    assert_eq!(server.get("/readyz", None).await.status(), StatusCode::OK);

    server.signal("-TERM");
    is_draining(&server).await;
    assert_eq!(server.get("/livez", None).await.status(), StatusCode::OK);
    assert_eq!(
        server.me(&user.access).await.status(),
        StatusCode::OK,
        "a late request of a balancer is served"
    );
    assert_eq!(server.wait(EXIT_LIMIT).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_as_well() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage, &[]);
    server.signal("-INT");
    assert_eq!(server.wait(EXIT_LIMIT).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_hard() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage, &[("MAESTRO_AUTH__SERVER__DRAIN_DELAY", "60s")]);
    server.signal("-TERM");
    is_draining(&server).await;

    server.signal("-TERM");
    server.wait(EXIT_LIMIT); // and not only after the 60 s
}

#[tokio::test(flavor = "multi_thread")]
async fn port_0_takes_a_free_port_and_logs_it() {
    let storages = [Storage::memory(), Storage::memory()];
    let servers =
        storages.each_ref().map(|storage| Server::start(storage, &[("MAESTRO_AUTH__SERVER__PORT", "0")]));
    for server in &servers {
        assert!(!server.base.ends_with(":0"), "{}", server.base);
        assert_eq!(server.get("/livez", None).await.status(), StatusCode::OK);
    }
    assert_ne!(servers[0].base, servers[1].base);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_sqlite_keeps_users_sessions_and_revocations() {
    a_restart_keeps_users_sessions_and_revocations(&Storage::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_postgres_keeps_users_sessions_and_revocations() {
    let Some(storage) = Storage::postgres().await else { return };
    a_restart_keeps_users_sessions_and_revocations(&storage).await;
}

async fn a_restart_keeps_users_sessions_and_revocations(storage: &Storage) {
    let server = Server::start(storage, &[]);
    let ended = registered(&server, "ada@example.com").await;
    let kept = logged_in(&server, "ada@example.com").await;
    assert_eq!(server.logout(&ended.access).await.status(), StatusCode::OK);
    server.signal("-TERM");
    assert_eq!(server.wait(EXIT_LIMIT).code(), Some(0));

    let server = Server::start(storage, &[]);
    assert_eq!(server.me(&kept.access).await.status(), StatusCode::OK);
    assert_eq!(server.refresh(&kept.refresh).await.status(), StatusCode::OK);
    logged_in(&server, "ada@example.com").await;
    assert_eq!(code(server.me(&ended.access).await).await, "token_revoked");
    assert_eq!(code(server.refresh(&ended.refresh).await).await, "token_revoked");
    assert_eq!(server.logout(&ended.access).await.status(), StatusCode::OK, "logging out stays idempotent");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_forgets_and_says_so_at_the_start() {
    let storage = Storage::memory();
    let server = Server::start(&storage, &[]);
    let user = registered(&server, "ada@example.com").await;
    drop(server);
    let server = Server::start(&storage, &[]);
    assert_eq!(server.me(&user.access).await.status(), StatusCode::UNAUTHORIZED);
    assert!(server.printed_at_start().contains("memory"), "{}", server.printed_at_start());
}

async fn is_draining(server: &Server) {
    for _ in 0..1_000 {
        if server.get("/readyz", None).await.status() == StatusCode::SERVICE_UNAVAILABLE {
            return;
        }
    }
    panic!("a draining server still says that it is ready");
}
