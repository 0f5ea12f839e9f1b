//! `GET /revocations` as a long poll.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};

use super::events::Stream;
use super::{FEED, REVOKE, a_service, cursor_of, entries_of, get_by, page};
use crate::support::bounds::ELSEWHERE;
use crate::support::{
    Answer, Client, Server, Storage, admin, claims, logged_in, patch_user, registered, service, user_id,
};

crate::endpoints::on_every_storage!(
    a_poll_is_held_until_something_is_revoked,
    a_poll_ends_when_its_wait_is_over,
    every_kind_of_revocation_is_told_with_its_end,
    what_is_no_request_for_a_page_is_refused,
    a_held_poll_does_not_keep_the_server_from_stopping,
);
mod long {
    use super::a_long_log_comes_in_pages;

    crate::endpoints::on_every_database!(a_long_log_comes_in_pages);
}

const EMAIL: &str = "ada@example.com";

/// A held poll, and when it was answered.
async fn held(server: &Server, by: &Client, cursor: &str) -> (Value, Instant) {
    let told = page(server, by, Some(cursor), 20).await;
    (told, Instant::now())
}

async fn a_poll_is_held_until_something_is_revoked(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    registered(&server, EMAIL).await;
    let mut cursor = cursor_of(&page(&server, &by, None, 0).await).to_owned();
    for _ in 0..5 {
        let ada = logged_in(&server, EMAIL).await;
        let logout = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let asked = Instant::now();
            Answer::to_logout(&server, &ada.access).await.ok(200);
            (asked, Instant::now())
        };
        let ((told, heard), (asked, acknowledged)) = tokio::join!(held(&server, &by, &cursor), logout);
        assert!(heard > asked, "told before it was");
        assert!(heard.saturating_duration_since(acknowledged) < ELSEWHERE);
        let [entry] = entries_of(&told) else { panic!("{told}") };
        assert_eq!((&entry["kind"], &entry["id"]), (&"session".into(), &claims(&ada.access)["sid"]));
        assert_eq!(told["complete"], true);
        cursor_of(&told).clone_into(&mut cursor);
    }
}

async fn a_poll_ends_when_its_wait_is_over(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let start = page(&server, &by, None, 30).await;
    assert_eq!(
        (entries_of(&start).len(), &start["complete"]),
        (0, &true.into()),
        "nobody waits for a cursor"
    );
    let asked = Instant::now();
    let told = page(&server, &by, Some(cursor_of(&start)), 2).await;
    let waited = asked.elapsed();
    assert_eq!((entries_of(&told).len(), &told["complete"]), (0, &true.into()));
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
}

async fn every_kind_of_revocation_is_told_with_its_end(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, admin) = a_service(&server).await;
    let (ada, bob) = (registered(&server, EMAIL).await, registered(&server, "bob@example.com").await);
    let start = page(&server, &by, None, 0).await;
    Answer::to_form(&server, REVOKE, &by, &[("token", &ada.access)]).await.ok(200);
    Answer::to_logout(&server, &ada.access).await.ok(200);
    let bob_id = user_id(&server, &bob).await;
    patch_user(&server, &admin, &bob_id, serde_json::json!({"roles": ["developer"]})).await.ok(200);
    let kid = crate::support::key_id(&ada.access);
    let path = format!("/api/v1/admin/keys/{kid}");
    Answer::to_json(&server, reqwest::Method::DELETE, &path, &admin.access, None).await.ok(204);

    let told = page(&server, &by, Some(cursor_of(&start)), 0).await;
    let said = claims(&ada.access);
    let find = |kind: &str, id: &Value| {
        let found = entries_of(&told).iter().find(|entry| entry["kind"] == kind && entry["id"] == *id);
        found.unwrap_or_else(|| panic!("no {kind} {id} in {told}"))
    };
    let token = find("token", &said["jti"]);
    find("session", &said["sid"]);
    find("key", &kid.into());
    let user = find("user", &bob_id.into());
    let generation = claims(&bob.access)["gen"].as_i64().expect("a generation");
    assert_eq!(user["min_gen"], generation + 1);
    for entry in entries_of(&told) {
        let until = entry["until"].as_str().expect("a time");
        assert!(until.ends_with('Z') && until.starts_with("20"), "{entry}");
    }
    assert!(token.get("min_gen").is_none(), "{token}");
    assert_eq!(told["complete"], true);
}

