//! Who owns the database can change it, and is found out.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Error};

use super::{failed_login, read_csv, read_jsonl};
use crate::admin::NOBODY;
use crate::endpoints::on_every_database;
use crate::support::{Answer, PASSWORD, Server, Storage, operate, operated, refused};

on_every_database!(
    what_was_told_before_a_stop_is_in_the_trail,
    sec_118_a_trail_that_nobody_touched_is_sound,
    sec_118_the_storage_refuses_to_change_the_trail,
    sec_118_a_changed_entry_is_named,
    sec_118_an_entry_that_can_not_be_read_is_named_and_hides_no_other,
    sec_118_a_trail_is_looked_at_though_nothing_can_be_linked,
    sec_118_a_deleted_and_an_added_entry_are_named,
    sec_118_a_chain_that_was_cut_off_is_not_the_expected_one,
);

async fn what_was_told_before_a_stop_is_in_the_trail(storage: Storage) {
    let server = Server::start(&storage, &[]);
    failed_login(&server, "nobody@example.com", "a browser").await;
    failed_login(&server, "nobody@example.com", "a browser").await;
    server.signal("-TERM");
    assert_eq!(server.wait(Duration::from_secs(30)).code(), Some(0));
    let exported = read_jsonl(&operated(&storage, &["audit", "export", "--action", "login.failed"], ""));
    assert_eq!(exported.len(), 2);
    assert_eq!(exported[0]["details"]["repeated"], "1");
}

/// A storage with a trail of a few entries and no server; and the ids of the entries, the oldest first.
async fn written(storage: &Storage) -> Vec<String> {
    let server = Server::start(storage, &[]);
    for number in 0..4 {
        Answer::to_register(&server, &format!("user{number}@example.com"), PASSWORD).await.ok(201);
    }
    server.signal("-TERM");
    assert_eq!(server.wait(Duration::from_secs(30)).code(), Some(0));
    let exported = operated(storage, &["audit", "export", "--action", "user.registered"], "");
    let ids = read_jsonl(&exported);
    ids.iter().rev().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect()
}

/// What `audit verify` prints, and with which line it fails.
fn verified(storage: &Storage, expected: Option<&str>) -> (String, Option<String>) {
    let mut arguments = vec!["audit", "verify"];
    arguments.extend(expected.into_iter().flat_map(|place| ["--expect", place]));
    let output = operate(storage, &[], &arguments, "");
    let failed = (!output.status.success()).then(|| String::from_utf8(output.stderr).expect("text"));
    (String::from_utf8(output.stdout).expect("text"), failed)
}

fn last_link(printed: &str) -> String {
    let link = printed.lines().find_map(|line| line.strip_prefix("last link: "));
    link.unwrap_or_else(|| panic!("no last link: {printed}")).to_owned()
}

/// Does this to the database as its owner, beside the server.
async fn tamper(storage: &Storage, postgres: &'static str, sqlite: &'static str) -> Result<(), Error> {
    if storage.url().starts_with("postgres") {
        let mut connection = PgConnection::connect(storage.url()).await?;
        sqlx::raw_sql(postgres).execute(&mut connection).await.map(drop)
    } else {
        let mut connection = SqliteConnection::connect(storage.url()).await?;
        let done = sqlx::raw_sql(sqlite).execute(&mut connection).await;
        connection.close().await?;
        done.map(drop)
    }
}

/// Takes away what keeps the trail as it is, as its owner can.
async fn without_triggers(storage: &Storage) {
    let done = tamper(
        storage,
        "DROP TRIGGER audit_entries_stay ON audit_entries; DROP TRIGGER audit_links_stay ON audit_links; \
         DROP TRIGGER audit_entries_queue ON audit_entries;",
        "DROP TRIGGER audit_entries_stay; DROP TRIGGER audit_entries_stay_as_they_are; \
         DROP TRIGGER audit_links_stay; DROP TRIGGER audit_links_stay_as_they_are; DROP TRIGGER audit_entries_queue;",
    );
    done.await.expect("an owner may do it");
}

async fn sec_118_a_trail_that_nobody_touched_is_sound(storage: Storage) {
    let ids = written(&storage).await;
    assert_eq!(ids.len(), 4);
    let (first, failed) = verified(&storage, None);
    assert_eq!(failed, None, "{first}");
    let link = last_link(&first);
    let server = Server::start(&storage, &[]);
    Answer::to_register(&server, "more@example.com", PASSWORD).await.ok(201);
    if storage.url().starts_with("postgres") {
        assert_eq!(verified(&storage, Some(&link)).1, None, "beside a running server");
    }
    server.kill();
    let (second, failed) = verified(&storage, Some(&link));
    assert_eq!(failed, None, "{second}");
    assert_ne!(last_link(&second), link);
    let wrong = format!("{}:{}", link.split(':').next().expect("a position"), "0".repeat(64));
    assert!(verified(&storage, Some(&wrong)).1.expect("a failure").contains("expected"));
    assert_eq!(operate(&storage, &[], &["audit", "verify", "--expect", "1"], "").status.code(), Some(2));
    let unknown = operate(&storage, &[], &["audit", "export", "--action", "login"], "");
    assert_eq!(unknown.status.code(), Some(2));
    let csv = operated(&storage, &["audit", "export", "--format", "csv", "--action", "user.registered"], "");
    assert_eq!(read_csv(&csv).len(), 5);
    let exported = read_jsonl(&operated(&storage, &["audit", "export", "--action", "audit.exported"], ""));
    assert!(exported.iter().all(|entry| entry["actor"] == "operator" && entry["address"].is_null()));
    assert_eq!(exported.len(), 3);
}

