//! The command line as an operator uses it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::bounds::is_refused_soon;
use crate::support::{
    Cluster, PASSWORD, Server, SignedIn, Storage, code, logged_in, operate, operated, patiently, refused,
    registered,
};

const NEW_PASSWORD: &str = "another horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_managed_on_sqlite_while_the_server_is_down() {
    let storage = Storage::sqlite();
    let made =
        operated(&storage, &["user", "create", "--email", "ada@example.com", "--name", "Ada"], PASSWORD);
    assert!(made.contains("ada@example.com"));
    let admin = ["user", "create", "--email", "root@example.com", "--name", "Root", "--role", "admin"];
    operated(&storage, &admin, PASSWORD);

    let again =
        refused(&storage, &[], &["user", "create", "--email", "ADA@example.com", "--name", "A"], PASSWORD);
    assert_eq!(again.0, 1);
    let unknown = ["user", "create", "--email", "b@example.com", "--name", "B", "--role", "emperor"];
    let (status, line) = refused(&storage, &[], &unknown, PASSWORD);
    assert_eq!(status, 1);
    assert!(line.contains("there is no role emperor"), "{line}");
    let (status, line) =
        refused(&storage, &[], &["user", "create", "--email", "b@example.com", "--name", "B"], "short");
    assert_eq!(status, 1);
    assert!(!line.contains("short\n"), "{line}");

    let listed = operated(&storage, &["user", "list", "--json"], "");
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let roles: Vec<_> = listed.iter().map(|user| (user["email"].as_str(), user["role"].as_str())).collect();
    assert_eq!(roles, [(Some("ada@example.com"), Some("viewer")), (Some("root@example.com"), Some("admin"))]);
    assert_eq!(operated(&storage, &["user", "list", "--limit", "1"], "").lines().count(), 1);

    let last_admin = refused(&storage, &[], &["user", "deactivate", "--email", "root@example.com"], "");
    assert_eq!(last_admin.0, 1);
    let stranger = refused(&storage, &[], &["user", "deactivate", "--email", "nobody@example.com"], "");
    assert!(stranger.1.contains("nobody@example.com"));

    let server = Server::start(&storage, &[]);
    logged_in(&server, "ada@example.com").await;
    let root = logged_in(&server, "root@example.com").await;
    let me: Value = server.me(&root.access).await.json().await.expect("JSON");
    assert_eq!(me["role"], "admin");
    let beside = refused(&storage, &[], &["user", "list"], "");
    assert_eq!(beside.0, 1, "the running server owns the file: {}", beside.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_changes_on_postgres_holds_at_once_on_a_running_server() {
    let Some(storage) = Storage::postgres().await else { return };
    let server = Server::start(&storage, &[]);
    let user = registered(&server, "ada@example.com").await;

    operated(&storage, &["user", "deactivate", "--email", "ada@example.com"], "");
    is_out(&server, &user).await;
    let inactive = patiently(|| server.login("ada@example.com", PASSWORD)).await;
    assert_eq!(code(inactive).await, "invalid_credentials");

    operated(&storage, &["user", "activate", "--email", "ada@example.com"], "");
    is_out(&server, &user).await; // a session that has ended stays so
    let user = logged_in(&server, "ada@example.com").await;

    operated(&storage, &["user", "set-password", "--email", "ada@example.com"], NEW_PASSWORD);
    is_out(&server, &user).await;
    let old = patiently(|| server.login("ada@example.com", PASSWORD)).await;
    assert_eq!(code(old).await, "invalid_credentials");
    let new = patiently(|| server.login("ada@example.com", NEW_PASSWORD)).await;
    assert_eq!(new.status(), StatusCode::OK);
}

async fn is_out(server: &Server, user: &SignedIn) {
    is_refused_soon(server, &user.access).await;
    assert_eq!(server.refresh(&user.refresh).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_shown_run_and_found_done_on_sqlite() {
    migrations_are_shown_run_and_found_done(&Storage::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_shown_run_and_found_done_on_postgres() {
    let Some(cluster) = Cluster::start() else { return };
    migrations_are_shown_run_and_found_done(&Storage::at(cluster.url())).await;
}

async fn migrations_are_shown_run_and_found_done(storage: &Storage) {
    let before = operated(storage, &["migrate", "status"], "");
    assert!(before.contains("pending") && !before.contains("applied"), "{before}");
    operated(storage, &["migrate"], "");
    let after = operated(storage, &["migrate", "status"], "");
    assert_eq!(after, before.replace("pending", "applied"));
    operated(storage, &["migrate"], ""); // once more, for nothing
    assert_eq!(operated(storage, &["migrate", "status"], ""), after);
    registered(&Server::start(storage, &[]), "ada@example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_instances_that_start_at_once_on_an_empty_postgres_all_serve() {
    let Some(storage) = Storage::postgres().await else { return };
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Server::start(&storage, &[]))).collect();
        starts.into_iter().map(|start| start.join().expect("a server")).collect()
    });
    let user = registered(&servers[0], "ada@example.com").await;
    for server in &servers {
        assert_eq!(
            server.me(&user.access).await.status(),
            StatusCode::OK,
            "all sign and verify with one key"
        );
    }
    let listed = operated(&storage, &["user", "list", "--json"], "");
    assert_eq!(listed.matches("admin@maestro.ml").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_checked_without_starting_anything() {
    let storage = Storage::at("postgres://maestro:s3cret-Pa55@127.0.0.1:1/maestro");
    let shown = operated(&storage, &["check-config"], "");
    assert!(shown.contains("reuse_grace = \"10s\"") && shown.contains("DATABASE_URL"), "{shown}");
    assert!(!shown.contains("s3cret-Pa55"), "{shown}");

    let unknown = [("MAESTRO_AUTH__TOKENS__ACCES_TTL", "5m")];
    let (status, line) = refused(&storage, &unknown, &["check-config"], "");
    assert_eq!(status, 2);
    assert!(line.contains("MAESTRO_AUTH__TOKENS__ACCES_TTL"), "{line}");
    let (status, line) =
        refused(&storage, &[("MAESTRO_AUTH__TOKENS__ACCESS_TTL", "15 bananas")], &["serve"], "");
    assert_eq!(status, 2);
    assert!(line.contains("MAESTRO_AUTH__TOKENS__ACCESS_TTL"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_is_printed_as_it_is_served() {
    let storage = Storage::memory();
    let printed: Value = serde_json::from_str(&operated(&storage, &["openapi"], "")).expect("JSON");
    let server = Server::start(&storage, &[]);
    let fetched: Value = server.get("/openapi.json", None).await.json().await.expect("JSON");
    assert_eq!(printed, fetched);
    assert!(printed["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_tells_ready_from_draining_and_gone() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage, &[("MAESTRO_AUTH__SERVER__DRAIN_DELAY", "60s")]);
    let port = server.address().rsplit(':').next().expect("a port").to_owned();
    let check =
        || operate(&storage, &[("MAESTRO_AUTH__SERVER__PORT", &port)], &["healthcheck"], "").status.code();

    assert_eq!(check(), Some(0));
    server.signal("-TERM");
    for _ in 0..200 {
        if check() == Some(1) {
            break;
        }
    }
    assert_eq!(check(), Some(1), "draining");
    server.signal("-TERM");
    server.wait(Duration::from_secs(30));
    assert_eq!(check(), Some(1), "gone");
}
