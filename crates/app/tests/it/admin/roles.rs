//! Roles and permissions in the hands of administrators.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    PERMISSIONS, ROLES, USERS, admin, all, delete, get, has_role, logged_in, made, offending, patch, put,
};
use crate::endpoints::on_every_storage;
use crate::support::{Answer, Server, SignedIn, Storage};

on_every_storage!(
    roles_are_made_replaced_and_deleted,
    roles_inherit_and_never_from_themselves,
    what_is_in_use_or_built_in_stays,
    what_is_amiss_with_a_role_is_pointed_to,
    roles_and_permissions_are_listed_by_name,
    a_redefinition_holds_at_once_for_who_has_the_role,
    sec_88_nobody_defines_what_they_do_not_hold,
);

fn role(name: &str) -> String {
    format!("{ROLES}/{name}")
}

fn permission(name: &str) -> String {
    format!("{PERMISSIONS}/{name}")
}

/// Whether a gateway would let the user through.
async fn may(server: &Server, user: &SignedIn, permission: &str) -> u16 {
    let path = format!("/api/v1/auth/verify?permission={permission}");
    Answer::to_get(server, &path, Some(&user.access)).await.status
}

async fn roles_are_made_replaced_and_deleted(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let made =
        put(&server, &admin, &permission("report:publish"), json!({ "description": "Publish." })).await;
    let expected = json!({ "name": "report:publish", "description": "Publish.", "built_in": false });
    assert_eq!(made.ok(201).body, expected);
    put(&server, &admin, &permission("report:publish"), json!({})).await.ok(200);

    let path = role("editor");
    get(&server, &admin, &path).await.is(404, "not_found");
    let body = json!({ "description": "Edits.", "permissions": ["report:publish", "data:view"], "inherits": ["viewer"] });
    let made = put(&server, &admin, &path, body).await.ok(201);
    let expected = json!({
        "name": "editor", "description": "Edits.", "permissions": ["data:view", "report:publish"],
        "inherits": ["viewer"], "built_in": false,
    });
    assert_eq!(made.body, expected);
    assert_eq!(get(&server, &admin, &path).await.ok(200).body, expected);

    let replaced = put(&server, &admin, &path, json!({ "permissions": ["report:publish"] })).await.ok(200);
    let expected = json!({
        "name": "editor", "description": "", "permissions": ["report:publish"], "inherits": [], "built_in": false,
    });
    assert_eq!(replaced.body, expected, "a role is replaced as a whole");

    delete(&server, &admin, &path).await.ok(204);
    for answer in [get(&server, &admin, &path).await, delete(&server, &admin, &path).await] {
        assert_eq!(answer.is(404, "not_found").body["detail"], "There is no such role.");
    }
    delete(&server, &admin, &permission("report:publish")).await.ok(204);
    delete(&server, &admin, &permission("report:publish")).await.is(404, "not_found");
}

async fn roles_inherit_and_never_from_themselves(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    has_role(&server, &admin, "base", &["model:deploy"], &[]).await;
    has_role(&server, &admin, "middle", &[], &["base"]).await;
    has_role(&server, &admin, "top", &["audit:view"], &["viewer", "middle"]).await;
    made(&server, &admin, "ada@example.com", &["top"]).await;
    let ada = logged_in(&server, "ada@example.com").await;
    for (permission, status) in
        [("audit:view", 200), ("model:deploy", 200), ("data:view", 200), ("data:delete", 403)]
    {
        assert_eq!(may(&server, &ada, permission).await, status, "{permission}");
    }
    let me = Answer::to_me(&server, &ada.access).await.ok(200);
    let expected = ["audit:view", "data:view", "experiment:view", "model:deploy", "model:view"];
    assert_eq!(me.body["permissions"], json!(expected));

    for (name, inherits, pointer) in [
        ("base", json!(["top"]), "/inherits/0"),
        ("base", json!(["viewer", "middle"]), "/inherits/1"),
        ("base", json!(["viewer", "base"]), "/inherits/1"),
        ("new", json!(["new"]), "/inherits/0"),
    ] {
        let refused = put(&server, &admin, &role(name), json!({ "inherits": inherits })).await;
        assert_eq!(offending(&refused.is(422, "validation_failed")), [(pointer, "role_cycle")]);
    }
}

