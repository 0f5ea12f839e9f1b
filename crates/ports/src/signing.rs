use std::fmt;

use async_trait::async_trait;
use maestro_auth_domain::{KeyId, RevocationTime, Timestamp};

use crate::{Effects, StoreError, StoreResult};

/// The signature algorithms a key may be for (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, on 3072-bit keys.
    Rs256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The `alg` value of RFC 7518.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm with that exact `alg` value.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The kind of a token: its `typ` header, which keeps one kind from being taken for the other (RFC 8725 section 3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// An access token (RFC 9068 section 2.1).
    Access,
    /// A refresh token of this server.
    Refresh,
}

impl TokenType {
    /// The `typ` header value.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }
}

/// Signs tokens with the active key, and checks signatures against every published one.
#[async_trait]
pub trait TokenSigner: Send + Sync {
    /// Signs `claims`, a JSON object, as a compact JWS (RFC 7515 section 3.1) whose header holds `alg`, `kid` and `typ`
    /// and nothing else.
    fn sign(&self, token_type: TokenType, claims: &[u8]) -> Result<Signed, StoreError>;

    /// Checks `signature` over `signing_input` under the key `kid`, which must be for the algorithm called `alg`.
    ///
    /// A key that another instance has made since is looked up in the store; `Err` means that the store did not answer
    /// when it had to be asked.
    async fn check(
        &self,
        kid: &str,
        alg: &str,
        signing_input: &str,
        signature: &[u8],
    ) -> StoreResult<SignatureCheck>;

    /// Another number each time that a key is taken away or its end comes sooner, so that a verdict can be kept until then. A
    /// key that merely reaches its end changes nothing: its last token has expired before.
    fn revision(&self) -> u64;

    /// The published public keys.
    fn public_keys(&self) -> Vec<PublicKey>;

    /// Neither signs with the key nor accepts it from now on: it was revoked.
    fn drop_key(&self, key: KeyId);

    /// Makes a key that is published now and signs later, so that no token is refused by anyone; or `at_once`, when verifiers
    /// that cache the published keys refuse its tokens until they look again.
    async fn rotate(&self, at_once: bool, effects: RotationEffects<'_>) -> StoreResult<PublicKey>;

    /// Revokes a key for good: neither it nor any token of it is accepted from now on. When it was the one that signs, another
    /// signs at once.
    async fn revoke(
        &self,
        key: KeyId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeKeyOutcome>;
}

/// Tells what a rotation is to leave, once its key is made.
pub type RotationEffects<'a> = &'a (dyn Fn(&PublicKey) -> Effects + Send + Sync);

/// A token and the key that signed it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The token.
    pub token: String,
    /// The `kid` in its header.
    pub key: KeyId,
}

/// What became of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// The key made it.
    Valid,
    /// The key is known and did not make it, or is for another algorithm.
    Invalid,
    /// No such key is published.
    UnknownKey,
}

/// A public key as the JWKS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The RFC 7638 thumbprint (SEC-55).
    pub kid: KeyId,
    /// What the key signs with.
    pub algorithm: Algorithm,
    /// The public members of the JWK as a JSON object, with `kid`, `alg` and `use` (RFC 7517 section 4).
    pub jwk: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it starts to sign.
    pub active_from: Timestamp,
    /// When it stops being published and accepted; `None` while it is the newest.
    pub retires_at: Option<Timestamp>,
}

/// A signing key as the store keeps it: the private half only ever sealed (SEC-116).
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// The public half and its times.
    pub public: PublicKey,
    /// The private half (PKCS#8), sealed with AES-256-GCM, bound to its `kid`.
    pub sealed_private_key: Vec<u8>,
}

impl fmt::Debug for SigningKeyRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKeyRecord").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Where signing keys are kept.
#[async_trait]
pub trait SigningKeyRepository: Send + Sync {
    /// Every key that has not retired by `now`, newest `active_from` first.
    ///
    /// MUST give back what was stored, byte by byte: `signing_keys_come_back_as_stored`.
    async fn list_keys(&self, now: Timestamp) -> StoreResult<Vec<SigningKeyRecord>>;

    /// Makes sure that a key of the candidate's algorithm goes on signing: stores `candidate` unless a key of that
    /// algorithm without an end exists, and lets keys of *other* algorithms without an end retire at
    /// `retire_others_at`. Gives every key that has not retired by `now`, newest `active_from` first.
    ///
    /// MUST leave exactly one key without an end for any number of instances that start at once:
    /// `concurrent_first_keys_leave_one`. MUST retire the keys of an algorithm that is no longer wanted:
    /// `another_algorithm_retires_the_former`.
    async fn ensure_key(
        &self,
        candidate: SigningKeyRecord,
        retire_others_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Vec<SigningKeyRecord>>;

    /// Stores `next` and lets every key that has no end yet retire at `retire_others_at`.
    ///
    /// MUST do both or neither, and leave exactly one key without an end, also in a race:
    /// `a_rotation_leaves_one_key_without_an_end`.
    async fn rotate_key(
        &self,
        next: SigningKeyRecord,
        retire_others_at: Timestamp,
        effects: Effects,
    ) -> StoreResult<()>;

    /// Deletes a key and blacklists its tokens, in one step; stores `successor` if no key without an end is left.
    ///
    /// MUST NOT let a refresh token of the key buy anything from then on, however the calls interleave:
    /// `a_refresh_loses_against_the_revocation_of_its_key`. MUST leave exactly one key without an end, also when many revoke at
    /// once: `a_revoked_key_is_gone_and_another_goes_on`.
    async fn revoke_key(
        &self,
        key: KeyId,
        successor: SigningKeyRecord,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeKeyOutcome>;

    /// Forgets keys that retired before `before`.
    ///
    /// MUST keep every other key: `only_retired_keys_are_forgotten`.
    async fn forget_retired_keys(&self, before: Timestamp) -> StoreResult<u64>;
}

/// What became of [`SigningKeyRepository::revoke_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeKeyOutcome {
    /// The key is gone, and whoever follows the blacklist hears of it.
    Revoked,
    /// There is no such key.
    Unknown,
}
