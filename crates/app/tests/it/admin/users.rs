//! Accounts in the hands of administrators.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    NOBODY, ROLES, USERS, admin, all, ask, delete, each, get, has_role, logged_in, made, offending, patch,
    path_of, post,
};
use crate::endpoints::on_every_storage;
use crate::support::bounds::is_refused_soon;
use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage};

on_every_storage!(
    accounts_are_made_shown_changed_and_deleted,
    users_are_found_by_what_they_are,
    every_page_of_users_goes_on_where_the_one_before_ended,
    what_is_amiss_is_pointed_to,
    sec_85_a_foreign_id_is_one_that_nobody_has,
    sec_88_nobody_grants_what_they_do_not_hold,
    sec_88_nobody_touches_who_holds_more,
    a_change_ends_what_it_must_at_once,
    sec_89_the_last_active_admin_stays,
);

async fn accounts_are_made_shown_changed_and_deleted(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let body = json!({ "email": "Ada@example.com", "name": "Ada", "password": PASSWORD });
    let made = post(&server, &admin, USERS, body.clone()).await.ok(201);
    assert_eq!((&made.body["email"], &made.body["roles"]), (&json!("Ada@example.com"), &json!(["viewer"])));
    assert_eq!(made.body["permissions"], json!(["data:view", "experiment:view", "model:view"]));
    assert_eq!(made.body["last_login_at"], Value::Null, "nobody was signed in");
    post(&server, &admin, USERS, body.clone()).await.is(409, "email_taken");

    let path = format!("{USERS}/{}", made.body["user_id"].as_str().expect("an id"));
    assert_eq!(get(&server, &admin, &path).await.ok(200).body, made.body);
    let ada = logged_in(&server, "ada@example.com").await;

    let same = patch(&server, &admin, &path, json!({})).await.ok(200);
    assert_eq!(same.body["name"], "Ada");
    let changed = json!({ "name": "Countess", "roles": ["developer", "viewer"], "is_active": true });
    let changed = patch(&server, &admin, &path, changed).await.ok(200);
    assert_eq!(changed.body["name"], "Countess");
    assert_eq!(
        (&changed.body["role"], &changed.body["roles"]),
        (&json!("developer"), &json!(["developer", "viewer"]))
    );
    assert_eq!(get(&server, &admin, &path).await.ok(200).body, changed.body);

    delete(&server, &admin, &path).await.ok(204);
    is_refused_soon(&server, &ada.access).await;
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.is(401, "invalid_credentials");
    for answer in [
        get(&server, &admin, &path).await,
        delete(&server, &admin, &path).await,
        patch(&server, &admin, &path, json!({ "name": "Ada" })).await,
    ] {
        answer.is(404, "not_found");
    }
    let again = post(&server, &admin, USERS, body).await.ok(201);
    assert_ne!(again.body["user_id"], made.body["user_id"], "SEC-93: somebody new");
}

async fn users_are_found_by_what_they_are(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    made(&server, &admin, "ada.lovelace@example.com", &["developer", "viewer"]).await;
    made(&server, &admin, "100%_pure@example.com", &["viewer"]).await;
    let bob = made(&server, &admin, "bob@example.com", &["viewer"]).await;
    patch(&server, &admin, &bob, json!({ "is_active": false, "name": "Børge Ånd" })).await.ok(200);

    let (ada, pure, bob) = ("ada.lovelace@example.com", "100%_pure@example.com", "bob@example.com");
    for (query, expected) in [
        ("", vec!["admin@maestro.ml", ada, pure, bob]),
        ("query=LOVE", vec![ada]),
        ("query=b%C3%B8rge", vec![bob]),
        ("query=%C3%85ND", vec![bob]),
        ("query=%25", vec![pure]),
        ("query=_", vec![pure]),
        ("query=%27+OR+1%3D1--", vec![]),
        ("role=viewer", vec![ada, pure, bob]),
        ("role=developer", vec![ada]),
        ("role=no-such", vec![]),
        ("active=false", vec![bob]),
        ("active=true&role=viewer&query=example", vec![ada, pure]),
        ("active=false&role=developer", vec![]),
    ] {
        let found = get(&server, &admin, &format!("{USERS}?{query}")).await.ok(200);
        assert_eq!(each(&found, "email"), expected, "{query}");
        assert_eq!(found.body["next_cursor"], Value::Null, "{query}");
    }
}

