use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use maestro_auth_domain::{KeyId, RevocationTime};
use maestro_auth_ports::{
    Algorithm, Clock, Effects, Entropy, PublicKey, RevokeKeyOutcome, RotationEffects, SignatureCheck, Signed,
    SigningKeyRepository, StoreError, StoreResult, TokenSigner, TokenType,
};
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use super::keys::Keys;
use super::{KeyRingError, SealingKey, key};

/// Which keys sign, and for how long they are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRingSettings {
    /// What new keys sign with.
    pub algorithm: Algorithm,
    /// How long before its first signature a key is published: longer than anyone caches the published keys (300 s), with
    /// the time that other instances take to notice it.
    pub publish_ahead: Duration,
    /// How long after its last signature a key is accepted: the longest life of any token, with the leeway.
    pub retire_after: Duration,
}

/// The signing keys, as this instance knows them.
///
/// What other instances do to the keys shows with [`KeyRing::reload`], which belongs into a periodic task; a token with a
/// key id that is unknown here triggers it, too. [`KeyRing::replace_dropped`] belongs beside it.
pub struct KeyRing {
    store: Arc<dyn SigningKeyRepository>,
    sealing_key: SealingKey,
    settings: KeyRingSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: ArcSwap<Keys>,
    /// Counts the times that keys were taken away.
    revision: AtomicU64,
    /// That keys must be loaded soon, since one that was in use is gone.
    load_soon: Notify,
    /// Held while keys are loaded, so that one load serves all who wait for it and none overtakes another.
    last_load: Mutex<Load>,
    loads_begun: AtomicU64,
}

/// When the last load of the keys began, and whether it worked.
#[derive(Clone, Copy)]
struct Load {
    begun_at: Instant,
    succeeded: bool,
}

impl KeyRing {
    /// The least time between two loads that unknown key ids cause; so long such a token waits for its answer at most.
    const LOOK_UP_PAUSE: Duration = Duration::from_millis(250);
    /// How long after a failure the successor of a dropped key is looked for again.
    const RETRY_PAUSE: Duration = Duration::from_secs(1);

    /// Loads the keys, and makes one if none of the configured algorithm goes on signing.
    pub async fn open(
        store: Arc<dyn SigningKeyRepository>,
        sealing_key: SealingKey,
        settings: KeyRingSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeyRingError> {
        // Before anything is stored: a key that was sealed under a wrong encryption key would lock the right one out.
        let ring = Self::load_only(store, sealing_key, settings, clock, entropy).await?;
        ring.ensure_key().await?;
        Ok(ring)
    }

    /// Loads the keys that there are, for work that signs nothing. It may change them.
    pub async fn load_only(
        store: Arc<dyn SigningKeyRepository>,
        sealing_key: SealingKey,
        settings: KeyRingSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeyRingError> {
        let begun_at = Instant::now();
        let records = store.list_keys(clock.now()).await?;
        let keys = ArcSwap::from_pointee(Keys::open(&records, &sealing_key)?);
        let last_load = Mutex::new(Load { begun_at, succeeded: true });
        Ok(Self {
            store,
            sealing_key,
            settings,
            clock,
            entropy,
            keys,
            revision: AtomicU64::new(0),
            load_soon: Notify::new(),
            last_load,
            loads_begun: AtomicU64::new(0),
        })
    }

    /// Takes over what other instances did to the keys.
    pub async fn reload(&self) -> Result<(), KeyRingError> {
        self.load(&mut *self.last_load.lock().await).await
    }

    /// Takes over the successor of each key that is dropped: it is stored by then, and may be what signs from now on.
    pub async fn replace_dropped(&self) -> Infallible {
        loop {
            self.load_soon.notified().await;
            while let Err(error) = self.reload().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the signing keys were not loaded after one was dropped"
                );
                tokio::time::sleep(Self::RETRY_PAUSE).await;
            }
        }
    }

    /// Lets the store forget the keys that have retired.
    pub async fn forget_retired(&self) -> StoreResult<u64> {
        self.store.forget_retired_keys(self.clock.now()).await
    }

    async fn ensure_key(&self) -> Result<(), KeyRingError> {
        let KeyRingSettings { algorithm, publish_ahead, retire_after } = self.settings;
        let now = self.clock.now();
        let published = self.public_keys();
        let goes_on = |key: &PublicKey| key.algorithm == algorithm && key.retires_at.is_none();
        if published.iter().any(goes_on) {
            return Ok(());
        }
        // Nobody can have cached what was never published, so the very first key signs at once.
        let ahead = if published.is_empty() { Duration::ZERO } else { publish_ahead };
        let candidate = key::make(algorithm, &self.sealing_key, &*self.entropy, now, now + ahead).await?;
        let records = self.store.ensure_key(candidate, now + ahead + retire_after, now).await?;
        self.replace_keys(&Keys::open(&records, &self.sealing_key)?);
        Ok(())
    }