async fn what_is_in_use_or_built_in_stays(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    put(&server, &admin, &permission("report:publish"), json!({})).await.ok(201);
    has_role(&server, &admin, "editor", &["report:publish"], &[]).await;
    has_role(&server, &admin, "chief", &[], &["editor"]).await;
    let ada = made(&server, &admin, "ada@example.com", &["viewer", "chief"]).await;

    delete(&server, &admin, &role("chief")).await.is(409, "conflict");
    let named = delete(&server, &admin, &role("editor")).await.is(409, "conflict");
    assert_eq!(named.body["detail"], "The role chief still names it.");
    delete(&server, &admin, &permission("report:publish")).await.is(409, "conflict");
    for built_in in ["admin", "viewer"] {
        delete(&server, &admin, &role(built_in)).await.is(409, "conflict");
    }
    put(&server, &admin, &role("admin"), json!({ "permissions": ["data:view"] })).await.is(409, "conflict");
    put(&server, &admin, &permission("data:view"), json!({})).await.is(409, "conflict");
    delete(&server, &admin, &permission("data:view")).await.is(409, "conflict");

    // A built-in role may be defined anew, but for that of administrators.
    let viewer = put(&server, &admin, &role("viewer"), json!({ "permissions": ["data:view"] })).await.ok(200);
    assert_eq!(viewer.body["built_in"], true);

    patch(&server, &admin, &ada, json!({ "roles": ["viewer"] })).await.ok(200);
    for gone in [role("chief"), role("editor"), permission("report:publish")] {
        delete(&server, &admin, &gone).await.ok(204);
    }
}

async fn what_is_amiss_with_a_role_is_pointed_to(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let names: Vec<String> = (0..201).map(|number| format!("a:b{number}")).collect();
    let roles: Vec<String> = (0..51).map(|number| format!("r{number}")).collect();
    for (body, pointer, code) in [
        (json!({ "permissions": ["data:view", "no:such"] }), "/permissions/1", "unknown_permission"),
        (json!({ "permissions": ["data:view", "data:view"] }), "/permissions/1", "repeated"),
        (json!({ "permissions": ["data"] }), "/permissions/0", "permission_invalid"),
        (json!({ "permissions": names }), "/permissions", "too_many_items"),
        (json!({ "inherits": ["viewer", "no-such"] }), "/inherits/1", "unknown_role"),
        (json!({ "inherits": ["viewer", "viewer"] }), "/inherits/1", "repeated"),
        (json!({ "inherits": roles }), "/inherits", "too_many_items"),
        (json!({ "description": "two\nlines" }), "/description", "description_invalid_chars"),
        (json!({ "description": "x".repeat(201) }), "/description", "description_too_long"),
        (json!({ "permissions": null }), "/permissions", "invalid_type"),
        (json!({ "built_in": true }), "/built_in", "unknown_field"),
    ] {
        let refused = put(&server, &admin, &role("editor"), body).await.is(422, "validation_failed");
        assert_eq!(offending(&refused), [(pointer, code)]);
    }
    for bad in ["Editor", "1st", "a%20b", &"x".repeat(65)] {
        let refused = put(&server, &admin, &role(bad), json!({})).await.is(422, "validation_failed");
        assert_eq!(offending(&refused), [("/name", "role_invalid")]);
        get(&server, &admin, &role(bad)).await.is(404, "not_found");
    }
    let refused = put(&server, &admin, &permission("report"), json!({})).await.is(422, "validation_failed");
    assert_eq!(offending(&refused), [("/name", "permission_invalid")]);
    get(&server, &admin, &role("editor")).await.is(404, "not_found");
}

async fn roles_and_permissions_are_listed_by_name(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    has_role(&server, &admin, "editor", &[], &[]).await;
    put(&server, &admin, &permission("a:b"), json!({})).await.ok(201);
    let names = ["admin", "data_scientist", "developer", "editor", "ml_engineer", "viewer"];
    for limit in [1, 2, 5, 6, 200] {
        assert_eq!(all(&server, &admin, ROLES, limit, "name").await, names, "{limit}");
    }
    let names = all(&server, &admin, PERMISSIONS, 7, "name").await;
    assert!(names.is_sorted() && names.len() > 20 && names[0] == "a:b", "{names:?}");
    for path in [ROLES, PERMISSIONS] {
        get(&server, &admin, &format!("{path}?limit=0")).await.is(400, "malformed_request");
        get(&server, &admin, &format!("{path}?query=a")).await.is(400, "malformed_request");
    }
}

