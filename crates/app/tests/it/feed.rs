//! The revocation feed between two instances on one PostgreSQL, while everything that can go wrong with it does: nobody
//! revoked gets in past the bound, nobody valid is thrown out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use maestro_auth_adapters::testing::{RedisServer, is_skipped};
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::support::bounds::{ELSEWHERE, is_refused_after};
use crate::support::{Answer, Cluster, PASSWORD, Server, SignedIn, Storage, logged_in, raw, registered, say};

const EMAIL: &str = "ada@example.com";
const ME: &str = "/api/v1/auth/me";

#[tokio::test(flavor = "multi_thread")]
async fn warm_requests_are_answered_from_memory_and_readyz_tells() {
    for storage in [Some(Storage::memory()), Some(Storage::sqlite()), Storage::postgres().await] {
        let Some(storage) = storage else { continue };
        let server = Server::start(&storage, &[]);
        let ada = registered(&server, EMAIL).await;
        until(&server, |revocations| revocations["mode"] == "memory").await;
        let before = revocations(&server).await;
        for _ in 0..50 {
            Answer::to_me(&server, &ada.access).await.ok(200);
        }
        let after = revocations(&server).await;
        let count = |name: &str| after[name].as_u64().expect(name) - before[name].as_u64().expect(name);
        assert!(count("answers_from_memory") >= 40, "{before} {after}");
        assert!(count("answers_from_storage") <= 10, "{before} {after}");
        assert_eq!(after["entries"], 0);

        Answer::to_logout(&server, &ada.access).await.ok(200);
        let after = revocations(&server).await;
        assert_eq!(after["entries"], 1);
        assert_eq!(after["failed_reads"], 0);
        assert!(after["lag_ms"].as_u64().is_some_and(|lag| lag <= 900), "{after}");
    }
}

/// Whoever can't be told any more finds out by reading: the listeners of both instances are killed all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_feed_loses_no_revocation() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let stop = Arc::new(AtomicBool::new(false));
    let killer = {
        let (stop, url) = (Arc::clone(&stop), storage.url().to_owned());
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.expect("a connection");
            let mut killed = 0;
            while !stop.load(Ordering::Relaxed) {
                killed += sqlx::query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
                )
                .fetch_all(&mut connection)
                .await
                .expect("rows")
                .len();
                sleep(Duration::from_millis(20)).await;
            }
            killed
        })
    };
    let mut ada = registered(&here, EMAIL).await;
    for _ in 0..12 {
        for server in [&here, &there] {
            Answer::to_me(server, &ada.access).await.ok(200);
        }
        Answer::to_logout(&here, &ada.access).await.ok(200);
        let acknowledged = Instant::now();
        is_refused_after(&here, ME, &ada.access, acknowledged).await;
        is_refused_after(&there, ME, &ada.access, acknowledged + ELSEWHERE).await;
        ada = logged_in(&there, EMAIL).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(killer.await.expect("no panic") > 0, "no listener was there to kill");
}

/// An instance that can neither follow the feed nor ask guesses nothing, however well Redis works; when the storage is back,
/// so is the feed.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_storage_an_instance_answers_503_and_recovers_by_itself() {
    let Some(cluster) = Cluster::start() else { return };
    let storage = Storage::at(cluster.url());
    let redis = RedisServer::start();
    let url = redis.as_ref().map(RedisServer::url);
    let settings: Vec<_> = url.iter().map(|url| ("REDIS_URL", url.as_str())).collect();
    let (here, there) = (Server::start(&storage, &settings), Server::start(&storage, &settings));
    let (stays, leaves) = (registered(&here, EMAIL).await, registered(&here, "bob@example.com").await);
    for server in [&here, &there] {
        until(server, |revocations| revocations["mode"] == "memory").await;
        for signed_in in [&stays, &leaves] {
            assert_eq!(server.me(&signed_in.access).await.status(), StatusCode::OK);
        }
    }

    cluster.stop();
    let stopped = Instant::now();
    loop {
        let asked = stopped.elapsed();
        match there.me(&stays.access).await.status() {
            StatusCode::OK => assert!(asked < ELSEWHERE, "answered from what it knew {asked:?} ago"),
            status => break assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
    }
    cluster.start_again();

    let logout = loop {
        let answer = here.logout(&leaves.access).await;
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            break answer;
        }
        assert!(stopped.elapsed() < Duration::from_mins(1), "the storage does not come back");
    };
    assert_eq!(logout.status(), StatusCode::OK);
    let acknowledged = Instant::now();
    loop {
        let asked = Instant::now();
        match there.me(&leaves.access).await.status() {
            StatusCode::UNAUTHORIZED => break,
            StatusCode::OK => assert!(asked < acknowledged + ELSEWHERE, "let in past the bound"),
            status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
    }
    for server in [&here, &there] {
        until(server, |revocations| revocations["mode"] == "memory").await;
        assert_eq!(server.me(&stays.access).await.status(), StatusCode::OK, "nobody valid is thrown out");
    }
}