    /// Takes over what this instance has changed in the store. It is changed either way, so whoever asked for that is not told
    /// of a failure.
    async fn take_over_own_change(&self) {
        if let Err(error) = self.reload().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the signing keys were not loaded after they were changed");
            self.load_soon.notify_one();
        }
    }

    async fn load(&self, last_load: &mut Load) -> Result<(), KeyRingError> {
        // A failure until the opposite is known: a caller may give up half-way.
        *last_load = Load { begun_at: Instant::now(), succeeded: false };
        self.loads_begun.fetch_add(1, Ordering::SeqCst);
        let records = self.store.list_keys(self.clock.now()).await?;
        self.replace_keys(&Keys::open(&records, &self.sealing_key)?);
        last_load.succeeded = true;
        Ok(())
    }

    fn replace_keys(&self, loaded: &Keys) {
        let former = self.keys.rcu(|former| loaded.in_place_of(former));
        // Only afterwards, so that no verdict by the former keys is taken for one by these.
        if former.accept_more_than(&self.keys.load()) {
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Takes a key away for good, and says whether it was in use here.
    fn take_away(&self, key: KeyId) -> bool {
        let former = self.keys.rcu(|former| former.without(key));
        let was_in_use = former.find(key).is_some();
        if was_in_use {
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
        was_in_use
    }

    /// Whether another instance may have made the key.
    fn is_unheard_of(&self, key: KeyId) -> bool {
        let keys = self.keys.load();
        keys.find(key).is_none() && !keys.is_revoked(key)
    }

    /// Looks for a key that another instance may have made.
    ///
    /// However many ask, the keys are loaded at most once in [`Self::LOOK_UP_PAUSE`], and everybody gets the answer of a load
    /// that began after they asked; so no flood of made-up key ids gets the token of a new key refused.
    async fn look_up(&self) -> StoreResult<()> {
        let begun_before = self.loads_begun.load(Ordering::SeqCst);
        let mut last_load = self.last_load.lock().await;
        if self.loads_begun.load(Ordering::SeqCst) == begun_before {
            tokio::time::sleep_until(last_load.begun_at + Self::LOOK_UP_PAUSE).await;
            self.load(&mut last_load).await.map_err(KeyRingError::into_store_error)
        } else if last_load.succeeded {
            Ok(())
        } else {
            Err(StoreError::unavailable("the signing keys could not be loaded a moment ago"))
        }
    }
}

#[async_trait]
impl TokenSigner for KeyRing {
    fn sign(&self, token_type: TokenType, claims: &[u8]) -> Result<Signed, StoreError> {
        let keys = self.keys.load();
        let signer = keys.signer(self.clock.now());
        let signer = signer.ok_or_else(|| StoreError::unavailable("there is no signing key"))?;
        signer.sign(token_type, claims).map_err(StoreError::unavailable)
    }

    async fn check(
        &self,
        kid: &str,
        alg: &str,
        signing_input: &str,
        signature: &[u8],
    ) -> StoreResult<SignatureCheck> {
        // Nothing but a thumbprint is ever looked up (SEC-38), and what was revoked does not come back.
        let Some(kid) = KeyId::parse(kid) else { return Ok(SignatureCheck::UnknownKey) };
        if self.is_unheard_of(kid) {
            self.look_up().await?;
        }
        Ok(match self.keys.load().find(kid) {
            Some(key) if !key.is_retired(self.clock.now()) => key.check(alg, signing_input, signature),
            _ => SignatureCheck::UnknownKey,
        })
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    fn public_keys(&self) -> Vec<PublicKey> {
        self.keys.load().published(self.clock.now())
    }

    fn drop_key(&self, key: KeyId) {
        if self.take_away(key) {
            self.load_soon.notify_one();
        }
    }

    async fn rotate(&self, at_once: bool, effects: RotationEffects<'_>) -> StoreResult<PublicKey> {
        let KeyRingSettings { algorithm, publish_ahead, retire_after } = self.settings;
        let ahead = if at_once { Duration::ZERO } else { publish_ahead };
        let now = self.clock.now();
        let next = key::make(algorithm, &self.sealing_key, &*self.entropy, now, now + ahead)
            .await
            .map_err(KeyRingError::into_store_error)?;
        let public = next.public.clone();
        self.store.rotate_key(next, now + ahead + retire_after, effects(&public)).await?;
        self.take_over_own_change().await;
        tracing::info!(kid = %public.kid, %algorithm, at_once, "signing keys rotated");
        Ok(public)
    }

    async fn revoke(
        &self,
        key: KeyId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeKeyOutcome> {
        // It signs at once, unpublished as it is: what it replaces is worth nothing any more.
        let algorithm = self.settings.algorithm;
        let successor = key::make(algorithm, &self.sealing_key, &*self.entropy, when.at, when.at)
            .await
            .map_err(KeyRingError::into_store_error)?;
        let outcome = self.store.revoke_key(key, successor, when, effects).await?;
        if outcome == RevokeKeyOutcome::Revoked {
            self.take_away(key); // before the load, which may fail
            self.take_over_own_change().await;
        }
        Ok(outcome)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
