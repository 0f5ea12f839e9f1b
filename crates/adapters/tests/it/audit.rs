//! The audit trail of the SQL storages: what the schema itself refuses, and what is refused with an entry.

use std::sync::Arc;

use maestro_auth_adapters::postgres::PgStore;
use maestro_auth_adapters::sqlite::SqliteStore;
use maestro_auth_adapters::testing::fresh_database;
use maestro_auth_domain::{
    AuditEntry, AuditFilter, AuditId, AuditLink, CatalogueRevision, Origin, PasswordVersion, TenantId,
};
use maestro_auth_ports::contract::fixtures::{
    audit_entry, create, effects, principal, register, session, user, when,
};
use maestro_auth_ports::{StoreError, StoredEntry, Stores};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_118_sqlite_neither_changes_nor_deletes_what_the_trail_holds() {
    let folder = TempDir::new().unwrap();
    let stores = sqlite(&folder).await;
    let replaced = [
        "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries",
        "INSERT OR REPLACE INTO audit_links SELECT * FROM audit_links",
        "INSERT OR REPLACE INTO audit_links SELECT position + 1, entry_id, mac FROM audit_links",
    ];
    the_trail_stays(&stores, &replaced, async |sql| run_in_sqlite(&folder, sql).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_118_postgres_neither_changes_nor_deletes_what_the_trail_holds() {
    let Some(database) = fresh_database().await else { return };
    let stores = Stores::of(Arc::new(PgStore::at(database.url(), 2).unwrap()));
    let truncated = ["TRUNCATE audit_entries", "TRUNCATE audit_links", "TRUNCATE audit_entries, audit_links"];
    the_trail_stays(&stores, &truncated, async |sql| run_in_postgres(database.url(), sql).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_37_sqlite_does_nothing_whose_entry_is_refused() {
    let folder = TempDir::new().unwrap();
    let stores = sqlite(&folder).await;
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'full'); END";
    let run = async |sql| run_in_sqlite(&folder, sql).await;
    nothing_is_done_without_its_entry(&stores, refuse, "DROP TRIGGER refuse", run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_37_postgres_does_nothing_whose_entry_is_refused() {
    let Some(database) = fresh_database().await else { return };
    let stores = Stores::of(Arc::new(PgStore::at(database.url(), 2).unwrap()));
    let refuse = "ALTER TABLE audit_entries ADD CONSTRAINT refuse CHECK (FALSE) NOT VALID";
    let accept = "ALTER TABLE audit_entries DROP CONSTRAINT refuse";
    let run = async |sql| run_in_postgres(database.url(), sql).await;
    nothing_is_done_without_its_entry(&stores, refuse, accept, run).await;
}

/// Not a statement that says so changes a trail, and what somebody adds without the server is in the queue of the chain.
async fn the_trail_stays(
    stores: &Stores,
    refused: &[&'static str],
    run: impl AsyncFn(&'static str) -> sqlx::Result<()>,
) {
    let (linked, waiting) = (audit_entry(1), audit_entry(2));
    let link = AuditLink { position: 1, entry: linked.id, mac: [7; 32] };
    stores.audit.append(&[linked.clone(), waiting.clone()]).await.unwrap();
    assert!(stores.audit.link(0, &[link]).await.unwrap());

    let always = [
        "UPDATE audit_entries SET outcome = 'failure'",
        "UPDATE audit_links SET position = position + 1",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_links",
    ];
    for sql in always.iter().chain(refused) {
        let error = run(sql).await.expect_err(sql).to_string();
        assert!(error.contains("the audit trail is append-only"), "{sql}: {error}");
    }

    let whole = Some(StoredEntry::Readable(linked.clone()));
    assert_eq!(stores.audit.read_chain(0, 10).await.unwrap(), [(link, whole)]);
    assert_eq!(
        stores.audit.unlinked(None, 10).await.unwrap().entries,
        [StoredEntry::Readable(waiting.clone())]
    );
    assert_eq!(trail(stores, 10).await, [waiting.clone(), linked]);

    run("DELETE FROM audit_queue").await.unwrap();
    assert_eq!(stores.audit.find_strays(None, 10).await.unwrap(), [waiting.id]);
}

/// Whoever has no entry has no session, and keeps the one that was to end.
async fn nothing_is_done_without_its_entry(
    stores: &Stores,
    refuse: &'static str,
    accept: &'static str,
    run: impl AsyncFn(&'static str) -> sqlx::Result<()>,
) {
    let (known, opened) = register(stores, user()).await;
    let before = principal(stores, opened.id).await;
    let (newcomer, login) = (user(), session(5));
    run(refuse).await.unwrap();

    let open = || stores.sessions.open(known.id, PasswordVersion::FIRST, None, login, effects());
    assert!(matches!(open().await, Err(StoreError::Unavailable(_))));
    let registered =
        stores.users.register(newcomer.clone(), session(5), CatalogueRevision::FIRST, effects()).await;
    assert!(matches!(registered, Err(StoreError::Unavailable(_))));
    let ended = stores.sessions.revoke(opened.id, when(5), effects()).await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))));

    assert_eq!(principal(stores, opened.id).await, before, "neither a login was noted nor a logout");
    assert_eq!(stores.blacklist.read(None, 10).await.unwrap().entries, []);
    run(accept).await.unwrap();
    open().await.unwrap();
    create(stores, newcomer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_118_sqlite_gives_what_somebody_wrote_into_it_as_it_is() {
    let folder = TempDir::new().unwrap();
    let stores = sqlite(&folder).await;
    let unguard = "DROP TRIGGER audit_entries_stay_as_they_are";
    what_was_tampered_with_hides_nothing(&stores, unguard, async |sql| run_in_sqlite(&folder, sql).await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_118_postgres_gives_what_somebody_wrote_into_it_as_it_is() {
    let Some(database) = fresh_database().await else { return };
    let stores = Stores::of(Arc::new(PgStore::at(database.url(), 2).unwrap()));
    let unguard = "DROP TRIGGER audit_entries_stay ON audit_entries";
    let run = async |sql| run_in_postgres(database.url(), sql).await;
    what_was_tampered_with_hides_nothing(&stores, unguard, run).await;
}

/// What can't be read, or is not found by whom it names, is given as that, and everything beside it as ever.
async fn what_was_tampered_with_hides_nothing(
    stores: &Stores,
    unguard: &'static str,
    run: impl AsyncFn(&'static str) -> sqlx::Result<()>,
) {
    let entries: Vec<AuditEntry> = (1..=8).map(audit_entry).collect();
    let [one, two, three, four, five, six, seven, eight] = &entries[..] else { unreachable!() };
    stores.audit.append(&entries).await.unwrap();
    let link = |position: i64, entry: &AuditEntry| AuditLink { position, entry: entry.id, mac: [7; 32] };
    let links = [link(1, one), link(2, two), link(3, three), link(4, four)];
    assert!(stores.audit.link(0, &links).await.unwrap());

    run(unguard).await.unwrap();
    let requeue = "INSERT INTO audit_queue SELECT entry_id FROM audit_links WHERE position < 3";
    let changes = [
        (one, "actor_user = tenant_id"),
        (two, "user_agent = 'a\r\nb'"),
        (three, "details = '[['"),
        (four, "subject_user = NULL"),
        (five, "action = 'done.by.a.newer.version'"),
        (six, "address = 'somewhere'"),
    ];
    for (entry, change) in changes {
        let sql = format!("UPDATE audit_entries SET {change} WHERE at = {}", entry.at.unix_micros());
        run(sql.leak()).await.expect(change);
    }
    run(requeue).await.unwrap();

    let (whole, unreadable) = (StoredEntry::Readable, StoredEntry::Unreadable);
    let rewritten = AuditEntry { origin: with_agent(&two.origin, "a\r\nb"), ..two.clone() };
    let expected = [
        StoredEntry::Misfiled(one.id),
        whole(rewritten.clone()),
        unreadable(three.id),
        StoredEntry::Misfiled(four.id),
    ];
    let expected: Vec<_> = links.into_iter().zip(expected.map(Some)).collect();
    assert_eq!(stores.audit.read_chain(0, 10).await.unwrap(), expected);
    for limit in [1, 2, 100] {
        let readable = [eight, seven, four, &rewritten, one].map(Clone::clone);
        assert_eq!(trail(stores, limit).await, readable, "no page is shorter for what can't be read");
    }

    let unlinked = async |after: Option<AuditId>, limit| stores.audit.unlinked(after, limit).await.unwrap();
    let waiting = [unreadable(five.id), unreadable(six.id), whole(seven.clone()), whole(eight.clone())];
    assert_eq!(unlinked(None, 10).await.entries, waiting, "what hangs on the chain does not wait");
    assert_eq!(unlinked(None, 1).await.entries, waiting[..1]);
    assert_eq!(unlinked(Some(five.id), 2).await.entries, waiting[1..3]);
    assert!(stores.audit.link(4, &[link(5, seven), link(6, eight)]).await.unwrap());
    assert_eq!(unlinked(None, 10).await.entries, waiting[..2]);
    run(requeue).await.expect("what had waited once more waits no longer");
    assert_eq!(stores.audit.find_strays(None, 10).await.unwrap(), []);
}

fn with_agent(origin: &Origin, agent: &str) -> Origin {
    let request_id = origin.request_id().map(str::to_owned);
    Origin::from_stored(origin.address, Some(agent.to_owned()), request_id)
}

/// Every entry of the trail, the newest first, in pages of that size.
async fn trail(stores: &Stores, limit: u32) -> Vec<AuditEntry> {
    let mut found: Vec<AuditEntry> = Vec::new();
    loop {
        let before = found.last().map(|entry| entry.id);
        let everything = AuditFilter::default();
        let page = stores.audit.find_entries(TenantId::DEFAULT, &everything, before, limit).await.unwrap();
        let is_last = page.len() < limit as usize;
        found.extend(page);
        if is_last {
            return found;
        }
    }
}

async fn sqlite(folder: &TempDir) -> Stores {
    let store = SqliteStore::open(&folder.path().join("maestro-auth.db")).unwrap();
    store.migrate().await.unwrap();
    Stores::of(Arc::new(store))
}

async fn run_in_sqlite(folder: &TempDir, sql: &'static str) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new().filename(folder.path().join("maestro-auth.db"));
    options.connect().await?.execute(sql).await.map(drop)
}

async fn run_in_postgres(url: &str, sql: &'static str) -> sqlx::Result<()> {
    PgConnection::connect(url).await?.execute(sql).await.map(drop)
}