async fn a_redefinition_holds_at_once_for_who_has_the_role(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    has_role(&server, &admin, "base", &[], &[]).await;
    has_role(&server, &admin, "editor", &["data:view"], &["base"]).await;
    made(&server, &admin, "ada@example.com", &["editor"]).await;
    let ada = logged_in(&server, "ada@example.com").await;
    for _ in 0..3 {
        assert_eq!(may(&server, &ada, "model:deploy").await, 403);
        put(&server, &admin, &role("base"), json!({ "permissions": ["model:deploy", "user:view"] }))
            .await
            .ok(200);
        assert_eq!(may(&server, &ada, "model:deploy").await, 200);
        get(&server, &ada, USERS).await.ok(200);
        let me = Answer::to_me(&server, &ada.access).await.ok(200);
        assert_eq!(me.body["permissions"], json!(["data:view", "model:deploy", "user:view"]));
        put(&server, &admin, &role("base"), json!({})).await.ok(200);
        assert_eq!(may(&server, &ada, "model:deploy").await, 403);
        get(&server, &ada, USERS).await.is(403, "forbidden");
        let me = Answer::to_me(&server, &ada.access).await.ok(200);
        assert_eq!(me.body["permissions"], json!(["data:view"]));
    }
}

async fn sec_88_nobody_defines_what_they_do_not_hold(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = admin(&server).await;
    let permissions = ["role:delete", "role:update", "role:view"];
    has_role(&server, &admin, "role-keeper", &permissions, &["viewer"]).await;
    made(&server, &admin, "mia@example.com", &["role-keeper"]).await;
    let mia = logged_in(&server, "mia@example.com").await;
    has_role(&server, &admin, "deployer", &["model:deploy"], &[]).await;

    // Neither for others nor for itself: not by name, not by inheritance, and not by weakening who holds more.
    for (name, body) in [
        ("new", json!({ "permissions": ["model:deploy"] })),
        ("new", json!({ "inherits": ["deployer"] })),
        ("new", json!({ "inherits": ["admin"] })),
        ("role-keeper", json!({ "permissions": ["system:admin"] })),
        ("viewer", json!({ "permissions": ["user:update"] })),
        ("deployer", json!({})),
    ] {
        put(&server, &mia, &role(name), body).await.is(403, "forbidden");
    }
    delete(&server, &mia, &role("deployer")).await.is(403, "forbidden");
    assert_eq!(
        get(&server, &mia, &role("deployer")).await.ok(200).body["permissions"],
        json!(["model:deploy"])
    );

    put(&server, &mia, &role("new"), json!({ "permissions": ["role:view"], "inherits": ["viewer"] }))
        .await
        .ok(201);
    // A permission that nobody gave her is not hers, though she made it.
    put(&server, &mia, &permission("report:publish"), json!({})).await.ok(201);
    put(&server, &mia, &role("new"), json!({ "permissions": ["report:publish"] })).await.is(403, "forbidden");
    let me: Value = Answer::to_me(&server, &mia.access).await.ok(200).body;
    assert_eq!(me["roles"], json!(["role-keeper"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redefinition_holds_on_the_other_instance_within_a_second() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let admin = admin(&here).await;
    has_role(&here, &admin, "editor", &["data:view"], &[]).await;
    made(&here, &admin, "ada@example.com", &["editor"]).await;
    let ada = logged_in(&there, "ada@example.com").await;
    for round in 0..20 {
        let (permissions, status) =
            if round % 2 == 0 { (json!(["model:deploy"]), 200) } else { (json!([]), 403) };
        put(&here, &admin, &role("editor"), json!({ "permissions": permissions })).await.ok(200);
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            let asked = Instant::now();
            if may(&there, &ada, "model:deploy").await == status {
                break;
            }
            assert!(asked < deadline, "the other instance goes by the former definition past the bound");
        }
    }
}