async fn sec_118_the_storage_refuses_to_change_the_trail(storage: Storage) {
    written(&storage).await;
    for statement in [
        "UPDATE audit_entries SET action = 'user.created'",
        "DELETE FROM audit_entries",
        "UPDATE audit_links SET position = position + 100",
        "DELETE FROM audit_links",
    ] {
        let refused = tamper(&storage, statement, statement).await.expect_err(statement);
        assert!(refused.to_string().contains("append-only"), "{statement}: {refused}");
    }
    assert_eq!(verified(&storage, None).1, None);
}

async fn sec_118_a_changed_entry_is_named(storage: Storage) {
    let ids = written(&storage).await;
    verified(&storage, None);
    without_triggers(&storage).await;
    let change = "UPDATE audit_entries SET outcome = 'failure' WHERE id = \
                  (SELECT id FROM audit_entries WHERE action = 'user.registered' ORDER BY id LIMIT 1)";
    tamper(&storage, change, change).await.expect("nothing stops the owner now");
    let (printed, failed) = verified(&storage, None);
    assert!(failed.expect("a failure").contains("faults found: 1"), "{printed}");
    assert!(printed.contains(&format!("changed: entry {}", ids[0])), "{printed}");
    assert_eq!(printed.matches("entry ").count(), 1, "{printed}");
}

async fn sec_118_an_entry_that_can_not_be_read_is_named_and_hides_no_other(storage: Storage) {
    let ids = written(&storage).await;
    without_triggers(&storage).await;
    let of_entry = |index: usize| {
        format!(
            "WHERE at = (SELECT at FROM audit_entries WHERE action = 'user.registered' ORDER BY id LIMIT 1 OFFSET {index})"
        )
    };
    // The first hangs on the chain by now or not; both are seen.
    let details = format!("UPDATE audit_entries SET details = 'no JSON' {}", of_entry(1)).leak();
    tamper(&storage, details, details).await.expect("nothing stops the owner now");
    verified(&storage, None);
    let user = format!("UPDATE audit_entries SET subject_user = NULL {}", of_entry(0)).leak();
    tamper(&storage, user, user).await.expect("nothing stops the owner now");
    let (printed, failed) = verified(&storage, None);
    assert!(failed.expect("a failure").contains("faults found: 2"), "{printed}");
    assert!(printed.contains(&format!("changed: entry {}", ids[0])), "{printed}");
    assert!(printed.contains(&format!("unreadable: entry {}", ids[1])), "{printed}");
    let exported = read_jsonl(&operated(&storage, &["audit", "export", "--action", "user.registered"], ""));
    let exported: Vec<&str> = exported.iter().map(|entry| entry["id"].as_str().expect("an id")).collect();
    assert_eq!(exported, [&*ids[3], &ids[2], &ids[0]]);
}

async fn sec_118_a_trail_is_looked_at_though_nothing_can_be_linked(storage: Storage) {
    written(&storage).await;
    let done = tamper(
        &storage,
        "ALTER TABLE audit_links ADD CONSTRAINT refuse CHECK (FALSE) NOT VALID",
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_links BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    done.await.expect("an owner may do it");
    operated(&storage, &["audit", "export"], ""); // tells of itself, so one entry waits
    let (printed, failed) = verified(&storage, None);
    assert!(printed.contains("last link: "), "{printed}");
    assert!(!printed.contains("entries that wait for it: 0"), "{printed}");
    let not_laid = "the chain was not laid over the latest entries";
    assert!(printed.contains(not_laid), "{printed}");
    assert!(failed.expect("a failure").contains(not_laid), "{printed}");
}

async fn sec_118_a_deleted_and_an_added_entry_are_named(storage: Storage) {
    let ids = written(&storage).await;
    verified(&storage, None);
    without_triggers(&storage).await;
    let delete = "DELETE FROM audit_entries WHERE id = \
                  (SELECT id FROM audit_entries WHERE action = 'user.registered' ORDER BY id LIMIT 1)";
    tamper(&storage, delete, delete).await.expect("nothing stops the owner now");
    let add = |new_id: &str| {
        format!(
            "INSERT INTO audit_entries (id, tenant_id, at, action, outcome, actor, details) \
             SELECT {new_id}, tenant_id, at, action, outcome, actor, details FROM audit_entries LIMIT 1"
        )
    };
    let (postgres, sqlite) =
        (add(&format!("'{NOBODY}'::uuid")), add(&format!("X'{}'", NOBODY.replace('-', ""))));
    tamper(&storage, postgres.leak(), sqlite.leak()).await.expect("nothing stops the owner now");
    let (printed, failed) = verified(&storage, None);
    assert!(failed.expect("a failure").contains("faults found: 2"), "{printed}");
    assert!(printed.contains(&format!("deleted: entry {}", ids[0])), "{printed}");
    assert!(printed.contains(&format!("not by the server: entry {NOBODY}")), "{printed}");
}

async fn sec_118_a_chain_that_was_cut_off_is_not_the_expected_one(storage: Storage) {
    written(&storage).await;
    let head = last_link(&verified(&storage, None).0);
    without_triggers(&storage).await;
    let cut = "DELETE FROM audit_entries WHERE id IN (SELECT entry_id FROM audit_links ORDER BY position DESC LIMIT 3); \
               DELETE FROM audit_links WHERE NOT EXISTS (SELECT 1 FROM audit_entries WHERE id = entry_id);";
    tamper(&storage, cut, cut).await.expect("nothing stops the owner now");
    assert_eq!(verified(&storage, None).1, None, "what is left is sound by itself");
    let (exit, line) = refused(&storage, &[], &["audit", "verify", "--expect", &head], "");
    assert_eq!(exit, 1);
    assert!(line.contains("expected link"), "{line}");
}
