use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_domain::{AuditEntry, AuditFilter, AuditId, AuditLink, Subject, TenantId, Timestamp};
use maestro_auth_ports::{AuditTrail, StoreResult, Unlinked};
use uuid::Uuid;

use super::dialect::Dialect;
use super::rows::{self, audit_columns};
use super::statement::{Statement, Value, Values};
use super::store::{SqlStore, all, first, last};

/// Adds the entry that is given as `$1` to `$13` to the audit trail, if `source` gives a row. A step adds it where it has
/// done something, in the statement or transaction that did it, so that there is never the one without the other.
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

/// The entries of the tenant `$1` with an id between `$2` and `$3`, from `$4` on and before `$5`, the newest ids first, at
/// most `$6`. All that is asked besides is an equality, so that each is one range of an index.
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

const FIND: &str = range!();
const FIND_OF_ACTION: &str = range!("AND action = $7");
const FIND_OF_USER: &str = concat!(
    "SELECT * FROM (",
    range!("AND actor_user = $7 AND action = COALESCE($8, action)"),
    ") AS acting UNION SELECT * FROM (",
    range!("AND subject_user = $7 AND action = COALESCE($8, action)"),
    ") AS concerned ORDER BY audit_id DESC LIMIT $6"
);
const UNLINKED: &str = concat!(
    "SELECT ",
    audit_columns!(),
    " FROM audit_queue JOIN audit_entries ON audit_entries.id = audit_queue.entry_id \
     ORDER BY audit_queue.entry_id LIMIT $1"
);
const LAST_LINK: &str = "SELECT position, entry_id, mac FROM audit_links ORDER BY position DESC LIMIT 1";
const READ_CHAIN: &str = concat!(
    "SELECT audit_links.position, audit_links.entry_id, audit_links.mac, ",
    audit_columns!(),
    " FROM audit_links LEFT JOIN audit_entries ON audit_entries.id = audit_links.entry_id \
     WHERE audit_links.position > $1 ORDER BY audit_links.position LIMIT $2"
);
/// In one statement, so at one moment: an entry goes from the queue to the chain at once.
const FIND_STRAYS: &str = "SELECT id AS audit_id FROM audit_entries WHERE id > $1 \
     AND NOT EXISTS (SELECT 1 FROM audit_links WHERE audit_links.entry_id = audit_entries.id) \
     AND NOT EXISTS (SELECT 1 FROM audit_queue WHERE audit_queue.entry_id = audit_entries.id) \
     ORDER BY id LIMIT $2";

#[async_trait]
impl<D: Dialect> AuditTrail for SqlStore<D> {
    async fn append(&self, entries: &[AuditEntry]) -> StoreResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write_all(entries.iter().map(|entry| audit_values(entry).for_one(ADD))).await.map(drop)
    }

    async fn find_entries(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        let (oldest, newest) = ids_between(filter, before);
        let values = Values::default()
            .bind(tenant)
            .bind(oldest)
            .bind(newest)
            .bind(filter.since.unwrap_or(Timestamp::from_unix_micros(i64::MIN)))
            .bind(filter.until.unwrap_or(Timestamp::from_unix_micros(i64::MAX)))
            .bind(limit);
        let action = filter.action.map(|action| action.as_str());
        let find = match (filter.user, action) {
            (Some(user), action) => values.bind(user).bind(action).for_one(FIND_OF_USER),
            (None, Some(action)) => values.bind(action).for_one(FIND_OF_ACTION),
            (None, None) => values.for_one(FIND),
        };
        all(&self.read(find).await?, rows::audit_entry)
    }

    /// The last link is read first: when it still is the last one as the next is laid, then nothing was linked in between, and
    /// what was read afterwards hangs nowhere.
    async fn unlinked(&self, limit: u32) -> StoreResult<Unlinked> {
        let last = first(&self.read(Statement::new(LAST_LINK)).await?, rows::audit_link)?;
        let waiting = self.read(Statement::new(UNLINKED).bind(limit)).await?;
        Ok(Unlinked { entries: all(&waiting, rows::audit_entry)?, last })
    }

    async fn link(&self, after: i64, links: &[AuditLink]) -> StoreResult<bool> {
        let lock = D::LOCK_BY_NAME.map(|sql| Statement::new(sql).bind("audit_links"));
        let lay = Values::default().bind(after).bind(links).for_each(D::LINK);
        let laid = self.write_all(lock.into_iter().chain(lay)).await.map(last)?;
        Ok(!laid.is_empty())
    }

    async fn read_chain(&self, after: i64, limit: u32) -> StoreResult<Vec<(AuditLink, Option<AuditEntry>)>> {
        let read = Statement::new(READ_CHAIN).bind(after).bind(limit);
        all(&self.read(read).await?, |row| Ok((rows::audit_link(row)?, rows::linked_entry(row)?)))
    }

    async fn find_strays(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Vec<AuditId>> {
        let after = after.unwrap_or(AuditId::from_uuid(Uuid::nil()));
        let find = Statement::new(FIND_STRAYS).bind(after).bind(limit);
        all(&self.read(find).await?, rows::audit_id)
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
            let mac: String = link.mac.iter().map(|byte| format!("{byte:02x}")).collect();
            (link.position, link.entry.as_uuid().simple().to_string(), mac)
        };
        let links: Vec<_> = links.iter().map(link).collect();
        serde_json::json!(links).to_string().as_str().into()
    }
}
