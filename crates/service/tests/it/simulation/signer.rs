use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64ct::{Base64UrlUnpadded, Encoding};
use maestro_auth_domain::{KeyId, RevocationTime};
use maestro_auth_ports::{
    Algorithm, Clock, Effects, Entropy, PublicKey, RevokeKeyOutcome, RotationEffects, SignatureCheck, Signed,
    SigningKeyRecord, SigningKeyRepository, StoreError, StoreResult, TokenSigner, TokenType,
};

use super::world::World;

/// Names its keys and signs without them, since nobody forges here: it costs nothing and repeats. Which keys there are it
/// learns as the real one does: from the store, when it starts, when one is missing, and when it is told to.
pub(super) struct PlainSigner {
    world: Arc<World>,
    store: Arc<dyn SigningKeyRepository>,
    keys: Mutex<Keys>,
    revision: AtomicU64,
}

#[derive(Default)]
struct Keys {
    /// The newest first.
    known: Vec<KeyId>,
    revoked: BTreeSet<KeyId>,
    /// Whether the store has others: one was dropped, or made here.
    are_to_be_loaded: bool,
}

/// How long a key is accepted after its last signature.
const RETIRE_AFTER: Duration = Duration::from_hours(8 * 24);

impl PlainSigner {
    /// A signer that knows what is stored now.
    pub(super) fn new(
        world: &Arc<World>,
        store: &Arc<dyn SigningKeyRepository>,
        stored: &[SigningKeyRecord],
    ) -> Self {
        let (keys, revision) = (Mutex::default(), AtomicU64::new(0));
        let signer = Self { world: Arc::clone(world), store: Arc::clone(store), keys, revision };
        signer.take_over(stored);
        signer
    }

    /// Loads what takes the place of a key that was dropped, or stands beside it.
    pub(super) async fn replace_dropped(&self) {
        if self.keys.lock().unwrap().are_to_be_loaded {
            let _tried_again_later = self.load().await;
        }
    }

    async fn load(&self) -> StoreResult<()> {
        let stored = self.store.list_keys(self.world.clock.now()).await?;
        self.take_over(&stored);
        Ok(())
    }

    fn take_over(&self, stored: &[SigningKeyRecord]) {
        let keys = &mut *self.keys.lock().unwrap();
        let stored = stored.iter().map(|record| record.public.kid);
        let known: Vec<_> = stored.filter(|key| !keys.revoked.contains(key)).collect();
        let former = std::mem::replace(&mut keys.known, known);
        keys.are_to_be_loaded = false;
        if former.iter().any(|key| !keys.known.contains(key)) {
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A new key, that signs at once.
pub(super) fn new_key(world: &World) -> SigningKeyRecord {
    let (entropy, now): (&dyn Entropy, _) = (&*world.entropy, world.clock.now());
    let public = PublicKey {
        kid: KeyId::parse(&Base64UrlUnpadded::encode_string(&entropy.bytes::<32>())).unwrap(),
        algorithm: Algorithm::EdDsa,
        jwk: "{}".to_owned(),
        created_at: now,
        active_from: now,
        retires_at: None,
    };
    SigningKeyRecord { public, sealed_private_key: Vec::new() }
}

#[async_trait]
impl TokenSigner for PlainSigner {
    fn sign(&self, token_type: TokenType, claims: &[u8]) -> Result<Signed, StoreError> {
        let newest = self.keys.lock().unwrap().known.first().copied();
        let key = newest.ok_or_else(|| self.world.fault("there is no signing key"))?;
        let header = format!(r#"{{"alg":"none","kid":"{key}","typ":"{}"}}"#, token_type.header());
        let segments = [header.as_bytes(), claims, b"signed"].map(Base64UrlUnpadded::encode_string);
        Ok(Signed { token: segments.join("."), key })
    }

    async fn check(&self, kid: &str, _: &str, _: &str, _: &[u8]) -> StoreResult<SignatureCheck> {
        let key = KeyId::parse(kid).unwrap();
        let is_unheard_of = {
            let keys = self.keys.lock().unwrap();
            !keys.known.contains(&key) && !keys.revoked.contains(&key)
        };
        if is_unheard_of {
            self.load().await?;
        }
        let is_known = self.keys.lock().unwrap().known.contains(&key);
        Ok(if is_known { SignatureCheck::Valid } else { SignatureCheck::UnknownKey })
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    fn public_keys(&self) -> Vec<PublicKey> {
        Vec::new()
    }

    fn drop_key(&self, key: KeyId) {
        let keys = &mut *self.keys.lock().unwrap();
        keys.revoked.insert(key);
        if keys.known.contains(&key) {
            keys.known.retain(|known| *known != key);
            keys.are_to_be_loaded = true;
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn rotate(&self, _at_once: bool, effects: RotationEffects<'_>) -> StoreResult<PublicKey> {
        let next = new_key(&self.world);
        let public = next.public.clone();
        self.store.rotate_key(next, public.created_at + RETIRE_AFTER, effects(&public)).await?;
        self.keys.lock().unwrap().are_to_be_loaded = true;
        self.replace_dropped().await;
        Ok(public)
    }

    async fn revoke(
        &self,
        key: KeyId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeKeyOutcome> {
        let outcome = self.store.revoke_key(key, new_key(&self.world), when, effects).await?;
        if outcome == RevokeKeyOutcome::Revoked {
            self.drop_key(key);
            self.replace_dropped().await;
        }
        Ok(outcome)
    }
}
