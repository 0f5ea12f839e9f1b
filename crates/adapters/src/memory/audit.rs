use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_domain::{Action, AuditEntry, AuditFilter, AuditId, AuditLink, Subject, TenantId, UserId};
use maestro_auth_ports::{AuditTrail, StoreResult, StoredEntry, Unlinked};

use super::MemoryStore;

/// All entries, what finds them without a search, and the chain that they hang on.
#[derive(Default)]
pub(super) struct Trail {
    entries: BTreeMap<AuditId, AuditEntry>,
    by_key: HashMap<(TenantId, Key), BTreeSet<AuditId>>,
    /// The entries that do not hang on the chain yet.
    queue: BTreeSet<AuditId>,
    chain: Vec<AuditLink>,
}

/// By what the entries of a tenant are found.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    All,
    Action(Action),
    /// The actor or the subject.
    User(UserId),
}

impl Trail {
    /// Adds an entry. One whose id is there already is never changed.
    pub(super) fn add(&mut self, entry: AuditEntry) {
        if self.entries.contains_key(&entry.id) {
            return;
        }
        let users = [entry.actor.user(), entry.subject.as_ref().and_then(Subject::user)];
        let users = users.into_iter().flatten().map(Key::User);
        for key in users.chain([Key::All, Key::Action(entry.action)]) {
            self.by_key.entry((entry.tenant, key)).or_default().insert(entry.id);
        }
        self.queue.insert(entry.id);
        self.entries.insert(entry.id, entry);
    }

    fn entry(&self, id: AuditId) -> Option<StoredEntry> {
        self.entries.get(&id).cloned().map(StoredEntry::Readable)
    }

    fn last_position(&self) -> i64 {
        self.chain.last().map_or(0, |link| link.position)
    }
}

/// Before which id the entries are that the filter asks for: ids begin with the millisecond of their time, so that no page looks
/// at what came later.
fn ids_before(filter: &AuditFilter, before: Option<AuditId>) -> Option<AuditId> {
    let end = filter.until.map(|until| AuditId::before(until + Duration::from_millis(1)));
    before.into_iter().chain(end).min()
}

#[async_trait]
impl AuditTrail for MemoryStore {
    async fn append(&self, entries: &[AuditEntry]) -> StoreResult<()> {
        let trail = &mut self.state()?.audit;
        for entry in entries {
            trail.add(entry.clone());
        }
        Ok(())
    }

    async fn find_entries(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        let trail = &self.state()?.audit;
        let key = match filter {
            AuditFilter { user: Some(user), .. } => Key::User(*user),
            AuditFilter { action: Some(action), .. } => Key::Action(*action),
            AuditFilter { .. } => Key::All,
        };
        let Some(ids) = trail.by_key.get(&(tenant, key)) else { return Ok(Vec::new()) };
        let newest_first = match ids_before(filter, before) {
            Some(before) => ids.range(..before).rev(),
            None => ids.range(..).rev(),
        };
        let start = filter.since.map(AuditId::before);
        let asked_for = newest_first.take_while(|id| start.is_none_or(|start| **id >= start));
        let entries = asked_for.filter_map(|id| trail.entries.get(id));
        Ok(entries.filter(|entry| filter.matches(entry)).take(limit as usize).cloned().collect())
    }

    async fn unlinked(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Unlinked> {
        let trail = &self.state()?.audit;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let oldest_first = trail.queue.range((start, Bound::Unbounded)).take(limit as usize);
        let entries = oldest_first.filter_map(|id| trail.entry(*id)).collect();
        Ok(Unlinked { entries, last: trail.chain.last().copied() })
    }

    async fn link(&self, after: i64, links: &[AuditLink]) -> StoreResult<bool> {
        let trail = &mut self.state()?.audit;
        if trail.last_position() != after {
            return Ok(false);
        }
        for link in links {
            trail.queue.remove(&link.entry);
            trail.chain.push(*link);
        }
        Ok(true)
    }

    async fn read_chain(&self, after: i64, limit: u32) -> StoreResult<Vec<(AuditLink, Option<StoredEntry>)>> {
        let trail = &self.state()?.audit;
        let read = trail.chain.partition_point(|link| link.position <= after);
        let links = trail.chain[read..].iter().take(limit as usize);
        Ok(links.map(|link| (*link, trail.entry(link.entry))).collect())
    }

    /// There is no way into memory but by this port, so nobody else has put anything there.
    async fn find_strays(&self, _after: Option<AuditId>, _limit: u32) -> StoreResult<Vec<AuditId>> {
        Ok(Vec::new())
    }
}
