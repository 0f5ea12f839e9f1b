use std::sync::Arc;

use maestro_auth_domain::{KeyId, Timestamp};
use maestro_auth_ports::{PublicKey, SigningKeyRecord};

use super::key::SigningKey;
use super::{KeyRingError, SealingKey};

/// The keys of one moment, newest first, and which ones are known to be revoked. They are few, so they are searched one by
/// one.
#[derive(Clone)]
pub(super) struct Keys {
    keys: Vec<Arc<SigningKey>>,
    /// In the order in which they became known; none of them is among the keys.
    revoked: Vec<KeyId>,
}

impl Keys {
    /// How many revoked keys are remembered. So many later, no load that began before the first was revoked is still on its way.
    pub(super) const MAX_REVOKED: usize = 1_000;

    /// Opens stored keys; refuses all of them when one can't be opened, since then somebody else has had a hand in it.
    pub(super) fn open(records: &[SigningKeyRecord], sealing_key: &SealingKey) -> Result<Self, KeyRingError> {
        let keys =
            records.iter().map(|record| open(record, sealing_key).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { keys, revoked: Vec::new() })
    }

    /// These keys, which were loaded while `former` were in use, without those that are known to be revoked: the load may
    /// show what was stored before.
    pub(super) fn in_place_of(&self, former: &Self) -> Self {
        let is_left = |key: &&Arc<SigningKey>| !former.is_revoked(key.public.kid);
        Self { keys: self.keys.iter().filter(is_left).cloned().collect(), revoked: former.revoked.clone() }
    }

    /// The keys after `revoked` was revoked.
    pub(super) fn without(&self, revoked: KeyId) -> Self {
        let mut left = self.clone();
        left.keys.retain(|key| key.public.kid != revoked);
        if !left.is_revoked(revoked) {
            left.revoked.push(revoked);
            left.revoked.drain(..left.revoked.len().saturating_sub(Self::MAX_REVOKED));
        }
        left
    }

    /// The key called `kid`, retired or not.
    pub(super) fn find(&self, kid: KeyId) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.public.kid == kid).map(|key| &**key)
    }

    pub(super) fn is_revoked(&self, kid: KeyId) -> bool {
        self.revoked.contains(&kid)
    }

    /// Whether these accept a key that `others` do not, or for longer.
    pub(super) fn accept_more_than(&self, others: &Self) -> bool {
        let end = |key: &SigningKey| (key.public.retires_at.is_none(), key.public.retires_at);
        self.keys.iter().any(|key| others.find(key.public.kid).is_none_or(|other| end(other) < end(key)))
    }

    /// The key that signs at `now`: of those that are active, the one without an end, else the one that ends last, however
    /// rotations overlap. Where none is active yet, the oldest: the clock of the instance that made the first one may be ahead,
    /// and the one before a coming one may have been revoked.
    pub(super) fn signer(&self, now: Timestamp) -> Option<&SigningKey> {
        let accepted = || self.keys.iter().filter(|key| !key.is_retired(now));
        let active = accepted().filter(|key| key.public.active_from <= now);
        let end = |key: &&Arc<SigningKey>| (key.public.retires_at.is_none(), key.public.retires_at);
        active.max_by_key(end).or_else(|| accepted().next_back()).map(|key| &**key)
    }

    /// What the JWKS shows at `now`.
    pub(super) fn published(&self, now: Timestamp) -> Vec<PublicKey> {
        self.keys.iter().filter(|key| !key.is_retired(now)).map(|key| key.public.clone()).collect()
    }
}

fn open(record: &SigningKeyRecord, sealing_key: &SealingKey) -> Result<SigningKey, KeyRingError> {
    let stored = &record.public;
    let cannot_open = || KeyRingError::CannotOpen { kid: stored.kid };

    let private_key = sealing_key.open(stored.kid, &record.sealed_private_key).map_err(|_| cannot_open())?;
    let mut key = SigningKey::new(stored.algorithm, &private_key, stored.created_at, stored.active_from)
        .map_err(|_| cannot_open())?;
    if key.public.kid != stored.kid {
        return Err(cannot_open());
    }
    key.public.retires_at = stored.retires_at;
    Ok(key)
}
