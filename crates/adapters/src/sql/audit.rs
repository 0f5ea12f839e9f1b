use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_domain::{
    Action, AuditEntry, AuditFilter, AuditId, AuditLink, Subject, TenantId, Timestamp,
};
use maestro_auth_ports::{AuditTrail, StoreResult, StoredEntry, Unlinked};
use uuid::Uuid;

use super::dialect::Dialect;
use super::rows::{self, audit_columns};
use super::statement::{Statement, Value, Values};
use super::store::{SqlStore, all, first, last};

/// Adds the entry that is given as `$1` to `$13` to the audit trail, if `source` gives a row. A step adds it where it
/// has done something, in the statement or transaction that did it, so that there is never the one without the other.
macro_rules! insert_audit {
    ($($source:tt)*) => {
        concat!(
            "INSERT INTO audit_entries (id, tenant_id, at, action, outcome, actor, actor_user, subject, \
             subject_user, address, user_agent, request_id, details) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 ",
            $($source)*
        )
    };
}
pub(crate) use insert_audit;

pub(super) const ADD: &str = insert_audit!("");
/// The condition is for SQLite, where the schema refuses what would replace an entry before it comes to the conflict; the
/// conflict is for who adds the same one at the same moment.
const APPEND: &str =
    insert_audit!("WHERE NOT EXISTS (SELECT 1 FROM audit_entries WHERE id = $1) ON CONFLICT (id) DO NOTHING");

/// The entries of the tenant `$1` with an id between `$2` and `$3`, from `$4` on and before `$5`, the newest ids
/// first, at most `$6`. All that is asked besides is an equality, so that each is one range of an index.
macro_rules! range {
    ($($also:literal),*) => {
        concat!(
            "SELECT ",
            audit_columns!(),
            " FROM audit_entries WHERE tenant_id = $1 AND id > $2 AND id < $3 AND at >= $4 AND at < $5 ",
            $($also,)*
            " ORDER BY id DESC LIMIT $6"
        )
    };
}

/// The same, of what the user `$7` has done and of what was done to it.
macro_rules! of_user {
    ($also:literal) => {
        concat!(
            "SELECT * FROM (",
            range!("AND actor_user = $7 ", $also),
            ") AS acting UNION SELECT * FROM (",
            range!("AND subject_user = $7 ", $also),
            ") AS concerned ORDER BY audit_id DESC LIMIT $6"
        )
    };
}

const FIND: &str = range!();
const FIND_OF_ACTION: &str = range!("AND action = $7");
const FIND_OF_USER: &str = of_user!("");
const FIND_OF_USER_AND_ACTION: &str = of_user!("AND action = $8");
/// The position of an entry of the queue that hangs on the chain already: somebody has put it there once more. As a value, and
/// not as a condition, it is looked up for the rows of the page alone.
macro_rules! position_of_queued {
    () => {
        "(SELECT position FROM audit_links WHERE audit_links.entry_id = audit_queue.entry_id)"
    };
}

const UNLINKED: &str = concat!(
    "SELECT ",
    audit_columns!(),
    ", ",
    position_of_queued!(),
    " AS position FROM audit_queue JOIN audit_entries ON audit_entries.id = audit_queue.entry_id \
     WHERE audit_queue.entry_id > $1 ORDER BY audit_queue.entry_id LIMIT $2"
);
/// At most `$2`, and up to `$1` only, which is the last one to be linked: however long the queue is, it ends in time.
const DROP_LINKED: &str = concat!(
    "DELETE FROM audit_queue WHERE entry_id IN (SELECT entry_id FROM audit_queue WHERE entry_id <= $1 AND ",
    position_of_queued!(),
    " IS NOT NULL LIMIT $2)"
);
const LAST_LINK: &str = "SELECT position, entry_id, mac FROM audit_links ORDER BY position DESC LIMIT 1";
const READ_CHAIN: &str = concat!(
    "SELECT audit_links.position, audit_links.entry_id, audit_links.mac, \
     audit_entries.actor_user, audit_entries.subject_user, ",
    audit_columns!(),
    " FROM audit_links LEFT JOIN audit_entries ON audit_entries.id = audit_links.entry_id \
     WHERE audit_links.position > $1 ORDER BY audit_links.position LIMIT $2"
);
/// The last of the `$2` entries after `$1`, if there are as many.
const WINDOW_END: &str =
    "SELECT id AS audit_id FROM audit_entries WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2 - 1";
