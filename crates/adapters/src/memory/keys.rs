use std::cmp::Reverse;

use async_trait::async_trait;
use maestro_auth_domain::Timestamp;
use maestro_auth_ports::{SigningKeyRecord, SigningKeyRepository, StoreResult};

use super::MemoryStore;

#[async_trait]
impl SigningKeyRepository for MemoryStore {
    async fn list_keys(&self, now: Timestamp) -> StoreResult<Vec<SigningKeyRecord>> {
        Ok(published(&self.state()?.keys, now))
    }

    async fn ensure_key(
        &self,
        candidate: SigningKeyRecord,
        retire_others_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Vec<SigningKeyRecord>> {
        let keys = &mut self.state()?.keys;
        let wanted = candidate.public.algorithm;
        retire(keys.iter_mut().filter(|key| key.public.algorithm != wanted), retire_others_at);
        // Every key without an end is of the wanted algorithm by now.
        if keys.iter().all(|key| key.public.retires_at.is_some()) {
            keys.push(candidate);
        }
        Ok(published(keys, now))
    }

    async fn rotate_key(&self, next: SigningKeyRecord, retire_others_at: Timestamp) -> StoreResult<()> {
        let keys = &mut self.state()?.keys;
        retire(keys.iter_mut(), retire_others_at);
        keys.push(next);
        Ok(())
    }

    async fn forget_retired_keys(&self, before: Timestamp) -> StoreResult<u64> {
        let keys = &mut self.state()?.keys;
        let count = keys.len();
        keys.retain(|key| key.public.retires_at.is_none_or(|end| end >= before));
        Ok((count - keys.len()) as u64)
    }
}

/// Gives an end to the keys that have none.
fn retire<'a>(keys: impl Iterator<Item = &'a mut SigningKeyRecord>, end: Timestamp) {
    for key in keys {
        key.public.retires_at.get_or_insert(end);
    }
}

/// The keys that have not retired by `now`, newest `active_from` first.
fn published(keys: &[SigningKeyRecord], now: Timestamp) -> Vec<SigningKeyRecord> {
    let is_published = |key: &&SigningKeyRecord| key.public.retires_at.is_none_or(|end| now < end);
    let mut published: Vec<_> = keys.iter().filter(is_published).cloned().collect();
    published.sort_by_key(|key| Reverse(key.public.active_from));
    published
}
