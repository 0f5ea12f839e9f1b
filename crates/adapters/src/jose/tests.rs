//! What the key ring promises, over a store that counts how often it is asked and may fail.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64ct::{Base64UrlUnpadded, Encoding};
use maestro_auth_domain::{Action, Actor, AuditEntry, AuditId, Origin, Outcome, TenantId, Timestamp};
use maestro_auth_ports::SigningKeyRecord;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task;

use super::*;
use crate::memory::MemoryStore;
use crate::system::testing::{ManualClock, SeededEntropy};

#[path = "tests/revocations.rs"]
mod revocations;

const MINUTE: Duration = Duration::from_mins(1);
const PUBLISH_AHEAD: Duration = Duration::from_mins(10);
const RETIRE_AFTER: Duration = Duration::from_hours(24);
const CLAIMS: &[u8] = br#"{"sub":"ada"}"#;

/// A store, the clock that everyone goes by, and rings over them as several instances have.
struct Instances {
    store: Arc<ObservedStore>,
    clock: Arc<ManualClock>,
}

#[derive(Default)]
struct ObservedStore {
    inner: MemoryStore,
    loads: AtomicUsize,
    is_down: AtomicBool,
    /// Holds answers back that are complete, once it is there.
    holds: ArcSwapOption<Semaphore>,
}

impl Instances {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_800_000_000)));
        Self { store: Arc::default(), clock }
    }

    async fn open_with(&self, algorithm: Algorithm, sealing_key: [u8; 32]) -> Result<KeyRing, KeyRingError> {
        let settings =
            KeyRingSettings { algorithm, publish_ahead: PUBLISH_AHEAD, retire_after: RETIRE_AFTER };
        let sealing_key = SealingKey::new(sealing_key);
        let entropy = Arc::new(SeededEntropy::new(42));
        KeyRing::open(self.store.clone(), sealing_key, settings, self.clock.clone(), entropy).await
    }

    async fn open(&self, algorithm: Algorithm) -> KeyRing {
        self.open_with(algorithm, [7; 32]).await.unwrap()
    }

    async fn load_only(&self, algorithm: Algorithm) -> KeyRing {
        let settings =
            KeyRingSettings { algorithm, publish_ahead: PUBLISH_AHEAD, retire_after: RETIRE_AFTER };
        let entropy = Arc::new(SeededEntropy::new(1));
        let (store, clock) = (self.store.clone(), self.clock.clone());
        KeyRing::load_only(store, SealingKey::new([7; 32]), settings, clock, entropy).await.unwrap()
    }

    /// Revokes a key by one of the rings.
    async fn revoke(&self, ring: &KeyRing, key: KeyId) -> RevokeKeyOutcome {
        let at = self.clock.now();
        let when = RevocationTime { at, until: at + RETIRE_AFTER };
        ring.revoke(key, when, effects(Action::KeyRevoked)).await.unwrap()
    }

    fn loads(&self) -> usize {
        self.store.loads.load(Ordering::SeqCst)
    }

    fn set_down(&self, is_down: bool) {
        self.store.is_down.store(is_down, Ordering::SeqCst);
    }
}