async fn every_page_of_users_goes_on_where_the_one_before_ended(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let mut emails = vec!["admin@maestro.ml".to_owned()];
    for number in 0..5 {
        let email = format!("user{number}@example.com");
        made(&server, &admin, &email, &["viewer"]).await;
        emails.push(email);
    }
    for limit in [1, 2, 3, 5, 6, 7, 200] {
        assert_eq!(all(&server, &admin, USERS, limit, "email").await, emails, "{limit}");
    }
    let viewers = all(&server, &admin, &format!("{USERS}?role=viewer"), 2, "email").await;
    assert_eq!(viewers, emails[1..]);

    let of = async |path: &str| {
        let page = get(&server, &admin, &format!("{path}?limit=1")).await.ok(200);
        page.body["next_cursor"].as_str().expect("a cursor").to_owned()
    };
    let (cursor, foreign) = (of(USERS).await, of(ROLES).await);
    let flipped = if cursor.starts_with('A') { "B" } else { "A" }.to_owned() + &cursor[1..];
    for query in [
        "limit=0".to_owned(),
        "limit=201".to_owned(),
        "limit=".to_owned(),
        "offset=1".to_owned(),
        format!("cursor={flipped}"),
        format!("cursor={foreign}"),
        format!("cursor={}", &cursor[1..]),
        "cursor=".to_owned(),
    ] {
        get(&server, &admin, &format!("{USERS}?{query}")).await.is(400, "malformed_request");
    }
    // A cursor names a place, not a user: whoever it was given after may be gone.
    let first = get(&server, &admin, &format!("{USERS}?limit=2")).await.ok(200);
    let second = first.body["items"][1]["user_id"].as_str().expect("an id");
    delete(&server, &admin, &format!("{USERS}/{second}")).await.ok(204);
    let next = first.body["next_cursor"].as_str().expect("a cursor");
    let rest = get(&server, &admin, &format!("{USERS}?cursor={next}")).await.ok(200);
    assert_eq!(each(&rest, "email"), emails[2..]);
}