/// In one statement, so at one moment: an entry goes from the queue to the chain at once.
const FIND_STRAYS: &str = "SELECT id AS audit_id FROM audit_entries WHERE id > $1 AND id <= $2 \
     AND NOT EXISTS (SELECT 1 FROM audit_links \
     WHERE audit_links.entry_id = audit_entries.id AND audit_links.entry_id > $1 AND audit_links.entry_id <= $2) \
     AND NOT EXISTS (SELECT 1 FROM audit_queue WHERE audit_queue.entry_id = audit_entries.id) \
     ORDER BY id LIMIT $3";

/// How many entries one statement looks at in search of strays, of which there may be none at all, and how many it takes from
/// the queue: however long the trail is, each statement ends in time.
const WINDOW: u32 = 20_000;

#[async_trait]
impl<D: Dialect> AuditTrail for SqlStore<D> {
    async fn append(&self, entries: &[AuditEntry]) -> StoreResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write_all(entries.iter().map(|entry| audit_values(entry).for_one(APPEND))).await.map(drop)
    }

    async fn find_entries(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        let (mut found, mut before) = (Vec::new(), before);
        let (mut seen, mut is_last) = (0, false);
        while !is_last && found.len() < limit as usize {
            let page = all(&self.read(find(tenant, filter, before, limit)).await?, rows::stored_entry)?;
            is_last = page.len() < limit as usize;
            before = page.last().map(StoredEntry::id);
            seen += page.len();
            found.extend(page.into_iter().filter_map(StoredEntry::readable));
        }
        if found.len() < seen {
            let unreadable = seen - found.len();
            tracing::warn!(unreadable, "the audit trail holds entries that can't be read; they are skipped");
        }
        found.truncate(limit as usize);
        Ok(found)
    }

    /// The last link is read first: when it still is the last one as the next is laid, then nothing was linked in
    /// between, and what was read afterwards hangs nowhere.
    async fn unlinked(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Unlinked> {
        let last = first(&self.read(Statement::new(LAST_LINK)).await?, rows::audit_link)?;
        let mut after = after.unwrap_or(AuditId::from_uuid(Uuid::nil()));
        let (mut entries, mut is_last) = (Vec::new(), false);
        while !is_last && entries.len() < limit as usize {
            let page = self.read(Statement::new(UNLINKED).bind(after).bind(limit)).await?;
            is_last = page.len() < limit as usize;
            after = page.last().map(rows::audit_id).transpose()?.unwrap_or(after);
            entries.extend(all(&page, rows::waiting_entry)?.into_iter().flatten());
        }
        entries.truncate(limit as usize);
        Ok(Unlinked { entries, last })
    }

    async fn link(&self, after: i64, links: &[AuditLink]) -> StoreResult<bool> {
        let lock = D::LOCK_BY_NAME.map(|sql| Statement::new(sql).bind("audit_links"));
        let newest = links.iter().map(|link| link.entry).max();
        let drop_linked = newest.map(|newest| Statement::new(DROP_LINKED).bind(newest).bind(WINDOW));
        let lay = Values::default().bind(after).bind(links).for_each(D::LINK);
        let laid = self.write_all(lock.into_iter().chain(drop_linked).chain(lay)).await.map(last)?;
        Ok(!laid.is_empty())
    }

    async fn read_chain(&self, after: i64, limit: u32) -> StoreResult<Vec<(AuditLink, Option<StoredEntry>)>> {
        let read = Statement::new(READ_CHAIN).bind(after).bind(limit);
        all(&self.read(read).await?, |row| Ok((rows::audit_link(row)?, rows::linked_entry(row)?)))
    }

    async fn find_strays(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Vec<AuditId>> {
        let mut after = after.unwrap_or(AuditId::from_uuid(Uuid::nil()));
        let mut strays = Vec::new();
        loop {
            let window = Statement::new(WINDOW_END).bind(after).bind(WINDOW);
            let end = first(&self.read(window).await?, rows::audit_id)?;
            let until = end.unwrap_or(AuditId::from_uuid(Uuid::max()));
            let find = Statement::new(FIND_STRAYS).bind(after).bind(until).bind(limit);
            strays.extend(all(&self.read(find).await?, rows::audit_id)?);
            if strays.len() >= limit as usize || end.is_none() {
                strays.truncate(limit as usize);
                return Ok(strays);
            }
            after = until;
        }
    }
}

/// Asks for the entries of a page.
fn find(tenant: TenantId, filter: &AuditFilter, before: Option<AuditId>, limit: u32) -> Statement {
    let (oldest, newest) = ids_between(filter, before);
    let values = Values::default()
        .bind(tenant)
        .bind(oldest)
        .bind(newest)
        .bind(filter.since.unwrap_or(Timestamp::from_unix_micros(i64::MIN)))
        .bind(filter.until.unwrap_or(Timestamp::from_unix_micros(i64::MAX)))
        .bind(limit);
    match (filter.user, filter.action.map(Action::as_str)) {
        (Some(user), Some(action)) => values.bind(user).bind(action).for_one(FIND_OF_USER_AND_ACTION),
        (Some(user), None) => values.bind(user).for_one(FIND_OF_USER),
        (None, Some(action)) => values.bind(action).for_one(FIND_OF_ACTION),
        (None, None) => values.for_one(FIND),
    }
}

/// The parameters of [`insert_audit`], which are the first ones of every step that leaves an entry.
pub(super) fn audit_values(entry: &AuditEntry) -> Values {
    Values::default()
        .bind(entry.id)
        .bind(entry.tenant)
        .bind(entry.at)
        .bind(entry.action.as_str())
        .bind(entry.outcome.as_str())
        .bind(entry.actor.to_text().as_str())
        .bind(entry.actor.user())
        .bind(entry.subject.as_ref().map(Subject::to_text).as_deref())
        .bind(entry.subject.as_ref().and_then(Subject::user))
        .bind(entry.origin.address.map(|address| address.to_string()).as_deref())
        .bind(entry.origin.user_agent())
        .bind(entry.origin.request_id())
        .bind(entry.details.as_slice())
}

/// Between which two ids the entries are that are asked for: an id begins with its millisecond.
fn ids_between(filter: &AuditFilter, before: Option<AuditId>) -> (AuditId, AuditId) {
    let oldest = filter.since.map_or(AuditId::from_uuid(Uuid::nil()), AuditId::before);
    let after_last = filter.until.map(|until| AuditId::before(until + Duration::from_millis(1)));
    let newest = before.into_iter().chain(after_last).min();
    (oldest, newest.unwrap_or(AuditId::from_uuid(Uuid::max())))
}

/// A JSON array of pairs.
impl From<&[(String, String)]> for Value {
    fn from(details: &[(String, String)]) -> Self {
        serde_json::json!(details).to_string().as_str().into()
    }
}

/// A JSON array of arrays: the position, and in hexadecimal digits the entry and the keyed hash.
impl From<&[AuditLink]> for Value {
    fn from(links: &[AuditLink]) -> Self {
        let link = |link: &AuditLink| {
            (link.position, hexadecimal(link.entry.as_uuid().as_bytes()), hexadecimal(&link.mac))
        };
        let links: Vec<_> = links.iter().map(link).collect();
        serde_json::json!(links).to_string().as_str().into()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default(); // half a byte always is one
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]).collect()
}

