use maestro_auth_domain::Timestamp;
use maestro_auth_ports::{PublicKey, SigningKeyRecord};

use super::key::SigningKey;
use super::{KeyRingError, SealingKey};

/// The keys of one moment, newest first. They are few, so they are searched one by one.
pub(super) struct Keys(Vec<SigningKey>);

impl Keys {
    /// Opens stored keys; refuses all of them when one can't be opened, since then somebody else has had a hand in it.
    pub(super) fn open(records: &[SigningKeyRecord], sealing_key: &SealingKey) -> Result<Self, KeyRingError> {
        records.iter().map(|record| open(record, sealing_key)).collect::<Result<_, _>>().map(Self)
    }

    /// The key called `kid`, retired or not.
    pub(super) fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.public.kid == kid)
    }

    /// Whether these accept a key that `others` do not, or for longer.
    pub(super) fn accept_more_than(&self, others: &Self) -> bool {
        let end = |key: &SigningKey| (key.public.retires_at.is_none(), key.public.retires_at);
        self.0.iter().any(|key| others.find(&key.public.kid).is_none_or(|other| end(other) < end(key)))
    }

    /// The key that signs at `now`: of those that are active, the one without an end, else the one that ends last, however
    /// rotations overlap. Where none is active yet, because the clock of the instance that made the first one is ahead,
    /// the oldest.
    pub(super) fn signer(&self, now: Timestamp) -> Option<&SigningKey> {
        let active = self.0.iter().filter(|key| key.public.active_from <= now);
        let never_ends = |key: &&SigningKey| key.public.retires_at.is_none();
        let end = |key: &&SigningKey| (never_ends(key), key.public.retires_at);
        active.max_by_key(end).or(self.0.last())
    }

    /// What the JWKS shows at `now`.
    pub(super) fn published(&self, now: Timestamp) -> Vec<PublicKey> {
        self.0.iter().filter(|key| !key.is_retired(now)).map(|key| key.public.clone()).collect()
    }
}

fn open(record: &SigningKeyRecord, sealing_key: &SealingKey) -> Result<SigningKey, KeyRingError> {
    let stored = &record.public;
    let cannot_open = || KeyRingError::CannotOpen { kid: stored.kid.clone() };

    let private_key = sealing_key.open(&stored.kid, &record.sealed_private_key).map_err(|_| cannot_open())?;
    let mut key = SigningKey::new(stored.algorithm, &private_key, stored.created_at, stored.active_from)
        .map_err(|_| cannot_open())?;
    if key.public.kid != stored.kid {
        return Err(cannot_open());
    }
    key.public.retires_at = stored.retires_at;
    Ok(key)
}