#[async_trait]
impl SigningKeyRepository for ObservedStore {
    async fn list_keys(&self, now: Timestamp) -> StoreResult<Vec<SigningKeyRecord>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        task::yield_now().await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("the test took the store down"));
        }
        let found = self.inner.list_keys(now).await;
        if let Some(hold) = self.holds.load_full() {
            hold.acquire().await.unwrap().forget();
        }
        found
    }

    async fn ensure_key(
        &self,
        candidate: SigningKeyRecord,
        retire_others_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Vec<SigningKeyRecord>> {
        self.inner.ensure_key(candidate, retire_others_at, now).await
    }

    async fn rotate_key(
        &self,
        next: SigningKeyRecord,
        retire_others_at: Timestamp,
        effects: Effects,
    ) -> StoreResult<()> {
        self.inner.rotate_key(next, retire_others_at, effects).await
    }

    async fn revoke_key(
        &self,
        key: KeyId,
        successor: SigningKeyRecord,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeKeyOutcome> {
        self.inner.revoke_key(key, successor, when, effects).await
    }

    async fn forget_retired_keys(&self, before: Timestamp) -> StoreResult<u64> {
        self.inner.forget_retired_keys(before).await
    }
}

fn effects(action: Action) -> Effects {
    let at = Timestamp::from_unix_seconds(1_800_000_000);
    Effects::audit(AuditEntry {
        id: AuditId::generate(at, [0; 10]),
        tenant: TenantId::DEFAULT,
        at,
        action,
        outcome: Outcome::Success,
        actor: Actor::Operator,
        subject: None,
        origin: Origin::default(),
        details: Vec::new(),
    })
}

async fn rotate(ring: &KeyRing, at_once: bool) -> PublicKey {
    ring.rotate(at_once, &|_| effects(Action::KeyRotated)).await.unwrap()
}

/// A token taken apart.
struct Parts {
    header: Value,
    signing_input: String,
    signature: Vec<u8>,
}

impl Parts {
    fn of(token: &str) -> Self {
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        let header = signing_input.split('.').next().unwrap();
        Self {
            header: serde_json::from_slice(&decode(header)).unwrap(),
            signing_input: signing_input.to_owned(),
            signature: decode(signature),
        }
    }

    fn kid(&self) -> KeyId {
        KeyId::parse(self.header["kid"].as_str().unwrap()).unwrap()
    }

    async fn checked_by(&self, ring: &KeyRing) -> SignatureCheck {
        let alg = self.header["alg"].as_str().unwrap();
        ring.check(self.kid().as_str(), alg, &self.signing_input, &self.signature).await.unwrap()
    }
}

fn sign(ring: &KeyRing) -> Parts {
    Parts::of(&ring.sign(TokenType::Access, CLAIMS).unwrap().token)
}

fn decode(base64: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(base64).unwrap()
}

/// A well-formed key id that belongs to no key.
fn made_up_kid(number: usize) -> String {
    format!("{number:0>43}")
}

#[tokio::test]
async fn every_algorithm_signs_and_checks_with_exactly_that_header() {
    for algorithm in Algorithm::ALL {
        let ring = Instances::new().open(algorithm).await;
        for token_type in [TokenType::Access, TokenType::Refresh] {
            let Signed { token, key } = ring.sign(token_type, CLAIMS).unwrap();
            let segments: Vec<&str> = token.split('.').collect();
            let kid = ring.public_keys()[0].kid;
            assert_eq!(key, kid);
            let header = format!(r#"{{"typ":"{}","alg":"{algorithm}","kid":"{kid}"}}"#, token_type.header());
            assert_eq!(String::from_utf8(decode(segments[0])).unwrap(), header);
            assert_eq!(decode(segments[1]), CLAIMS);
            assert_eq!(Parts::of(&token).checked_by(&ring).await, SignatureCheck::Valid, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn a_changed_token_is_invalid() {
    for algorithm in Algorithm::ALL {
        let ring = Instances::new().open(algorithm).await;
        let token = sign(&ring);

        let changed_input = Parts { signing_input: format!("{}A", token.signing_input), ..sign(&ring) };
        assert_eq!(changed_input.checked_by(&ring).await, SignatureCheck::Invalid);
        for bad in [vec![], vec![0; 64], token.signature[1..].to_vec(), [&token.signature[..], &[0]].concat()]
        {
            let changed = Parts { signature: bad, ..sign(&ring) };
            assert_eq!(changed.checked_by(&ring).await, SignatureCheck::Invalid, "{algorithm}");
        }
        for index in [0, token.signature.len() / 2, token.signature.len() - 1] {
            let mut changed = sign(&ring);
            changed.signature[index] ^= 1;
            assert_eq!(changed.checked_by(&ring).await, SignatureCheck::Invalid, "{algorithm}, byte {index}");
        }
    }
}

#[tokio::test]
async fn sec_36_a_key_accepts_no_algorithm_but_its_own() {
    let ring = Instances::new().open(Algorithm::Es256).await;
    let token = sign(&ring);
    for alg in ["none", "None", "nOnE", "HS256", "HS384", "HS512", "RS256", "EdDSA", "ES384", "es256", ""] {
        let checked =
            ring.check(token.kid().as_str(), alg, &token.signing_input, &token.signature).await.unwrap();
        assert_eq!(checked, SignatureCheck::Invalid, "{alg}");
    }
}

#[tokio::test]
async fn sec_37_the_public_key_is_no_hmac_secret() {
    for algorithm in Algorithm::ALL {
        let ring = Instances::new().open(algorithm).await;
        let key = ring.public_keys().remove(0);
        let jwk: Value = serde_json::from_str(&key.jwk).unwrap();
        let member = |name: &str| jwk[name].as_str().map(decode).unwrap_or_default();
        let secrets = [
            key.jwk.clone().into_bytes(),
            key.kid.to_string().into_bytes(),
            member("x"),
            [member("x"), member("y")].concat(),
            [vec![4], member("x"), member("y")].concat(),
            member("n"),
        ];
        for secret in secrets {
            let input = "eyJhbGciOiJIUzI1NiJ9.e30";
            let forged = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), input.as_bytes());
            for alg in ["HS256", algorithm.name()] {
                let checked = ring.check(key.kid.as_str(), alg, input, forged.as_ref()).await.unwrap();
                assert_eq!(checked, SignatureCheck::Invalid);
            }
        }
    }
}

#[tokio::test]
async fn sec_55_the_jwk_is_public_and_named_after_its_thumbprint() {
    for (algorithm, thumbprint_members, kty) in [
        (Algorithm::Es256, &["crv", "kty", "x", "y"][..], "EC"),
        (Algorithm::EdDsa, &["crv", "kty", "x"], "OKP"),
        (Algorithm::Rs256, &["e", "kty", "n"], "RSA"),
    ] {
        let key = Instances::new().open(algorithm).await.public_keys().remove(0);
        let jwk: serde_json::Map<String, Value> = serde_json::from_str(&key.jwk).unwrap();

        // RFC 7638: the required members in lexical order, without white space.
        let required: Vec<String> =
            thumbprint_members.iter().map(|name| format!(r#""{name}":{}"#, jwk[*name])).collect();
        let thumbprint = digest(&SHA256, format!("{{{}}}", required.join(",")).as_bytes());
        assert_eq!(key.kid.as_str(), Base64UrlUnpadded::encode_string(thumbprint.as_ref()));

        assert_eq!(jwk["kid"], key.kid.as_str());
        assert_eq!(jwk["alg"], algorithm.name());
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kty"], kty);
        let mut members: Vec<&str> = jwk.keys().map(String::as_str).collect();
        members.sort_unstable();
        let mut expected = [thumbprint_members, &["alg", "kid", "use"]].concat();
        expected.sort_unstable();
        assert_eq!(members, expected, "nothing private, and nothing else");
        if algorithm == Algorithm::Rs256 {
            assert_eq!(decode(jwk["n"].as_str().unwrap()).len() * 8, 3_072);
        }
    }
}

#[tokio::test]
async fn sec_116_another_encryption_key_is_refused_with_a_clear_sentence() {
    let instances = Instances::new();
    let kid = instances.open(Algorithm::Es256).await.public_keys().remove(0).kid;

    let error = instances.open_with(Algorithm::Es256, [8; 32]).await.err().unwrap();
    assert_eq!(error.to_string(), format!("the encryption key does not open signing key {kid}"));

    assert!(instances.open_with(Algorithm::EdDsa, [8; 32]).await.is_err(), "nor does it store a key");
    assert!(instances.open_with(Algorithm::Es256, [7; 32]).await.is_ok());
}

#[tokio::test]
async fn sec_116_swapped_rows_are_refused() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    rotate(&ring, false).await;
    let mut records = instances.store.inner.list_keys(instances.clock.now()).await.unwrap();
    let sealing_key = SealingKey::new([7; 32]);
    assert!(Keys::open(&records, &sealing_key).is_ok());

    let [first, second] = &mut records[..] else { panic!("two keys") };
    std::mem::swap(&mut first.sealed_private_key, &mut second.sealed_private_key);
    assert!(matches!(Keys::open(&records, &sealing_key), Err(KeyRingError::CannotOpen { .. })));
}

#[tokio::test]
async fn a_planted_public_key_is_not_published() {
    let instances = Instances::new();
    instances.open(Algorithm::Es256).await;
    let mut records = instances.store.inner.list_keys(instances.clock.now()).await.unwrap();
    let genuine = std::mem::replace(&mut records[0].public.jwk, r#"{"kty":"EC","x":"planted"}"#.to_owned());

    let keys = Keys::open(&records, &SealingKey::new([7; 32])).unwrap();
    assert_eq!(keys.published(instances.clock.now())[0].jwk, genuine);
}

#[tokio::test]
async fn instances_that_start_together_share_one_key_and_it_survives_them() {
    let instances = Instances::new();
    let (first, second) = tokio::join!(instances.open(Algorithm::Es256), instances.open(Algorithm::Es256));
    assert_eq!(first.public_keys(), second.public_keys());
    assert_eq!(first.public_keys().len(), 1);
    assert_eq!(sign(&first).checked_by(&second).await, SignatureCheck::Valid);

    let token = sign(&first);
    drop((first, second));
    assert_eq!(token.checked_by(&instances.open(Algorithm::Es256).await).await, SignatureCheck::Valid);
}

#[tokio::test]
async fn sec_56_rotation_publishes_ahead_and_old_tokens_live_out_their_time() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let before = sign(&ring);

    let next = rotate(&ring, false).await;
    assert_eq!(ring.public_keys().len(), 2);
    assert_eq!(sign(&ring).kid(), before.kid(), "the old key still signs");
    instances.clock.advance(PUBLISH_AHEAD);
    assert_eq!(sign(&ring).kid(), next.kid);
    assert_eq!(before.checked_by(&ring).await, SignatureCheck::Valid);

    instances.clock.advance(RETIRE_AFTER.saturating_sub(MINUTE));
    assert_eq!(before.checked_by(&ring).await, SignatureCheck::Valid);
    instances.clock.advance(MINUTE);
    assert_eq!(before.checked_by(&ring).await, SignatureCheck::UnknownKey);
    assert_eq!(ring.public_keys(), [next]);
    instances.clock.advance(MINUTE);
    assert_eq!(ring.forget_retired().await.unwrap(), 1);
}

#[tokio::test]
async fn an_immediate_rotation_signs_at_once() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::EdDsa).await;
    let before = sign(&ring);
    instances.clock.advance(MINUTE);
    let next = rotate(&ring, true).await;
    assert_eq!(sign(&ring).kid(), next.kid);
    assert_eq!(before.checked_by(&ring).await, SignatureCheck::Valid);
}

#[tokio::test]
async fn an_operator_with_other_settings_leaves_the_keys_as_they_are() {
    let instances = Instances::new();
    let served = instances.open(Algorithm::EdDsa).await.public_keys();
    let ring = instances.load_only(Algorithm::Es256).await;
    assert_eq!(ring.public_keys(), served);
    assert_eq!(instances.open(Algorithm::EdDsa).await.public_keys(), served);
}

#[tokio::test]
async fn an_immediate_rotation_is_not_undone_by_one_that_waited() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    rotate(&ring, false).await;
    instances.clock.advance(MINUTE);
    let immediate = rotate(&ring, true).await;
    for _ in 0..2 {
        let newest = ring.public_keys().into_iter().find(|key| key.retires_at.is_none()).unwrap();
        assert_eq!(newest.kid, immediate.kid);
        assert_eq!(ring.keys.load().signer(instances.clock.now()).unwrap().public.kid, immediate.kid);
        instances.clock.advance(PUBLISH_AHEAD);
    }
}

#[tokio::test]
async fn another_algorithm_takes_over_without_a_refused_token() {
    let instances = Instances::new();
    let token = sign(&instances.open(Algorithm::Es256).await);
    let ring = instances.open(Algorithm::EdDsa).await;

    assert_eq!(sign(&ring).header["alg"], "ES256");
    instances.clock.advance(PUBLISH_AHEAD);
    assert_eq!(sign(&ring).header["alg"], "EdDSA");
    assert_eq!(token.checked_by(&ring).await, SignatureCheck::Valid);
    instances.clock.advance(RETIRE_AFTER);
    assert_eq!(token.checked_by(&ring).await, SignatureCheck::UnknownKey);
}

#[tokio::test]
async fn a_key_of_another_instance_is_found_by_its_first_token() {
    let instances = Instances::new();
    let (here, there) = (instances.open(Algorithm::Es256).await, instances.open(Algorithm::Es256).await);
    instances.clock.advance(MINUTE);
    rotate(&there, true).await;

    assert_eq!(sign(&there).checked_by(&here).await, SignatureCheck::Valid);
    assert_eq!(here.public_keys(), there.public_keys());
}

#[tokio::test(start_paused = true)]
async fn made_up_key_ids_reach_the_store_once_a_pause_and_keep_no_new_key_from_being_found() {
    let instances = Instances::new();
    let ring = Arc::new(instances.open(Algorithm::Es256).await);
    let there = instances.open(Algorithm::Es256).await;
    let before = instances.loads();

    let flood: Vec<_> = (0..100)
        .map(|number| {
            let ring = ring.clone();
            tokio::spawn(async move { ring.check(&made_up_kid(number), "ES256", "a.b", b"c").await.unwrap() })
        })
        .collect();
    for check in flood {
        assert_eq!(check.await.unwrap(), SignatureCheck::UnknownKey);
    }
    assert_eq!(instances.loads(), before + 1);

    instances.clock.advance(MINUTE);
    rotate(&there, true).await;
    let before = instances.loads();
    let asked_at = Instant::now();
    assert_eq!(sign(&there).checked_by(&ring).await, SignatureCheck::Valid, "right after the flood");
    assert_eq!(instances.loads(), before + 1);
    assert!(asked_at.elapsed() <= KeyRing::LOOK_UP_PAUSE);
}

#[tokio::test]
async fn sec_38_a_hostile_key_id_never_reaches_the_store() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    instances.clock.advance(MINUTE);
    let before = instances.loads();
    let (long, almost) = ("A".repeat(10_000), "é".repeat(21) + "A");
    for kid in ["", "../../etc/passwd", "' OR 1=1 --", "\0", &long, &almost, &made_up_kid(1)[1..]] {
        let checked = ring.check(kid, "ES256", "a.b", b"c").await.unwrap();
        assert_eq!(checked, SignatureCheck::UnknownKey);
    }
    assert_eq!(instances.loads(), before);
}

#[tokio::test]
async fn an_unknown_key_is_no_verdict_while_the_store_is_down() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let token = sign(&ring);
    instances.set_down(true);

    let checked = ring.check(&made_up_kid(0), "ES256", "a.b", b"c").await;
    assert!(matches!(checked, Err(StoreError::Unavailable(_))));
    assert_eq!(token.checked_by(&ring).await, SignatureCheck::Valid, "known keys go on working");

    instances.set_down(false);
    let checked = ring.check(&made_up_kid(0), "ES256", "a.b", b"c").await.unwrap();
    assert_eq!(checked, SignatureCheck::UnknownKey);
}

#[tokio::test]
async fn a_clock_that_was_set_back_leaves_a_key_to_sign_with() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    instances.clock.set(instances.clock.now() - MINUTE);
    assert!(ring.sign(TokenType::Access, CLAIMS).is_ok(), "the key that is not active yet signs");
}

#[tokio::test]
async fn the_revision_changes_when_a_key_is_taken_away_and_only_then() {
    let instances = Instances::new();
    let (here, there) = (instances.open(Algorithm::EdDsa).await, instances.open(Algorithm::EdDsa).await);
    let first = here.revision();
    here.reload().await.unwrap();
    assert_eq!(here.revision(), first);

    rotate(&there, false).await;
    here.reload().await.unwrap();
    let shortened = here.revision();
    assert_ne!(shortened, first, "the former key has an end now");

    instances.clock.advance(PUBLISH_AHEAD + RETIRE_AFTER);
    here.reload().await.unwrap();
    assert_ne!(here.revision(), shortened, "the former key is gone");
}
