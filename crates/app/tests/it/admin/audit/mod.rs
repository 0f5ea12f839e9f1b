//! The audit trail in the hands of administrators and operators (SEC-118, SEC-119).

mod records;
mod tampering;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use self::records::{read_csv, read_jsonl};
use super::{NOBODY, admin, all, get, logged_in, made};
use crate::endpoints::on_every_storage;
use crate::support::{Answer, Server, SignedIn, Storage};

on_every_storage!(
    the_trail_tells_who_did_what_from_where,
    filters_and_pages_show_each_entry_once,
    what_is_amiss_with_a_filter_is_said,
    an_export_gives_out_the_whole_trail_in_both_formats,
    sec_119_an_export_holds_no_formula_and_one_line_per_entry,
);

const AUDIT: &str = "/api/v1/admin/audit";
const EXPORT: &str = "/api/v1/admin/audit/export";

/// The entries that the filter shows, once there are so many. What changes nothing is in the trail soon, but not at once.
async fn entries(server: &Server, by: &SignedIn, filter: &str, count: usize) -> Vec<Value> {
    for _ in 0..100 {
        let page = get(server, by, &format!("{AUDIT}?limit=200&{filter}")).await.ok(200);
        let items = page.body["items"].as_array().expect("items");
        if items.len() >= count {
            assert_eq!(items.len(), count, "{filter}: {items:#?}");
            return items.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the trail never shows {count} entries of {filter}");
}

async fn failed_login(server: &Server, email: &str, agent: &str) -> Answer {
    let body = json!({ "email": email, "password": "not the password" });
    let answer = Answer::to(server, Method::POST, "/api/v1/auth/login", |request| {
        request.header("user-agent", agent).json(&body)
    });
    answer.await.is(401, "invalid_credentials")
}

/// The id at the end of a path.
fn id(path: &str) -> &str {
    path.rsplit('/').next().expect("an id")
}

async fn the_trail_tells_who_did_what_from_where(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let path = made(&server, &admin, "ada@example.com", &["viewer"]).await;
    let ada = logged_in(&server, "ada@example.com").await;
    let failed = failed_login(&server, "ada@example.com", "a browser").await;

    let [entry] = &entries(&server, &admin, "action=login.failed", 1).await[..] else { panic!("one") };
    let names: Vec<&String> = entry.as_object().expect("an object").keys().collect();
    assert_eq!(
        names,
        [
            "action",
            "actor",
            "address",
            "at",
            "details",
            "id",
            "outcome",
            "request_id",
            "subject",
            "user_agent"
        ]
    );
    for (name, value) in [
        ("outcome", "failure"),
        ("actor", "anonymous"),
        ("subject", &format!("user:{}", id(&path))),
        ("address", "127.0.0.1"),
        ("user_agent", "a browser"),
        ("request_id", failed.header("x-request-id").expect("an id")),
    ] {
        assert_eq!(entry[name], value, "{name}");
    }
    assert!(entry["details"].as_object().expect("an object").is_empty());

    let created =
        &entries(&server, &admin, &format!("action=user.created&user_id={}", id(&path)), 1).await[0];
    assert_eq!((&created["subject"], &created["details"]["roles"]), (&entry["subject"], &"viewer".into()));
    assert_eq!(created["request_id"].as_str().map(str::is_empty), Some(false));

    get(&server, &ada, AUDIT).await.is(403, "forbidden");
    get(&server, &ada, EXPORT).await.is(403, "forbidden");
    let denied = &entries(&server, &admin, "action=access.denied", 1).await[0];
    assert_eq!((&denied["outcome"], &denied["actor"]), (&"denied".into(), &entry["subject"]));
    assert_eq!(denied["details"]["permission"], "audit:view");
}

async fn filters_and_pages_show_each_entry_once(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let ada = made(&server, &admin, "ada@example.com", &["viewer"]).await;
    let ida = made(&server, &admin, "ida@example.com", &["viewer"]).await;
    for _ in 0..5 {
        for email in ["ada@example.com", "ida@example.com"] {
            logged_in(&server, email).await;
        }
    }
    let path = format!("{AUDIT}?action=login.succeeded&user_id={}", id(&ada));
    let whole = all(&server, &admin, &path, 200, "id").await;
    assert_eq!(whole.len(), 5);
    assert!(whole.is_sorted_by(|newer, older| newer > older), "the newest come first");
    for limit in [1, 2, 5, 6] {
        assert_eq!(all(&server, &admin, &path, limit, "id").await, whole);
    }
    let other = format!("{AUDIT}?action=login.succeeded&user_id={}", id(&ida));
    assert_eq!(all(&server, &admin, &other, 3, "id").await.len(), 5);
    assert_eq!(entries(&server, &admin, &format!("user_id={NOBODY}"), 0).await, Vec::<Value>::new());

    let times = all(&server, &admin, &path, 200, "at").await;
    let third = times[2].replace(':', "%3A");
    let since = all(&server, &admin, &format!("{path}&since={third}"), 2, "at").await;
    let until = all(&server, &admin, &format!("{path}&until={third}"), 2, "at").await;
    assert_eq!([&since[..], &until].concat(), times, "from that time on, and before it");
    assert!(since.contains(&times[2]));
}

async fn what_is_amiss_with_a_filter_is_said(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let page = get(&server, &admin, "/api/v1/admin/roles?limit=1").await.ok(200);
    let foreign = page.body["next_cursor"].as_str().expect("there are more roles");
    for (query, names) in [
        ("action=login", "action"),
        ("action=", "action"),
        ("user_id=ada", "user_id"),
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
    ] {
        for path in [AUDIT, EXPORT] {
            let answer = get(&server, &admin, &format!("{path}?{query}")).await.is(400, "malformed_request");
            assert!(answer.body["detail"].as_str().expect("a detail").contains(names), "{query}");
        }
    }
    for query in ["limit=0", "limit=201", "cursor=x", "actoin=login.failed", &format!("cursor={foreign}")] {
        get(&server, &admin, &format!("{AUDIT}?{query}")).await.is(400, "malformed_request");
    }
    for query in ["format=xml", "format=", "limit=10", "cursor=x"] {
        get(&server, &admin, &format!("{EXPORT}?{query}")).await.is(400, "malformed_request");
    }
}

async fn an_export_gives_out_the_whole_trail_in_both_formats(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let ada = made(&server, &admin, "ada@example.com", &["viewer"]).await;
    for _ in 0..3 {
        logged_in(&server, "ada@example.com").await;
    }
    let filter = format!("user_id={}", id(&ada));
    let shown = entries(&server, &admin, &filter, 4).await;

    for (query, media_type, name) in [
        (filter.clone(), "application/x-ndjson", "audit.jsonl"),
        (format!("format=jsonl&{filter}"), "application/x-ndjson", "audit.jsonl"),
        (format!("format=csv&{filter}"), "text/csv; charset=utf-8", "audit.csv"),
    ] {
        let answer = get(&server, &admin, &format!("{EXPORT}?{query}&action=login.succeeded")).await.ok(200);
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert_eq!(
            answer.header("content-disposition"),
            Some(&*format!("attachment; filename=\"{name}\"")),
            "{query}"
        );
        if name == "audit.jsonl" {
            assert_eq!(read_jsonl(&answer.text), shown[..3]);
        } else {
            let records = read_csv(&answer.text);
            assert_eq!(records.len(), 3);
            for (record, shown) in records.iter().zip(&shown) {
                for text in ["id", "at", "action", "outcome", "actor", "subject", "address", "request_id"] {
                    assert_eq!(shown[text], record[text].as_str(), "{text}");
                }
                let details: Value = serde_json::from_str(&record["details"]).expect("JSON");
                assert_eq!(details, shown["details"]);
            }
        }
    }
    let told = entries(&server, &admin, "action=audit.exported", 3).await;
    assert_eq!(told[0]["subject"], format!("user:{}", id(&ada)));
    let nothing = get(&server, &admin, &format!("{EXPORT}?format=csv&user_id={NOBODY}")).await.ok(200);
    assert_eq!(read_csv(&nothing.text).len(), 1, "the export itself concerns that user");
    let head = Answer::to(&server, Method::HEAD, EXPORT, |request| request.bearer_auth(&admin.access)).await;
    assert_eq!(head.ok(200).text, "");
}

async fn sec_119_an_export_holds_no_formula_and_one_line_per_entry(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let agents = [
        "=HYPERLINK(\"http://evil.example\",\"x\")",
        "+1",
        "-1+1",
        "@SUM(A1:A9)",
        "\t=1",
        " =1",
        "a \"quoted\", b; c",
    ];
    for agent in agents {
        // Whoever asks without a token changes nothing, and everybody is told of by their own address, so each logs in.
        let body = json!({ "email": "admin@maestro.ml", "password": "admin123" });
        let login = Answer::to(&server, Method::POST, "/api/v1/auth/login", |request| {
            request.header("user-agent", agent).header("x-request-id", "-2").json(&body)
        });
        login.await.ok(200);
    }
    let shown = entries(&server, &admin, "action=login.succeeded", agents.len() + 1).await;
    let csv = get(&server, &admin, &format!("{EXPORT}?format=csv&action=login.succeeded")).await.ok(200);
    assert_eq!(csv.text.lines().count(), shown.len() + 1, "one line per entry, and one of names");
    let records = read_csv(&csv.text);
    for record in &records {
        for value in record.values() {
            assert!(!value.trim_start().starts_with(['=', '+', '-', '@']), "{value:?}");
        }
    }
    // The storages keep them as they came in, but for what HTTP takes away around a value.
    let kept: Vec<&str> = records[..agents.len()].iter().rev().map(|record| &*record["user_agent"]).collect();
    for (kept, agent) in kept.iter().zip(agents) {
        assert_eq!(kept.trim_start_matches('\''), agent.trim(), "{kept}");
    }
    assert!(records[..agents.len()].iter().all(|record| record["request_id"] == "'-2"));
    let jsonl = get(&server, &admin, &format!("{EXPORT}?action=login.succeeded")).await.ok(200);
    assert_eq!(read_jsonl(&jsonl.text)[agents.len() - 1]["user_agent"], agents[0]);
}
