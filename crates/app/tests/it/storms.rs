//! Far more logins than the machine can hash (REL-30, REL-31, REL-34): memory stays bounded, everybody gets an answer, and
//! nobody else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::support::raw::{self, RawAnswer};
use crate::support::{PASSWORD, Server, Storage, allow_open_files, logged_in, memory_mib, registered, say};

const LOGINS: usize = 2_000;
const LANES: u32 = 2;
/// The memory of one argon2id hash with the default parameters.
const LANE_MIB: f64 = 19.0;
/// How long a probe may take while the storm rages, and how long any login.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const LOGIN_LIMIT: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_concurrent_logins_stay_within_memory_and_nobody_else_notices() {
    allow_open_files(2 * LOGINS as u64 + 500); // the server inherits the limit
    let storage = Storage::sqlite_alone();
    drop(Server::start(&storage, &[])); // hashes the password of the first admin, so that the next start hashes nothing
    let server = Arc::new(Server::start(&storage, &[("MAESTRO_AUTH__HASHING__LANES", &LANES.to_string())]));
    let idle = memory_mib(server.pid(), "VmRSS");
    let user = registered(&server, "ada@example.com").await;

    let raging = Arc::new(AtomicBool::new(true));
    let probes = [raw::get("/livez", None), raw::get("/api/v1/auth/me", Some(&user.access))].map(|request| {
        let (server, raging) = (server.clone(), raging.clone());
        tokio::spawn(async move { probe(&server, &request, &raging).await })
    });
    let answers = login_storm(&server).await;
    raging.store(false, Ordering::SeqCst);
    for probe in probes {
        let answered = probe.await.expect("every probe is answered with 200 in time");
        assert!(answered > 1, "{answered} probes during the storm");
    }

    let (signed_in, shed): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    say(&format!("{} logins at once: {} signed in, {} shed", answers.len(), signed_in.len(), shed.len()));
    assert_eq!(answers.len(), LOGINS);
    assert!(!signed_in.is_empty(), "the lanes worked on");
    for answer in shed {
        // On a crowded machine the look-up of the account may be what comes too late, before there is anything to hash.
        let code = answer.code();
        assert!(
            answer.status == 503 && ["overloaded", "storage_unavailable"].contains(&code.as_str()),
            "{code}"
        );
        let wait: u32 = answer.header("retry-after").expect("a Retry-After").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "Retry-After: {wait}");
    }

    let peak = memory_mib(server.pid(), "VmHWM");
    let bound = idle + f64::from(LANES) * LANE_MIB + 64.0;
    say(&format!("resident: {idle:.1} MiB idle, {peak:.1} at most in the storm, bound {bound:.1}"));
    assert!(
        peak <= bound,
        "resident memory went to {peak:.1} MiB over an idle {idle:.1}; the bound is {bound:.1}"
    );
    assert_eq!(server.login("ada@example.com", PASSWORD).await.status(), StatusCode::OK, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn rel_34_aborted_logins_leave_nothing_behind() {
    allow_open_files(2_000);
    let storage = Storage::sqlite_alone();
    let server = Server::start(&storage, &[]);
    registered(&server, "ada@example.com").await;

    let login =
        raw::post_json("/api/v1/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD }));
    for _ in 0..5 {
        let mut abandoned = Vec::new();
        for _ in 0..100 {
            let mut stream = raw::connect(&server).await.expect("a connection");
            stream.write_all(&login).await.expect("the request is sent");
            stream.set_zero_linger().expect("an abort instead of a goodbye");
            abandoned.push(stream);
        }
    }

    logged_in(&server, "ada@example.com").await;
    assert_eq!(
        server.login("ada@example.com", PASSWORD).await.status(),
        StatusCode::OK,
        "and at once from then on"
    );
}

/// All at once, each on a connection of its own.
async fn login_storm(server: &Arc<Server>) -> Vec<RawAnswer> {
    let login =
        raw::post_json("/api/v1/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD }));
    let login: Arc<[u8]> = login.into();
    let mut clients = JoinSet::new();
    for _ in 0..LOGINS {
        let (server, login) = (server.clone(), login.clone());
        clients.spawn(async move { raw::exchange(&server, &login, LOGIN_LIMIT).await });
    }
    clients.join_all().await.into_iter().map(|answer| answer.expect("every login is answered")).collect()
}

/// Asks again and again, and says how often it was answered.
async fn probe(server: &Server, request: &[u8], raging: &AtomicBool) -> usize {
    let mut answered = 0;
    while raging.load(Ordering::SeqCst) {
        let answer = raw::exchange(server, request, PROBE_LIMIT).await.expect("an answer in time");
        assert_eq!(answer.status, 200);
        answered += 1;
    }
    answered
}
