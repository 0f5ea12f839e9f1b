use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use aws_lc_rs::error::Unspecified;
use maestro_auth_domain::Timestamp;
use maestro_auth_ports::{
    Algorithm, Clock, Entropy, PublicKey, SignatureCheck, SigningKeyRecord, SigningKeyRepository, StoreError,
    StoreResult, TokenSigner, TokenType,
};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::task::{self, JoinError};
use tokio::time::Instant;

use super::SealingKey;
use super::key::{self, SigningKey};
use super::keys::Keys;

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

/// Why keys could not be loaded or made.
#[derive(Debug, Error)]
pub enum KeyRingError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored key was sealed under another encryption key, belongs to another row, or was changed (SEC-116).
    #[error("the encryption key does not open signing key {kid}")]
    CannotOpen {
        /// Which key.
        kid: String,
    },
    /// The cryptographic library made no key.
    #[error("no signing key could be made")]
    Generate(#[from] Unspecified),
    /// The cryptographic library does not take the key that it made.
    #[error("the new signing key is unusable")]
    Unusable(#[from] jsonwebtoken::errors::Error),
    /// The process is stopping.
    #[error("the making of a signing key was interrupted")]
    Interrupted(#[from] JoinError),
}

/// The signing keys, as this instance knows them.
///
/// What other instances do to the keys shows with [`KeyRing::reload`], which belongs into a periodic task; a token with a
/// key id that is unknown here triggers it, too.
pub struct KeyRing {
    store: Arc<dyn SigningKeyRepository>,
    sealing_key: SealingKey,
    settings: KeyRingSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: ArcSwap<Keys>,
    /// Counts the times that keys were taken away.
    revision: AtomicU64,
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
    /// A key id is a SHA-256 thumbprint in base64url; nothing else is ever looked up (SEC-38).
    const KID_LENGTH: usize = 43;

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

    /// Loads the keys that there are, for work that signs nothing.
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
        let loads_begun = AtomicU64::new(0);
        let revision = AtomicU64::new(0);
        Ok(Self { store, sealing_key, settings, clock, entropy, keys, revision, last_load, loads_begun })
    }

    /// Makes a key that is published now and signs after `publish_ahead`: no token is refused by anyone.
    pub async fn rotate(&self) -> Result<PublicKey, KeyRingError> {
        self.rotate_after(self.settings.publish_ahead).await
    }

    /// Makes a key that signs at once. Verifiers that cache the published keys refuse its tokens until they look again.
    pub async fn rotate_now(&self) -> Result<PublicKey, KeyRingError> {
        self.rotate_after(Duration::ZERO).await
    }

    /// Takes over what other instances did to the keys.
    pub async fn reload(&self) -> Result<(), KeyRingError> {
        self.load(&mut *self.last_load.lock().await).await
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
        let candidate = make_key(algorithm, &self.sealing_key, &*self.entropy, now, now + ahead).await?;
        let records = self.store.ensure_key(candidate, now + ahead + retire_after, now).await?;
        self.replace_keys(Keys::open(&records, &self.sealing_key)?);
        Ok(())
    }

    async fn rotate_after(&self, ahead: Duration) -> Result<PublicKey, KeyRingError> {
        let KeyRingSettings { algorithm, retire_after, .. } = self.settings;
        let now = self.clock.now();
        let next = make_key(algorithm, &self.sealing_key, &*self.entropy, now, now + ahead).await?;
        let public = next.public.clone();
        self.store.rotate_key(next, now + ahead + retire_after).await?;
        self.reload().await?;
        tracing::info!(kid = public.kid, %algorithm, "signing keys rotated");
        Ok(public)
    }

    async fn load(&self, last_load: &mut Load) -> Result<(), KeyRingError> {
        // A failure until the opposite is known: a caller may give up half-way.
        *last_load = Load { begun_at: Instant::now(), succeeded: false };
        self.loads_begun.fetch_add(1, Ordering::SeqCst);
        let records = self.store.list_keys(self.clock.now()).await?;
        self.replace_keys(Keys::open(&records, &self.sealing_key)?);
        last_load.succeeded = true;
        Ok(())
    }

    fn replace_keys(&self, keys: Keys) {
        let former = self.keys.swap(Arc::new(keys));
        // Only afterwards, so that no verdict by the former keys is taken for one by these.
        if former.accept_more_than(&self.keys.load()) {
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Looks for a key that another instance may have made.
    ///
    /// However many ask, the keys are loaded at most once in [`Self::LOOK_UP_PAUSE`], and everybody gets the answer of a load
    /// that began after they asked; so no flood of made-up key ids gets the token of a new key refused.
    async fn look_up(&self, kid: &str) -> StoreResult<()> {
        let is_kid_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if kid.len() != Self::KID_LENGTH || !kid.bytes().all(is_kid_byte) {
            return Ok(());
        }
        let begun_before = self.loads_begun.load(Ordering::SeqCst);
        let mut last_load = self.last_load.lock().await;
        if self.loads_begun.load(Ordering::SeqCst) == begun_before {
            tokio::time::sleep_until(last_load.begun_at + Self::LOOK_UP_PAUSE).await;
            self.load(&mut last_load).await.map_err(store_error)
        } else if last_load.succeeded {
            Ok(())
        } else {
            Err(StoreError::unavailable("the signing keys could not be loaded a moment ago"))
        }
    }
}

#[async_trait]
impl TokenSigner for KeyRing {
    fn sign(&self, token_type: TokenType, claims: &[u8]) -> Result<String, StoreError> {
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
        if self.keys.load().find(kid).is_none() {
            self.look_up(kid).await?;
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
}

/// Makes a key and seals it.
async fn make_key(
    algorithm: Algorithm,
    sealing_key: &SealingKey,
    entropy: &dyn Entropy,
    created_at: Timestamp,
    active_from: Timestamp,
) -> Result<SigningKeyRecord, KeyRingError> {
    let private_key = task::spawn_blocking(move || key::generate(algorithm)).await??;
    let public = SigningKey::new(algorithm, &private_key, created_at, active_from)?.public;
    let sealed_private_key = sealing_key.seal(&public.kid, &private_key, entropy.bytes())?;
    Ok(SigningKeyRecord { public, sealed_private_key })
}

/// What a failed load is to someone who asks for a signature check.
fn store_error(error: KeyRingError) -> StoreError {
    match error {
        KeyRingError::Store(error) => error,
        KeyRingError::CannotOpen { kid } => {
            tracing::error!(kid, "the encryption key does not open a stored signing key");
            StoreError::Corrupt { table: "signing_keys", column: "sealed_private_key" }
        }
        error => StoreError::unavailable(error),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