/// REL-35, REL-36: Redis works, freezes, dies and comes back with nothing in it, and every revocation arrives in time.
#[tokio::test(flavor = "multi_thread")]
async fn redis_may_come_and_go_and_no_revocation_is_lost() {
    let Some(storage) = Storage::postgres().await else { return };
    let Some(mut redis) = RedisServer::start() else { return };
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str())];
    let (here, there) = (Server::start(&storage, &settings), Server::start(&storage, &settings));
    registered(&here, EMAIL).await;
    for (state, works) in [("works", true), ("frozen", false), ("dead", false), ("empty", true)] {
        match state {
            "frozen" => redis.freeze(),
            "dead" => {
                redis.thaw();
                redis.stop();
            }
            "empty" => redis.start_again(),
            _ => {}
        }
        for _ in 0..4 {
            let session = logged_in(&there, EMAIL).await;
            Answer::to_me(&there, &session.access).await.ok(200);
            Answer::to_logout(&here, &session.access).await.ok(200);
            let acknowledged = Instant::now();
            is_refused_after(&here, ME, &session.access, acknowledged).await;
            is_refused_after(&there, ME, &session.access, acknowledged + ELSEWHERE).await;
        }
        let expected = if works { "ok" } else { "failing" };
        until(&there, |revocations| revocations["redis"] == expected).await;
        assert_eq!(revocations(&there).await["failed_reads"], 0, "{state}: the storage's log goes on");
    }
}

/// Instances start one after the other while sessions end all the time: what was revoked before one listens, it refuses
/// from its first answer on.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_starts_while_others_write_misses_nothing() {
    let Some(storage) = Storage::postgres().await else { return };
    let writer = Arc::new(Server::start(&storage, &[]));
    let ada = registered(&writer, EMAIL).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (writer, stop) = (Arc::clone(&writer), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut ended = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let session = logged_in(&writer, EMAIL).await;
                Answer::to_logout(&writer, &session.access).await.ok(200);
                ended.push((session, Instant::now()));
            }
            ended
        })
    };
    let mut late = Vec::new();
    for _ in 0..4 {
        late.push(Server::start(&storage, &[]));
    }
    stop.store(true, Ordering::Relaxed);
    let ended = writing.await.expect("no panic");
    for server in &late {
        // All of them are in its image, so none is refused only because the storage was asked.
        until(server, |revocations| revocations["entries"] == ended.len()).await;
        for (session, acknowledged) in &ended {
            is_refused_after(server, ME, &session.access, *acknowledged + ELSEWHERE).await;
        }
        Answer::to_me(server, &ada.access).await.ok(200);
    }
}

