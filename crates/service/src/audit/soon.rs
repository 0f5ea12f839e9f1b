use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maestro_auth_domain::AuditEntry;
use maestro_auth_ports::{AuditTrail, StoreResult};

use super::repeats::{NoRoom, Repeats};

/// Entries on their way into the trail. Telling never waits, and what is told takes up bounded memory, whatever the storage does.
#[derive(Default)]
pub(crate) struct Soon {
    pending: Mutex<Pending>,
    /// What is being written. It stays here until the storage has it, also when its writer goes away in between.
    batch: tokio::sync::Mutex<Vec<AuditEntry>>,
}

#[derive(Default)]
struct Pending {
    repeats: Repeats,
    queue: VecDeque<AuditEntry>,
    /// How many found no room since somebody last asked.
    lost: u64,
}

impl Soon {
    const QUEUE: usize = 10_000;
    const BATCH: usize = 500;

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

    /// Writes everything that was told. What the storage does not take is written the next time, in the same order.
    pub(super) async fn write(&self, trail: &dyn AuditTrail) -> StoreResult<()> {
        let mut batch = self.batch.lock().await;
        loop {
            if batch.is_empty() {
                let queue = &mut self.pending().queue;
                let next = queue.len().min(Self::BATCH);
                batch.extend(queue.drain(..next));
            }
            if batch.is_empty() {
                return Ok(());
            }
            trail.append(&batch).await?;
            batch.clear();
        }
    }

    /// How many entries found no room since the last time.
    pub(super) fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.pending().lost)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn what_finds_no_room_is_counted() {
        let soon = Soon::default();
        for round in 1..=2 {
            for number in 0..8_000 {
                soon.tell(entry(Actor::Anonymous, number), Duration::from_mins(round));
            }
            soon.end_repeats(Duration::MAX);
        }
        assert_eq!(soon.pending().queue.len(), Soon::QUEUE);
        assert_eq!(soon.take_lost(), 6_000);
        assert_eq!(soon.take_lost(), 0);
    }
}
