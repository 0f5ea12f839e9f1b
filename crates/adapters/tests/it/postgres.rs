//! What only PostgreSQL has: connections that break, locks that others hold, servers that say no.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use maestro_auth_adapters::postgres::PgStore;
use maestro_auth_adapters::testing::{PostgresDatabase, fresh_database};
use maestro_auth_domain::{CatalogueRevision, SessionId, UserChange};
use maestro_auth_ports::contract::fixtures::{
    admin, at, create, effects, principal, register, session, set_active, user, when,
};
use maestro_auth_ports::{RegisterOutcome, StoreError, StoreHealth, StoreResult, Stores, UpdateOutcome};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::net::TcpListener;

/// Within this, every call has answered, whatever the database does.
const LIMIT: Duration = Duration::from_millis(4_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rel_06_aborted_calls_leave_no_open_transaction_and_lose_no_later_write() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database, 1);
    for waits in 0..200 {
        let leaving = stores.clone();
        let admin = create(&stores, admin()).await;
        let out = UserChange { is_active: Some(false), ..UserChange::default() };
        let mut call = pin!(async move { leaving.users.update(&admin, out, None, when(1), effects()).await });
        let mut left = waits % 8;
        poll_fn(|context| {
            let done = call.as_mut().poll(context).is_ready();
            left -= 1;
            if done || left < 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    let (_, opened) = register(&stores, user()).await;
    stores.sessions.revoke(opened.id, when(1), effects()).await.unwrap();

    assert_eq!(principal(&instance(&database, 1), opened.id).await.session.revoked_at, Some(at(1)));
    let idle = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(number(&mut connect(&database).await, idle).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rel_02_after_a_restart_no_read_fails_and_the_first_read_heals_the_writes() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database, 4);
    let (_, opened) = register(&stores, user()).await;
    for _ in 0..3 {
        fill_the_lane(&stores, opened.id).await;
        cut_every_connection(&database).await;
        fill_the_lane(&stores, opened.id).await;
        register(&stores, user()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rel_03_a_replica_refuses_writes_and_is_left_when_it_becomes_the_primary() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database, 2);
    let mut other = connect(&database).await;
    set_read_only(&mut other, "on").await;
    let refused = try_to_register(&stores).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    stores.health.ping().await.unwrap();

    set_read_only(&mut other, "off").await;

    assert!(try_to_register(&stores).await.is_err(), "this one finds the old connection");
    register(&stores, user()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rel_04_whoever_finds_no_connection_is_told_in_time_and_all_works_again_afterwards() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database, 2);
    let mut blocker = connect(&database).await;
    blocker.execute("BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE").await.unwrap();

    let calls: Vec<_> = (0..50)
        .map(|_| {
            let stores = stores.clone();
            tokio::spawn(async move { timed(try_to_register(&stores)).await })
        })
        .collect();
    for call in calls {
        let (outcome, took) = call.await.unwrap();
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
        assert!(took < LIMIT, "{took:?}");
    }

    blocker.execute("ROLLBACK").await.unwrap();
    register(&stores, user()).await;
}

#[tokio::test]
async fn rel_01_a_database_that_is_silent_or_gone_is_reported_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let store = PgStore::at(&format!("postgres://nobody@{address}/nothing"), 2).unwrap();
    let (outcome, took) = timed(store.ping()).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
    assert!(took < LIMIT, "{took:?}");

    drop(silent);

    let (outcome, took) = timed(store.ping()).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
    assert!(took < LIMIT, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rel_13_the_loser_of_a_deadlock_tries_again() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database, 2);
    let user = create(&stores, user()).await;
    let mut other = connect(&database).await;
    let lock_user = AssertSqlSafe(format!("BEGIN; UPDATE users SET name = name WHERE id = '{}'", user.id));
    other.execute(lock_user).await.unwrap();
    let deactivating = stores.clone();
    let step = tokio::spawn(async move { set_active(&deactivating, user.id, false, when(1)).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut observer = connect(&database).await;
    while number(&mut observer, waiting).await == 0 {}

    other.execute("SELECT 1 FROM tenants FOR UPDATE").await.unwrap();
    other.execute("COMMIT").await.unwrap();

    let UpdateOutcome::Done(after) = step.await.unwrap() else { panic!("the step did not win") };
    assert!(!after.is_active);
}

fn instance(database: &PostgresDatabase, connections: u32) -> Stores {
    Stores::of(Arc::new(PgStore::at(database.url(), connections).unwrap()))
}

pub(crate) async fn connect(database: &PostgresDatabase) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

pub(crate) async fn number(connection: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query(sql).fetch_one(connection).await.unwrap().get(0)
}

async fn try_to_register(stores: &Stores) -> StoreResult<RegisterOutcome> {
    stores.users.register(user(), session(0), CatalogueRevision::FIRST, effects()).await
}

/// Reads on as many connections as the store may have.
async fn fill_the_lane(stores: &Stores, session: SessionId) {
    let reads: Vec<_> = (0..16)
        .map(|_| {
            let stores = stores.clone();
            tokio::spawn(async move { principal(&stores, session).await })
        })
        .collect();
    for read in reads {
        read.await.unwrap();
    }
}

/// As a restart does (57P01).
async fn cut_every_connection(database: &PostgresDatabase) {
    let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connect(database).await.execute(cut).await.unwrap();
}

/// For the connections to come.
async fn set_read_only(connection: &mut PgConnection, value: &str) {
    let name: String =
        sqlx::query("SELECT current_database()").fetch_one(&mut *connection).await.unwrap().get(0);
    let sql = AssertSqlSafe(format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}"));
    connection.execute(sql).await.unwrap();
}

async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    (call.await, start.elapsed())
}