async fn what_is_no_request_for_a_page_is_refused(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let start = page(&server, &by, None, 0).await;
    let cursor = cursor_of(&start);
    let users =
        Answer::to_get(&server, "/api/v1/admin/users?limit=1", Some(&admin(&server).await.access)).await;
    let of_a_list = users.ok(200).body["next_cursor"].as_str().unwrap_or("bm9uZQ").to_owned();
    for query in [
        "cursor=".to_owned(),
        "cursor=0".to_owned(),
        format!("cursor={cursor}x"),
        format!("cursor={}", &cursor[1..]),
        format!("cursor={of_a_list}"),
        format!("cursor={}", "A".repeat(17_000)),
        format!("cursor={cursor}&cursor={cursor}"),
        "wait=31".to_owned(),
        "wait=-1".to_owned(),
        "wait=1.5".to_owned(),
        "wait=x".to_owned(),
        "limit=5".to_owned(),
    ] {
        get_by(&server, &by, &format!("{FEED}?{query}")).await.is(400, "malformed_request");
    }
}

async fn a_held_poll_does_not_keep_the_server_from_stopping(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let start = page(&server, &by, None, 0).await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.signal("-TERM");
        Instant::now()
    };
    let ((told, answered), stopped) = tokio::join!(held(&server, &by, cursor_of(&start)), stop);
    assert_eq!(told["complete"], true, "it is answered all the same");
    assert!(answered.saturating_duration_since(stopped) < Duration::from_secs(3));
    assert!(server.wait(Duration::from_secs(10)).success());
}

async fn a_long_log_comes_in_pages(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    server.signal("-TERM");
    assert!(server.wait(Duration::from_secs(20)).success());
    let before = 2_345;
    add_sessions(&storage, before).await;

    let server = Server::start(&storage, &[]);
    let (mut cursor, mut sizes) = (None, Vec::new());
    let mut ids = std::collections::BTreeSet::new();
    loop {
        let told = page(&server, &by, cursor.as_deref(), 0).await;
        sizes.push(entries_of(&told).len());
        ids.extend(entries_of(&told).iter().map(|entry| entry["id"].to_string()));
        cursor = Some(cursor_of(&told).to_owned());
        if told["complete"] == true {
            break;
        }
    }
    assert_eq!(sizes, [1_000, 1_000, 345]);
    assert_eq!(ids.len(), before);

    let mut stream = Stream::open(&server, &by, None).await;
    for (size, is_complete) in [(1_000, false), (1_000, false), (345, true)] {
        let told = stream.event().await.page;
        assert_eq!((entries_of(&told).len(), &told["complete"]), (size, &is_complete.into()));
    }
}

/// Blacklists so many sessions that never were.
async fn add_sessions(storage: &Storage, count: usize) {
    let url = storage.url();
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.expect("the file opens");
        let insert = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             INSERT INTO revocations (tenant_id, kind, subject, until) \
             SELECT (SELECT id FROM tenants), 2, randomblob(16), 4000000000000000 FROM n"
        );
        connection.execute(sqlx::AssertSqlSafe(insert)).await.expect("the statement runs");
        connection.close().await.expect("everything is written");
    } else {
        let mut connection = PgConnection::connect(url).await.expect("a connection");
        let insert = format!(
            "INSERT INTO revocations (tenant_id, kind, subject, until) \
             SELECT (SELECT id FROM tenants), 2, gen_random_uuid(), 4000000000000000 \
             FROM generate_series(1, {count})"
        );
        connection.execute(sqlx::AssertSqlSafe(insert)).await.expect("the statement runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_revokes_wakes_who_waits_at_the_other() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let admin = admin(&here).await;
    let by = service(&here, &admin, "projects", &[]).await;
    registered(&here, EMAIL).await;
    let mut cursor = cursor_of(&page(&here, &by, None, 0).await).to_owned();
    let mut delays = Vec::new();
    for round in 0..20 {
        let (waits, acts) = if round % 2 == 0 { (&there, &here) } else { (&here, &there) };
        let ada = logged_in(acts, EMAIL).await;
        let logout = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Answer::to_logout(acts, &ada.access).await.ok(200);
            Instant::now()
        };
        // A cursor is good at every instance.
        let ((told, heard), acknowledged) = tokio::join!(held(waits, &by, &cursor), logout);
        delays.push(heard.saturating_duration_since(acknowledged));
        assert!(
            entries_of(&told).iter().any(|entry| entry["id"] == claims(&ada.access)["sid"]),
            "round {round}: {told}"
        );
        cursor_of(&told).clone_into(&mut cursor);
    }
    delays.sort();
    crate::support::say(&format!(
        "told at the other instance after {:?}, at most {:?}",
        delays[10], delays[19]
    ));
    assert!(delays[19] < ELSEWHERE, "{delays:?}");
}
