use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maestro_auth_domain::AuditEntry;
use maestro_auth_ports::{AuditTrail, StoreResult};

use super::repeats::{NoRoom, Repeats};

/// Entries on their way into the trail. Telling never waits, and what is told takes up bounded memory, whatever the storage does.
#[derive(Default)]
pub(crate) struct Soon {
    pending: Mutex<Pending>,
    batch: tokio::sync::Mutex<Batch>,
}

#[derive(Default)]
struct Pending {
    repeats: Repeats,
    queue: VecDeque<AuditEntry>,
    /// How many found no room since somebody last asked.
    lost: u64,
    /// How many of those before them are in no entry yet, since there was no room for that either.
    untold: u64,
}

/// What is being written. It stays here until the storage has it, also when its writer goes away in between.
struct Batch {
    entries: VecDeque<AuditEntry>,
    /// How many are written at once. A storage that is too slow for so many within its time limit is given fewer.
    size: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: Soon::BATCH }
    }
}

impl Soon {
    const QUEUE: usize = 10_000;
    const BATCH: usize = 200;

    /// Lets an entry be written soon, or be counted among those that it repeats. `moment` is by the monotonic clock.
    pub(crate) fn tell(&self, entry: AuditEntry, moment: Duration) {
        let mut pending = self.pending();
        match pending.repeats.tell(entry, moment) {
            Ok(Some(news)) => pending.push(news),
            Ok(None) => {}
            Err(NoRoom) => pending.lost += 1,
        }
    }

    /// Tells how often was repeated what was first told at `until` or before.
    pub(super) fn end_repeats(&self, until: Duration) {
        let mut pending = self.pending();
        for entry in pending.repeats.end(until) {
            pending.push(entry);
        }
    }

    /// Writes everything that was told. What the storage does not take is written the next time, in the same order, half as
    /// many at once.
    pub(super) async fn write(&self, trail: &dyn AuditTrail) -> StoreResult<()> {
        let mut batch = self.batch.lock().await;
        loop {
            if batch.entries.is_empty() {
                let queue = &mut self.pending().queue;
                let next = queue.len().min(Self::BATCH);
                batch.entries.extend(queue.drain(..next));
            }
            if batch.entries.is_empty() {
                return Ok(());
            }
            batch.append_some(trail).await?;
        }
    }

    /// How many entries found no room since the last time. That is told itself, as `entry` says it, once there is room.
    pub(super) fn report_lost(&self, entry: impl FnOnce(u64) -> AuditEntry) -> u64 {
        let mut pending = self.pending();
        let lost = mem::take(&mut pending.lost);
        pending.untold += lost;
        if pending.untold > 0 && pending.queue.len() < Self::QUEUE {
            let told = entry(mem::take(&mut pending.untold));
            pending.queue.push_back(told);
        }
        lost
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    async fn append_some(&mut self, trail: &dyn AuditTrail) -> StoreResult<()> {
        let size = self.size.min(self.entries.len());
        let appended = trail.append(&self.entries.make_contiguous()[..size]).await;
        self.size = match appended {
            // By an eighth, so that few attempts are in vain with a storage that stays slow.
            Ok(()) => (self.size + self.size / 8 + 1).min(Soon::BATCH),
            Err(_) => (size / 2).max(1),
        };
        if appended.is_ok() {
            self.entries.drain(..size);
        }
        appended
    }
}

impl Pending {
    fn push(&mut self, entry: AuditEntry) {
        if self.queue.len() < Soon::QUEUE {
            self.queue.push_back(entry);
        } else {
            self.lost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::Actor;

    use super::super::repeats::tests::entry;
    use super::*;

    /// What is told of so many entries that are lost.
    fn told_of(lost: u64) -> AuditEntry {
        let details = vec![("count".to_owned(), lost.to_string())];
        AuditEntry { details, ..entry(Actor::Server, 0) }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_once_there_is_room() {
        let soon = Soon::default();
        for round in 1..=2 {
            for number in 0..8_000 {
                soon.tell(entry(Actor::Anonymous, number), Duration::from_mins(round));
            }
            soon.end_repeats(Duration::MAX);
        }
        assert_eq!(soon.pending().queue.len(), Soon::QUEUE);
        assert_eq!(soon.report_lost(told_of), 6_000);
        assert_eq!(soon.report_lost(told_of), 0, "the log is told once");
        assert_eq!(soon.pending().queue.len(), Soon::QUEUE);

        soon.pending().queue.truncate(100);
        soon.pending().lost = 3;
        assert_eq!(soon.report_lost(told_of), 3);
        assert_eq!(soon.report_lost(told_of), 0);
        assert_eq!(soon.pending().queue.len(), 101);
        assert_eq!(soon.pending().queue[100], told_of(6_003));
    }
}
