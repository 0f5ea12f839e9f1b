use std::cmp::Reverse;

use async_trait::async_trait;
use maestro_auth_domain::{BlacklistEntry, KeyId, RevocationTime, Revoked, TenantId, Timestamp};
use maestro_auth_ports::{Effects, RevokeKeyOutcome, SigningKeyRecord, SigningKeyRepository, StoreResult};

use super::{MemoryStore, State};

impl State {
    pub(super) fn has_key(&self, kid: KeyId) -> bool {
        self.keys.iter().any(|key| key.public.kid == kid)
    }
}

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
        go_on_with(keys, candidate);
        Ok(published(keys, now))
    }

    async fn rotate_key(
        &self,
        next: SigningKeyRecord,
        retire_others_at: Timestamp,
        effects: Effects,
    ) -> StoreResult<()> {
        let state = &mut *self.state()?;
        retire(state.keys.iter_mut(), retire_others_at);
        state.keys.push(next);
        state.audit.add(effects.audit);
        Ok(())
    }

    async fn revoke_key(
        &self,
        key: KeyId,
        successor: SigningKeyRecord,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeKeyOutcome> {
        let state = &mut *self.state()?;
        if !state.has_key(key) {
            return Ok(RevokeKeyOutcome::Unknown);
        }
        state.keys.retain(|kept| kept.public.kid != key);
        go_on_with(&mut state.keys, successor);
        // Keys belong to the server; the default tenant stands for all.
        let revoked = Revoked::Key(key);
        state.blacklist.add(BlacklistEntry { tenant: TenantId::DEFAULT, revoked, until: when.until });
        state.audit.add(effects.audit);
        Ok(RevokeKeyOutcome::Revoked)
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

/// Stores the key if there is none without an end.
fn go_on_with(keys: &mut Vec<SigningKeyRecord>, successor: SigningKeyRecord) {
    if keys.iter().all(|key| key.public.retires_at.is_some()) {
        keys.push(successor);
    }
}

/// The keys that have not retired by `now`, newest `active_from` first.
fn published(keys: &[SigningKeyRecord], now: Timestamp) -> Vec<SigningKeyRecord> {
    let is_published = |key: &&SigningKeyRecord| key.public.retires_at.is_none_or(|end| now < end);
    let mut published: Vec<_> = keys.iter().filter(is_published).cloned().collect();
    published.sort_by_key(|key| Reverse(key.public.active_from));
    published
}
