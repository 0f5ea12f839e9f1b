use std::collections::BTreeSet;
use std::sync::Arc;

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// Public keys. They are few, so they are searched one by one.
#[derive(Default, Clone)]
pub(crate) struct KeySet(Vec<Arc<VerifyingKey>>);

/// A public key, which verifies with its own algorithm alone.
pub(crate) struct VerifyingKey {
    kid: String,
    /// The algorithm, as tokens name it.
    alg: &'static str,
    algorithm: Algorithm,
    decoding: DecodingKey,
    jwk: Jwk,
}

impl KeySet {
    /// A server has two or three.
    const MAX_KEYS: usize = 64;

    pub(crate) fn find(&self, kid: &str) -> Option<Arc<VerifyingKey>> {
        self.0.iter().find(|key| key.kid == kid).map(Arc::clone)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn without(&self, revoked: &BTreeSet<String>) -> Self {
        Self(self.0.iter().filter(|key| !revoked.contains(&key.kid)).map(Arc::clone).collect())
    }

    /// Whether each of these keys is among the others, unchanged.
    pub(crate) fn is_within(&self, others: &Self) -> bool {
        self.0.iter().all(|key| others.find(&key.kid).is_some_and(|other| other.jwk == key.jwk))
    }
}

/// Reads a JWKS (RFC 7517). A key that is for something else, or of a kind that is not known, is passed over; a set without any
/// usable key is an error, since the server always has one.
impl<'de> Deserialize<'de> for KeySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }

        let document = Document::deserialize(deserializer)?;
        let keys: Vec<_> = document
            .keys
            .into_iter()
            .take(Self::MAX_KEYS)
            .filter_map(VerifyingKey::read)
            .map(Arc::new)
            .collect();
        if keys.is_empty() {
            return Err(de::Error::custom("there is no usable key"));
        }
        Ok(Self(keys))
    }
}

impl VerifyingKey {
    fn read(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let kid = jwk.common.key_id.clone()?;
        let (alg, algorithm) = match jwk.common.key_algorithm? {
            KeyAlgorithm::ES256 => ("ES256", Algorithm::ES256),
            KeyAlgorithm::EdDSA => ("EdDSA", Algorithm::EdDSA),
            KeyAlgorithm::RS256 => ("RS256", Algorithm::RS256),
            _ => return None,
        };
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        let purpose = jwk.common.public_key_use.as_ref();
        let fits = purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && decoding.family() == algorithm.family();
        fits.then_some(Self { kid, alg, algorithm, decoding, jwk })
    }

    /// Whether `signature`, in base64url, is one of this key over `signing_input`. A token that names another algorithm than
    /// the key's is refused.
    pub(crate) fn has_signed(&self, alg: &str, signing_input: &str, signature: &str) -> bool {
        alg == self.alg
            && crypto::verify(signature, signing_input.as_bytes(), &self.decoding, self.algorithm)
                .unwrap_or(false)
    }
}