/// REL-06: clients that hang up in the middle of a logout leave it done or not done, and every verifier of one mind.
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_logout_is_done_or_not_done_for_every_verifier() {
    for storage in [Some(Storage::sqlite()), Storage::postgres().await] {
        let Some(storage) = storage else { continue };
        let server = Server::start(&storage, &[]);
        registered(&server, EMAIL).await;
        let mut done = 0;
        for patience in 0..40_u64 {
            let session = logged_in(&server, EMAIL).await;
            Answer::to_me(&server, &session.access).await.ok(200);
            let mut client = raw::connect(&server).await.expect("a connection");
            let request = format!(
                "POST /api/v1/auth/logout HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
                 content-length: 0\r\n\r\n",
                session.access
            );
            client.write_all(request.as_bytes()).await.expect("sent");
            sleep(Duration::from_micros(patience * 100)).await; // a different moment each time
            drop(client);
            done += u32::from(verifiers_agree_that_it_ended(&server, session).await);
        }
        say(&format!("{done} of 40 aborted logouts were done"));
        let last = logged_in(&server, EMAIL).await;
        Answer::to_logout(&server, &last.access).await.ok(200);
        is_refused_after(&server, ME, &last.access, Instant::now()).await;
    }
}

/// Whether the session has ended. A logout that is still under way may end it between two looks; but all looks must come to
/// say the same.
async fn verifiers_agree_that_it_ended(server: &Server, mut session: SignedIn) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let me = server.me(&session.access).await.status();
        let refreshed = server.refresh(&session.refresh).await;
        match (me, refreshed.status()) {
            (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED) => return true,
            (StatusCode::OK, StatusCode::OK) => return false,
            (me, refresh) => {
                assert!(Instant::now() < deadline, "/me says {me} and /refresh {refresh}");
                if refresh == StatusCode::OK {
                    session.refresh = SignedIn::from_answer(refreshed, StatusCode::OK).await.refresh;
                }
            }
        }
    }
}

/// REL-14: the wall clocks of three machines are two hours apart, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_clock_is_off_by_an_hour_is_as_right_as_any_other() {
    let Some(storage) = Storage::postgres().await else { return };
    let Some(library) = faketime() else { return };
    let library = library.to_str().expect("a path");
    let right = Server::start(&storage, &[]);
    let off = ["+1h", "-1h"].map(|by| {
        let fake = [("LD_PRELOAD", library), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        Server::start(&storage, &fake)
    });
    for server in &off {
        assert!(server.printed_at_start().contains("clock of this machine differs"), "nobody was told");
    }
    let servers = [&right, &off[0], &off[1]];
    registered(&right, EMAIL).await;
    for issuer in servers {
        let session = logged_in(issuer, EMAIL).await;
        let mut refresh = session.refresh.clone();
        for verifier in servers {
            Answer::to_me(verifier, &session.access).await.ok(200);
            let refreshed = Answer::to_refresh(verifier, &refresh).await.ok(200);
            refresh = SignedIn::from_body(&refreshed.body).refresh;
        }
        Answer::to_logout(issuer, &session.access).await.ok(200);
        let acknowledged = Instant::now();
        for verifier in servers {
            is_refused_after(verifier, ME, &session.access, acknowledged + ELSEWHERE).await;
            Answer::to_refresh(verifier, &refresh).await.is(401, "token_revoked");
        }
    }
    Answer::to_login(&right, EMAIL, PASSWORD).await.ok(200);
}

/// The library that lies to a process about the time; `None` when the tester said aloud to go without.
fn faketime() -> Option<PathBuf> {
    if is_skipped("faketime") {
        return None;
    }
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let library = places.iter().map(|place| PathBuf::from(place).join("faketime/libfaketime.so.1"));
    let found = library.into_iter().find(|path| path.exists());
    Some(found.expect(
        "this test needs libfaketime: run scripts/test.sh, which installs it, or say MAESTRO_AUTH_TEST_SKIP=faketime",
    ))
}

/// What `/readyz` says of revocations.
async fn revocations(server: &Server) -> Value {
    Answer::to_get(server, "/readyz", None).await.ok(200).body["revocations"].clone()
}

/// Waits until that is as demanded.
async fn until(server: &Server, is_so: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = revocations(server).await;
        if is_so(&now) {
            return;
        }
        assert!(Instant::now() < deadline, "it never is so: {now}");
        sleep(Duration::from_millis(20)).await;
    }
}