async fn what_is_amiss_is_pointed_to(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let ada = made(&server, &admin, "ada@example.com", &["viewer"]).await;

    let missing = post(&server, &admin, USERS, json!({})).await.is(422, "validation_failed");
    assert_eq!(
        offending(&missing),
        [("/email", "required"), ("/name", "required"), ("/password", "required")]
    );
    let account = |more: Value| {
        let mut body = json!({ "email": "bob@example.com", "name": "Bob", "password": PASSWORD });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let fifty_one: Vec<String> = (0..51).map(|number| format!("r{number}")).collect();
    for (more, pointer, code) in [
        (json!({ "roles": [] }), "/roles", "roles_empty"),
        (json!({ "roles": ["viewer", "emperor"] }), "/roles/1", "unknown_role"),
        (json!({ "roles": ["viewer", "viewer"] }), "/roles/1", "repeated"),
        (json!({ "roles": ["Viewer"] }), "/roles/0", "role_invalid"),
        (json!({ "roles": "viewer" }), "/roles", "invalid_type"),
        (json!({ "roles": fifty_one }), "/roles", "too_many_items"),
        (json!({ "invite": true }), "/invite", "unknown_field"),
        (json!({ "is_active": false }), "/is_active", "unknown_field"),
    ] {
        let refused = post(&server, &admin, USERS, account(more)).await.is(422, "validation_failed");
        assert_eq!(offending(&refused), [(pointer, code)]);
    }
    for (change, pointer, code) in [
        (json!({ "name": null }), "/name", "invalid_type"),
        (json!({ "roles": null }), "/roles", "invalid_type"),
        (json!({ "is_active": null }), "/is_active", "invalid_type"),
        (json!({ "roles": ["emperor"] }), "/roles/0", "unknown_role"),
        (json!({ "roles": [] }), "/roles", "roles_empty"),
        (json!({ "email": "eve@example.com" }), "/email", "unknown_field"),
        (json!({ "password": PASSWORD }), "/password", "unknown_field"),
        (json!({ "permissions": ["system:admin"] }), "/permissions", "unknown_field"),
    ] {
        let refused = patch(&server, &admin, &ada, change).await.is(422, "validation_failed");
        assert_eq!(offending(&refused), [(pointer, code)]);
    }
    assert_eq!(all(&server, &admin, USERS, 50, "email").await, ["admin@maestro.ml", "ada@example.com"]);
}

async fn sec_85_a_foreign_id_is_one_that_nobody_has(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let mut details = Vec::new();
    for id in [NOBODY, "1", "me", "admin@maestro.ml", "%00", "{019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a}"] {
        let path = format!("{USERS}/{id}");
        for (method, path, body) in [
            (Method::GET, path.clone(), None),
            (Method::PATCH, path.clone(), Some(json!({ "name": "Eve" }))),
            (Method::DELETE, path.clone(), None),
            (Method::POST, format!("{path}/end-sessions"), None),
        ] {
            let answer = ask(&server, &admin, method, &path, body).await.is(404, "not_found");
            details.push(answer.body["detail"].clone());
        }
    }
    details.dedup();
    assert_eq!(details, ["There is no such user."]);
}

/// A manager of accounts who is nothing else: what it holds beside that is a viewer's.
async fn manager(server: &Server, admin: &SignedIn) -> SignedIn {
    let permissions = ["user:create", "user:delete", "user:update", "user:view"];
    has_role(server, admin, "manager", &permissions, &["viewer"]).await;
    made(server, admin, "mia@example.com", &["manager"]).await;
    logged_in(server, "mia@example.com").await
}

async fn sec_88_nobody_grants_what_they_do_not_hold(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let manager = manager(&server, &admin).await;
    let friend = made(&server, &manager, "bob@example.com", &["viewer"]).await;
    let own = path_of(&server, &manager).await;

    for (roles, missing) in [
        (json!(["admin"]), "system:admin"),
        (json!(["viewer", "admin"]), "system:admin"),
        (json!(["ml_engineer"]), "experiment:create"),
    ] {
        let detail = format!("The permission {missing} is missing.");
        let body = json!({ "email": "eve@example.com", "name": "Eve", "password": PASSWORD, "roles": roles });
        let refused = post(&server, &manager, USERS, body).await.is(403, "forbidden");
        assert_eq!(refused.body["detail"], detail);
        for path in [&own, &friend] {
            let refused =
                patch(&server, &manager, path, json!({ "roles": roles })).await.is(403, "forbidden");
            assert_eq!(refused.body["detail"], detail);
        }
    }
    let roles = get(&server, &admin, &friend).await.ok(200);
    assert_eq!(roles.body["roles"], json!(["viewer"]), "nothing was changed");
    Answer::to_login(&server, "eve@example.com", PASSWORD).await.is(401, "invalid_credentials");

    // What it holds, it may give.
    patch(&server, &manager, &friend, json!({ "roles": ["manager"] })).await.ok(200);
}

async fn sec_88_nobody_touches_who_holds_more(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let manager = manager(&server, &admin).await;
    let ada = made(&server, &admin, "ada@example.com", &["ml_engineer"]).await;
    let her = logged_in(&server, "ada@example.com").await;
    let chief = path_of(&server, &admin).await;

    for path in [&ada, &chief] {
        get(&server, &manager, path).await.ok(200);
        for change in
            [json!({ "name": "Eve" }), json!({ "is_active": false }), json!({ "roles": ["viewer"] })]
        {
            patch(&server, &manager, path, change).await.is(403, "forbidden");
        }
        delete(&server, &manager, path).await.is(403, "forbidden");
        ask(&server, &manager, Method::POST, &format!("{path}/end-sessions"), None)
            .await
            .is(403, "forbidden");
    }
    Answer::to_me(&server, &her.access).await.ok(200);
    assert_eq!(get(&server, &admin, &ada).await.ok(200).body["name"], "Test User");
}

/// Every cause with what dies of it (api.md section 8).
async fn a_change_ends_what_it_must_at_once(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let path = made(&server, &admin, "ada@example.com", &["admin"]).await;
    let ada = logged_in(&server, "ada@example.com").await;
    get(&server, &ada, USERS).await.ok(200);

    // A new name ends nothing; other roles end older access tokens, and no session.
    patch(&server, &admin, &path, json!({ "name": "Ada" })).await.ok(200);
    get(&server, &ada, USERS).await.ok(200);
    patch(&server, &admin, &path, json!({ "roles": ["viewer"] })).await.ok(200);
    get(&server, &ada, USERS).await.is(401, "token_revoked");
    let ada = SignedIn::from_body(&Answer::to_refresh(&server, &ada.refresh).await.ok(200).body);
    get(&server, &ada, USERS).await.is(403, "forbidden");

    ask(&server, &admin, Method::POST, &format!("{path}/end-sessions"), None).await.ok(204);
    Answer::to_me(&server, &ada.access).await.is(401, "token_revoked");
    Answer::to_refresh(&server, &ada.refresh).await.is(401, "token_revoked");
    let ada = logged_in(&server, "ada@example.com").await;

    patch(&server, &admin, &path, json!({ "is_active": false })).await.ok(200);
    Answer::to_me(&server, &ada.access).await.is(401, "token_revoked");
    Answer::to_refresh(&server, &ada.refresh).await.is(401, "token_revoked");
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.is(401, "invalid_credentials");
    patch(&server, &admin, &path, json!({ "is_active": true })).await.ok(200);
    Answer::to_me(&server, &ada.access).await.is(401, "token_revoked");
    logged_in(&server, "ada@example.com").await;
}

async fn sec_89_the_last_active_admin_stays(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let chief = admin(&server).await;
    let own = path_of(&server, &chief).await;
    let other = made(&server, &chief, "ada@example.com", &["admin"]).await;
    patch(&server, &chief, &other, json!({ "is_active": false })).await.ok(200);

    // An inactive admin does not count.
    patch(&server, &chief, &own, json!({ "roles": ["viewer"] })).await.is(409, "last_admin");
    patch(&server, &chief, &own, json!({ "is_active": false })).await.is(409, "last_admin");
    delete(&server, &chief, &own).await.is(409, "last_admin");
    patch(&server, &chief, &own, json!({ "roles": ["viewer", "admin"] })).await.ok(200);

    let chief = admin(&server).await;
    patch(&server, &chief, &other, json!({ "is_active": true })).await.ok(200);
    delete(&server, &chief, &own).await.ok(204);
    Answer::to_me(&server, &chief.access).await.is(401, "token_revoked");
}

/// SEC-87: what one instance changes, the other one acts by within the bound.
#[tokio::test(flavor = "multi_thread")]
async fn sec_87_a_demotion_holds_on_the_other_instance_within_a_second() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let admin = admin(&here).await;
    let path = made(&here, &admin, "ada@example.com", &["admin"]).await;
    let mut ada = logged_in(&there, "ada@example.com").await;
    for _ in 0..10 {
        get(&there, &ada, USERS).await.ok(200);
        patch(&here, &admin, &path, json!({ "roles": ["viewer"] })).await.ok(200);
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            let asked = Instant::now();
            let answer = get(&there, &ada, USERS).await;
            if answer.status == 401 {
                answer.is(401, "token_revoked");
                break;
            }
            answer.ok(200);
            assert!(asked < deadline, "a demoted admin administrates on past the bound");
        }
        let renewed = Answer::to_refresh(&there, &ada.refresh).await.ok(200);
        ada = SignedIn::from_body(&renewed.body);
        get(&there, &ada, USERS).await.is(403, "forbidden");
        patch(&here, &admin, &path, json!({ "roles": ["admin"] })).await.ok(200);
        let renewed = Answer::to_refresh(&there, &ada.refresh).await.ok(200);
        ada = SignedIn::from_body(&renewed.body);
    }
}