#[cfg(all(test, feature = "postgres", feature = "sqlite", feature = "testing"))]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};

    use super::*;
    use crate::sqlite::SqliteStore;
    use crate::testing::fresh_database;

    /// Each way to ask, the indexes that must answer, and whether what they give is in order already.
    const PAGES: [(&str, &[&str], bool); 6] = [
        (FIND, &["audit_entries_p"], true), // by its own index, or the primary key
        (FIND_OF_ACTION, &["audit_entries_actions"], true),
        (FIND_OF_USER, &["audit_entries_actors", "audit_entries_subjects"], false),
        // By those of the action, too, or without for who has few entries.
        (FIND_OF_USER_AND_ACTION, &["audit_entries_actors", "audit_entries_subjects"], false),
        (UNLINKED, &["audit_queue"], true),
        (LAST_LINK, &["audit_links"], true),
    ];

    #[tokio::test]
    async fn postgres_finds_each_page_by_an_index_however_long_the_trail_is() {
        let Some(database) = fresh_database().await else { return };
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let fill = "INSERT INTO audit_entries (id, tenant_id, at, action, outcome, actor, actor_user, details) \
             SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 2), 32, '0')::uuid, n, \
             CASE WHEN n % 1000 = 1 THEN 'key.rotated' ELSE 'login.succeeded' END, 'success', 'anonymous', \
             lpad(to_hex(n % 300), 32, '0')::uuid, '[]' FROM generate_series(1, 30000) AS n; \
             INSERT INTO audit_links SELECT n, lpad(to_hex(n), 32, '0')::uuid, decode(repeat('00', 32), 'hex') \
             FROM generate_series(1, 29000) AS n; \
             DELETE FROM audit_queue WHERE entry_id IN (SELECT entry_id FROM audit_links)";
        connection.execute(fill).await.unwrap();
        connection.execute("ANALYZE").await.unwrap();
        for (sql, indexes, is_ordered) in PAGES {
            let explain = AssertSqlSafe(format!("EXPLAIN {sql}"));
            let arguments = statement(sql).arguments::<sqlx::Postgres>().unwrap();
            let rows = sqlx::query_with(explain, arguments).fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let plan = plan.join("\n");
            assert!(
                indexes.iter().all(|index| plan.contains(index)) && !plan.contains("Seq Scan"),
                "{sql}: {plan}"
            );
            assert!(!is_ordered || !plan.contains("Sort"), "{sql}: {plan}");
        }
    }

    #[tokio::test]
    async fn sqlite_finds_each_page_by_an_index() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("maestro-auth.db");
        SqliteStore::open(&file).unwrap().migrate().await.unwrap();
        let mut connection = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        for (sql, indexes, is_ordered) in PAGES {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let arguments = statement(sql).arguments::<sqlx::Sqlite>().unwrap();
            let rows = sqlx::query_with(explain, arguments).fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            let plan = plan.join("\n");
            assert!(indexes.iter().all(|index| plan.contains(index)), "{sql}: {plan}");
            assert!(!plan.contains("SCAN audit_entries"), "{sql}: {plan}");
            assert!(!is_ordered || !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }

    fn statement(sql: &'static str) -> Statement {
        let one = AuditId::from_uuid(Uuid::from_u128(1));
        let values = match sql {
            LAST_LINK => Values::default(),
            UNLINKED => Values::default().bind(Uuid::nil()).bind(100_u32),
            _ => {
                let (nobody, last) = (Uuid::nil(), Uuid::max());
                let range = Values::default().bind(TenantId::DEFAULT).bind(nobody).bind(last);
                range.bind(i64::MIN).bind(i64::MAX).bind(100_u32)
            }
        };
        match sql {
            FIND_OF_ACTION => values.bind("key.rotated").for_one(sql),
            FIND_OF_USER => values.bind(one).for_one(sql),
            FIND_OF_USER_AND_ACTION => values.bind(one).bind("login.succeeded").for_one(sql),
            _ => values.for_one(sql),
        }
    }
}
