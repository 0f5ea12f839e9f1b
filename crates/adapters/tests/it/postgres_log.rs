//! The token blacklist of PostgreSQL as a log: transactions that are held open, other histories, and its notifications.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maestro_auth_adapters::postgres::PgStore;
use maestro_auth_adapters::testing::{PostgresDatabase, fresh_database};
use maestro_auth_domain::{BlacklistEntry, Revoked, SessionId, Timestamp};
use maestro_auth_ports::contract::fixtures::{at, entry, register, session, user};
use maestro_auth_ports::{BlacklistCursor, BlacklistWakeups, StoreError, Stores};
use sqlx::{Executor, PgConnection, Row};
use tokio::time::timeout;

use crate::postgres::{connect, number};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_a_transaction_that_commits_late_is_read_once_it_has() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let (mut late, mut prompt) = (connect(&database).await, connect(&database).await);
    for reads_before in [false, true] {
        let mut reader = Reader::default();
        if reads_before {
            reader.catch_up(&stores, 100).await;
        }
        late.execute("BEGIN").await.unwrap();
        let first = insert(&mut late).await;
        let second = insert(&mut prompt).await;
        let seen = reader.catch_up(&stores, 100).await;
        assert!(seen.contains(&second) && !seen.contains(&first), "the first one is not committed yet");

        late.execute("COMMIT").await.unwrap();

        assert_eq!(reader.catch_up(&stores, 100).await, HashSet::from([first]));
        assert_eq!(reader.catch_up(&stores, 100).await, HashSet::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rolled_back_is_never_read_and_what_stands_beside_it_is() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let mut writer = connect(&database).await;
    let mut reader = Reader::default();

    writer.execute("BEGIN").await.unwrap();
    insert(&mut writer).await;
    assert_eq!(reader.catch_up(&stores, 100).await, HashSet::new());
    writer.execute("ROLLBACK").await.unwrap();
    assert_eq!(reader.catch_up(&stores, 100).await, HashSet::new());

    writer.execute("BEGIN; SAVEPOINT one").await.unwrap();
    insert(&mut writer).await;
    writer.execute("ROLLBACK TO one; SAVEPOINT two").await.unwrap();
    let in_savepoint = insert(&mut writer).await;
    writer.execute("RELEASE two").await.unwrap();
    let outside = insert(&mut writer).await;
    let other = insert(&mut connect(&database).await).await;
    assert_eq!(reader.catch_up(&stores, 100).await, HashSet::from([other]));
    writer.execute("COMMIT").await.unwrap();
    assert_eq!(reader.catch_up(&stores, 100).await, HashSet::from([in_savepoint, outside]));
}

/// While a reader is on its way through 10 000 entries of one transaction, others commit: new ones, and one that is older
/// than the transaction and so stands before the place that the reader has reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_through_a_large_transaction_skip_nothing_that_commits_meanwhile() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let (mut old, mut bulk) = (connect(&database).await, connect(&database).await);
    let mut readers = [Reader::default(), Reader::default()]; // one that reads the whole log, and one that follows
    readers[1].catch_up(&stores, 100).await;
    old.execute("BEGIN").await.unwrap();
    let mut expected = HashSet::from([insert(&mut old).await]);
    bulk.execute("BEGIN").await.unwrap();
    let many = "INSERT INTO revocations (tenant_id, kind, subject, until) \
         SELECT gen_random_uuid(), 2, gen_random_uuid(), 0 FROM generate_series(1, 10000) RETURNING subject";
    let rows = sqlx::query(many).fetch_all(&mut bulk).await.unwrap();
    expected.extend(rows.iter().map(|row| SessionId::from_uuid(row.get("subject"))));
    bulk.execute("COMMIT").await.unwrap();

    let mut others = connect(&database).await;
    let mut seen = [HashSet::new(), HashSet::new()];
    for page in 0..12 {
        for (reader, seen) in readers.iter_mut().zip(&mut seen) {
            seen.extend(reader.page(&stores, 700).await.0);
        }
        expected.insert(insert(&mut others).await);
        if page == 7 {
            old.execute("COMMIT").await.unwrap();
        }
    }
    for (reader, seen) in readers.iter_mut().zip(&mut seen) {
        seen.extend(reader.catch_up(&stores, 700).await); // what had been added when the first page was read
        seen.extend(reader.catch_up(&stores, 700).await);
        assert_eq!(expected.difference(seen).count(), 0, "entries are missing");
        assert_eq!(reader.catch_up(&stores, 700).await, HashSet::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transaction_of_somebody_else_delays_nothing() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let mut stranger = connect(&database).await;
    stranger.execute("BEGIN; CREATE TABLE strange AS SELECT pg_current_xact_id()").await.unwrap();
    let mut reader = Reader::default();
    for _ in 0..20 {
        let added = entry(Revoked::Session(session(0).id), 60);
        stores.blacklist.add(&[added]).await.unwrap();
        assert_eq!(reader.catch_up(&stores, 100).await, HashSet::from([subject(&added)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_history_starts_over() {
    let (Some(here), Some(there)) = (fresh_database().await, fresh_database().await) else { return };
    let stores = instance(&here);
    let mut connection = connect(&here).await;
    let log = HashSet::from([insert(&mut connection).await, insert(&mut connection).await]);
    let mut reader = Reader::default();
    reader.catch_up(&stores, 100).await;
    let own = reader.cursor.unwrap().as_str().to_owned();
    let (history, _) = own.split_once(' ').unwrap();
    let mut elsewhere = Reader::default();
    elsewhere.catch_up(&instance(&there), 100).await;

    let foreign = elsewhere.cursor.unwrap().as_str().to_owned();
    let from_the_future = format!("{history} 999999999999:999999999999:");
    let on_the_way = format!("{history} - 999999999999:999999999999: 999999999998 1");
    let on_another_timeline = own.replace(".00000001.", ".00000002.");
    for cursor in [foreign, from_the_future, on_the_way, on_another_timeline] {
        let mut lost = Reader { cursor: Some(BlacklistCursor::new(cursor.clone())) };
        assert_eq!(lost.catch_up(&stores, 1).await, log, "{cursor}");
        assert_eq!(lost.catch_up(&stores, 1).await, HashSet::new(), "{cursor}");
    }

    connection.execute("DROP TABLE revocations").await.unwrap();
    let again = include_str!("../../../../migrations/postgres/0004_revocations.sql");
    connection.execute(again).await.unwrap();
    let as_today = r#"ALTER TABLE revocations ADD COLUMN key_id TEXT COLLATE "C""#;
    connection.execute(as_today).await.unwrap();
    let restored = insert(&mut connection).await;
    let mut reader = Reader { cursor: Some(BlacklistCursor::new(own)) };
    assert_eq!(reader.catch_up(&stores, 100).await, HashSet::from([restored]), "the table was made anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_kind_of_storage_starts_over() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    for text in ["", "7", "h -", "h 1", "h x:y:z", "h 1:2:' 3 4", "h - 1:2: 3", "h - 1:2: 3 x", "a b c d e f"]
    {
        let page = stores.blacklist.read(Some(&BlacklistCursor::new(text.to_owned())), 10).await.unwrap();
        assert!(page.starts_over, "{text:?} is a cursor");
    }
}

/// A dump brings the numbers of another cluster's transactions, which this one has not reached yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dump_is_read_once_from_the_beginning_and_in_nobodys_way() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let mut connection = connect(&database).await;
    let restore = "INSERT INTO revocations (xid, tenant_id, kind, subject, until) \
         SELECT 1000000000000 + n, gen_random_uuid(), 2, gen_random_uuid(), 0 FROM generate_series(1, 50) AS n";
    connection.execute(restore).await.unwrap();
    let mut reader = Reader::default();

    assert_eq!(reader.catch_up(&stores, 7).await.len(), 50);

    assert_eq!(reader.catch_up(&stores, 7).await, HashSet::new());
    let next = insert(&mut connection).await;
    assert_eq!(reader.catch_up(&stores, 7).await, HashSet::from([next]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_whose_connection_is_lost_says_so_and_a_new_one_works() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let mut other = connect(&database).await;
    let mut lost = stores.blacklist.subscribe().await.unwrap();
    stores.blacklist.add(&[entry(Revoked::Session(session(0).id), 60)]).await.unwrap();
    next(&mut *lost).await.unwrap();

    let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(sqlx::query(cut).fetch_all(&mut other).await.unwrap().len(), 1);

    while next(&mut *lost).await.is_ok() {} // what was told before
    assert!(next(&mut *lost).await.is_err(), "it does not come back unnoticed");
    let mut again = stores.blacklist.subscribe().await.unwrap();
    instance(&database).blacklist.add(&[entry(Revoked::Session(session(0).id), 60)]).await.unwrap();
    next(&mut *again).await.unwrap();

    drop(again);
    let listeners = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    while number(&mut other, listeners).await > 0 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_without_a_free_connection_still_reads_the_log_and_the_clock() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let mut blocker = connect(&database).await;
    blocker.execute("BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let crowd: Vec<_> = (0..20)
        .map(|_| {
            let stores = stores.clone();
            tokio::spawn(async move { register(&stores, user()).await })
        })
        .collect();
    let waiting = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut other = connect(&database).await;
    while number(&mut other, waiting).await < 2 {}

    let start = Instant::now();
    let added = insert(&mut other).await;
    assert_eq!(Reader::default().catch_up(&stores, 10).await, HashSet::from([added]));
    stores.health.time().await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    blocker.execute("ROLLBACK").await.unwrap();
    for call in crowd {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_14_the_time_is_that_of_the_database() {
    let Some(database) = fresh_database().await else { return };
    let stores = instance(&database);
    let mut connection = connect(&database).await;
    let now = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

    let before = Timestamp::from_unix_micros(number(&mut connection, now).await);
    let shown = stores.health.time().await.unwrap().unwrap();
    let after = Timestamp::from_unix_micros(number(&mut connection, now).await);

    assert!(before <= shown && shown <= after, "{before:?} {shown:?} {after:?}");
}

/// Someone who follows the log.
#[derive(Default)]
struct Reader {
    cursor: Option<BlacklistCursor>,
}

impl Reader {
    /// The sessions of the next page, and whether it completes what there was.
    async fn page(&mut self, stores: &Stores, limit: u32) -> (HashSet<SessionId>, bool) {
        let page = stores.blacklist.read(self.cursor.as_ref(), limit).await.unwrap();
        self.cursor = Some(page.next);
        (page.entries.iter().map(subject).collect(), page.is_complete)
    }

    async fn catch_up(&mut self, stores: &Stores, limit: u32) -> HashSet<SessionId> {
        let mut seen = HashSet::new();
        loop {
            let (sessions, is_complete) = self.page(stores, limit).await;
            seen.extend(sessions);
            if is_complete {
                return seen;
            }
        }
    }
}

fn subject(entry: &BlacklistEntry) -> SessionId {
    let Revoked::Session(session) = entry.revoked else {
        unreachable!("an entry that no test added: {entry:?}")
    };
    session
}

/// Adds an entry in the transaction of the connection.
async fn insert(connection: &mut PgConnection) -> SessionId {
    let added = session(0).id;
    sqlx::query("INSERT INTO revocations (tenant_id, kind, subject, until) VALUES ($1, 2, $1, $2)")
        .bind(added.as_uuid())
        .bind(at(60).unix_micros())
        .execute(connection)
        .await
        .unwrap();
    added
}

async fn next(subscription: &mut dyn BlacklistWakeups) -> Result<(), StoreError> {
    timeout(Duration::from_secs(10), subscription.next()).await.expect("nobody woke the subscriber")
}

fn instance(database: &PostgresDatabase) -> Stores {
    Stores::of(Arc::new(PgStore::at(database.url(), 2).unwrap()))
}
