//! The same in the hands of an operator, at the command line.

use serde_json::Value;

use crate::endpoints::on_every_database;
use crate::support::{Answer, PASSWORD, Server, Storage, operated, refused};

on_every_database!(
    roles_are_listed_made_and_deleted_by_command,
    permissions_are_listed_made_and_deleted_by_command,
    services_are_registered_listed_and_deleted_by_command,
    accounts_are_deleted_by_command,
);

async fn roles_are_listed_made_and_deleted_by_command(storage: Storage) {
    let order = ["role", "put", "deployer", "--permission", "model:deploy", "--inherit", "viewer"];
    let made = operated(&storage, &[&order[..], &["--description", "Deploys."]].concat(), "");
    assert_eq!(made, "deployer is made\n");
    assert_eq!(operated(&storage, &order, ""), "deployer is replaced\n");

    let listed = operated(&storage, &["role", "list", "--json"], "");
    let roles: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<_> = roles.iter().filter_map(|role| role["name"].as_str()).collect();
    assert_eq!(names, ["admin", "data_scientist", "deployer", "developer", "ml_engineer", "viewer"]);
    let expected = serde_json::json!({
        "name": "deployer", "description": "", "permissions": ["model:deploy"], "inherits": ["viewer"],
        "built_in": false,
    });
    assert_eq!(roles[2], expected);
    assert!(operated(&storage, &["role", "list"], "").contains("model:deploy  and all of viewer"));

    let account = ["user", "create", "--email", "ada@example.com", "--name", "Ada", "--role", "deployer"];
    operated(&storage, &account, PASSWORD);
    for (order, why) in [
        (vec!["role", "delete", "deployer"], "the role still belongs to an account"),
        (vec!["role", "delete", "viewer"], "it comes with the server"),
        (vec!["role", "delete", "emperor"], "there is none"),
        (vec!["role", "put", "a", "--permission", "no:such"], "there is no permission no:such"),
        (vec!["role", "put", "a", "--inherit", "a"], "it would inherit from itself"),
    ] {
        let (status, line) = refused(&storage, &[], &order, "");
        assert_eq!(status, 1, "{line}");
        assert!(line.contains(why), "{line}");
    }
    operated(&storage, &["user", "set-roles", "--email", "ada@example.com", "--role", "viewer"], "");
    assert_eq!(operated(&storage, &["role", "delete", "deployer"], ""), "deployer is deleted\n");
}

async fn permissions_are_listed_made_and_deleted_by_command(storage: Storage) {
    let order = ["permission", "put", "report:print", "--description", "Print reports."];
    assert_eq!(operated(&storage, &order, ""), "report:print is made\n");
    assert_eq!(operated(&storage, &order, ""), "report:print is described anew\n");
    let listed = operated(&storage, &["permission", "list"], "");
    let line = listed.lines().find(|line| line.starts_with("report:print")).expect("it is listed");
    assert!(line.ends_with("  Print reports."), "{line}");

    operated(&storage, &["role", "put", "printer", "--permission", "report:print"], "");
    operated(&storage, &["service", "create", "--name", "press", "--permission", "report:print"], "");
    let delete = ["permission", "delete", "report:print"];
    assert!(refused(&storage, &[], &delete, "").1.contains("still has the permission"));
    let services = operated(&storage, &["service", "list"], "");
    let id = services.split_whitespace().next().expect("a service").to_owned();
    operated(&storage, &["service", "delete", &id], "");
    assert!(refused(&storage, &[], &delete, "").1.contains("the role printer still names it"));
    operated(&storage, &["role", "delete", "printer"], "");
    assert_eq!(operated(&storage, &delete, ""), "report:print is deleted\n");
    for (order, why) in [
        (vec!["permission", "delete", "user:view"], "it comes with the server"),
        (vec!["permission", "delete", "no:such"], "there is none"),
    ] {
        let (status, line) = refused(&storage, &[], &order, "");
        assert!(status == 1 && line.contains(why), "{line}");
    }
}

async fn services_are_registered_listed_and_deleted_by_command(storage: Storage) {
    let order = ["service", "create", "--name", "projects", "--permission", "role:view"];
    let made = operated(&storage, &order, "");
    let value = |name: &str| {
        let line = made.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().last().expect("a value").to_owned()
    };
    let (id, secret) = (value("client_id"), value("client_secret"));
    let listed = operated(&storage, &["service", "list"], "");
    assert!(listed.contains(&id) && listed.contains("projects") && listed.contains("role:view"), "{listed}");
    assert!(!listed.contains(&secret), "a secret is shown once");
    let (status, line) = refused(&storage, &[], &order, "");
    assert!(status == 1 && line.contains("another service has the name"), "{line}");

    let ask = async |server: &Server| {
        let request = server.http.get(format!("{}/api/v1/admin/roles", server.base));
        request.basic_auth(&id, Some(&secret)).send().await.expect("an answer").status().as_u16()
    };
    let server = Server::start(&storage, &[]);
    assert_eq!(ask(&server).await, 200);
    drop(server);
    operated(&storage, &["service", "delete", &id], "");
    let server = Server::start(&storage, &[]);
    assert_eq!(ask(&server).await, 401);
    drop(server);
    let (status, _) = refused(&storage, &[], &["service", "delete", &id], "");
    assert_eq!(status, 1);
}

async fn accounts_are_deleted_by_command(storage: Storage) {
    for (email, role) in [("root@example.com", "admin"), ("ada@example.com", "viewer")] {
        let account = ["user", "create", "--email", email, "--name", "Test", "--role", role];
        operated(&storage, &account, PASSWORD);
    }
    let deleted = operated(&storage, &["user", "delete", "--email", "ADA@example.com"], "");
    assert!(deleted.contains("ada@example.com is deleted"), "{deleted}");
    let (status, line) = refused(&storage, &[], &["user", "delete", "--email", "root@example.com"], "");
    assert!(status == 1 && line.contains("the last active admin"), "{line}");
    assert_eq!(refused(&storage, &[], &["user", "delete", "--email", "ada@example.com"], "").0, 1);
    let server = Server::start(&storage, &[]);
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.is(401, "invalid_credentials");
    Answer::to_login(&server, "root@example.com", PASSWORD).await.ok(200);
}
