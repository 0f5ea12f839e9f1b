use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use async_trait::async_trait;
use maestro_auth_domain::{BlacklistEntry, Revoked, Timestamp};
use maestro_auth_ports::{BlacklistCursor, BlacklistPage, BlacklistWakeups, StoreResult, TokenBlacklist};

use super::MemoryStore;
use crate::log_name::LogName;
use crate::wakeups::LocalWakeups;

/// The log of entries, by their positions.
#[derive(Default)]
pub(super) struct Blacklist {
    name: LogName,
    entries: BTreeMap<u64, BlacklistEntry>,
    last_position: u64,
    by_end: BTreeSet<(Timestamp, u64)>,
    /// How many entries revoke the same.
    counts: HashMap<Revoked, usize>,
    wakeups: LocalWakeups,
}

impl Blacklist {
    pub(super) fn add(&mut self, entry: BlacklistEntry) {
        self.last_position += 1;
        self.entries.insert(self.last_position, entry);
        self.by_end.insert((entry.until, self.last_position));
        *self.counts.entry(entry.revoked).or_default() += 1;
        self.wakeups.wake();
    }

    pub(super) fn contains(&self, revoked: Revoked) -> bool {
        self.counts.contains_key(&revoked)
    }

    fn forget_first_expired(&mut self, before: Timestamp) -> bool {
        let Some(&(end, position)) = self.by_end.first() else { return false };
        if end >= before {
            return false;
        }
        self.by_end.pop_first();
        if let Some(BlacklistEntry { revoked, .. }) = self.entries.remove(&position) {
            self.uncount(revoked);
        }
        true
    }

    fn uncount(&mut self, revoked: Revoked) {
        if let Some(count) = self.counts.get_mut(&revoked) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&revoked);
            }
        }
    }
}

#[async_trait]
impl TokenBlacklist for MemoryStore {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        let blacklist = &mut self.state()?.blacklist;
        for entry in entries {
            blacklist.add(*entry);
        }
        Ok(())
    }

    /// One lock orders the writers, so the cursor is the log with the position of the last entry that was read.
    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        let blacklist = &self.state()?.blacklist;
        let name = blacklist.name;
        let known = after.map(|cursor| name.position_in(cursor.as_str()));
        let starts_over = known == Some(None);
        let after = known.flatten().unwrap_or(0);
        let later = blacklist.entries.range((Bound::Excluded(after), Bound::Unbounded));
        let (positions, entries): (Vec<u64>, Vec<BlacklistEntry>) = later.take(limit as usize).unzip();
        let last_read = positions.last().copied().unwrap_or(after);
        let is_complete = blacklist.entries.last_key_value().is_none_or(|(last, _)| *last <= last_read);
        let next = BlacklistCursor::new(name.cursor(last_read));
        Ok(BlacklistPage { entries, next, starts_over, is_complete })
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let blacklist = &mut self.state()?.blacklist;
        let mut forgotten = 0;
        while forgotten < u64::from(limit) && blacklist.forget_first_expired(before) {
            forgotten += 1;
        }
        Ok(forgotten)
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        Ok(self.state()?.blacklist.wakeups.subscribe())
    }
}
