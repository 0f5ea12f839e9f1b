use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey, crypto};
use maestro_auth_domain::{KeyId, Timestamp};
use maestro_auth_ports::{
    Algorithm, Entropy, PublicKey, SignatureCheck, Signed, SigningKeyRecord, TokenType,
};
use tokio::task;
use zeroize::Zeroizing;

use super::{KeyRingError, SealingKey};

/// Makes a private key (PKCS#8 version 1, the only one that jsonwebtoken takes for Ed25519). Blocks: an RSA key takes up
/// to seconds.
///
/// The randomness is that of the cryptographic library, not the Entropy port's.
fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let pkcs8 = match algorithm {
        Algorithm::Es256 => {
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?.as_ref().to_vec()
        }
        Algorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec(),
        Algorithm::Rs256 => {
            let pkcs8: Pkcs8V1Der<'_> = rsa::KeyPair::generate(KeySize::Rsa3072)?.as_der()?;
            pkcs8.as_ref().to_vec()
        }
    };
    Ok(Zeroizing::new(pkcs8))
}

/// Makes a key and seals it.
pub(super) async fn make(
    algorithm: Algorithm,
    sealing_key: &SealingKey,
    entropy: &dyn Entropy,
    created_at: Timestamp,
    active_from: Timestamp,
) -> Result<SigningKeyRecord, KeyRingError> {
    let private_key = task::spawn_blocking(move || generate(algorithm)).await??;
    let public = SigningKey::new(algorithm, &private_key, created_at, active_from)?.public;
    let sealed_private_key = sealing_key.seal(public.kid, &private_key, entropy.bytes())?;
    Ok(SigningKeyRecord { public, sealed_private_key })
}

/// A key pair that is ready to sign and to verify.
pub(super) struct SigningKey {
    pub public: PublicKey,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// The key pair of a private key in PKCS#8. Its id and its public half follow from the private one.
    pub(super) fn new(
        algorithm: Algorithm,
        pkcs8: &[u8],
        created_at: Timestamp,
        active_from: Timestamp,
    ) -> JwtResult<Self> {
        let encoding = encoding_key(algorithm, pkcs8)?;
        let mut jwk = Jwk::from_encoding_key(&encoding, jwt_algorithm(algorithm))?;
        let kid =
            KeyId::parse(&jwk.thumbprint(ThumbprintHash::SHA256)?).ok_or(ErrorKind::InvalidKeyFormat)?;
        jwk.common.key_id = Some(kid.to_string());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let decoding = DecodingKey::from_jwk(&jwk)?;
        let jwk = serde_json::to_string(&jwk)?;
        let public = PublicKey { kid, algorithm, jwk, created_at, active_from, retires_at: None };
        Ok(Self { public, encoding, decoding })
    }

    /// Whether the key is neither published nor accepted any more.
    pub(super) fn is_retired(&self, now: Timestamp) -> bool {
        self.public.retires_at.is_some_and(|retires_at| retires_at <= now)
    }

    /// Signs `claims` as a compact JWS.
    pub(super) fn sign(&self, token_type: TokenType, claims: &[u8]) -> JwtResult<Signed> {
        let PublicKey { kid, algorithm, .. } = &self.public;
        let header = format!(r#"{{"typ":"{}","alg":"{algorithm}","kid":"{kid}"}}"#, token_type.header());
        let [header, claims] = [header.as_bytes(), claims].map(Base64UrlUnpadded::encode_string);
        let signing_input = format!("{header}.{claims}");
        let signature = crypto::sign(signing_input.as_bytes(), &self.encoding, jwt_algorithm(*algorithm))?;
        Ok(Signed { token: format!("{signing_input}.{signature}"), key: *kid })
    }

    /// Checks a signature that claims to be of the algorithm called `alg`.
    pub(super) fn check(&self, alg: &str, signing_input: &str, signature: &[u8]) -> SignatureCheck {
        let algorithm = self.public.algorithm;
        if alg != algorithm.name() {
            return SignatureCheck::Invalid;
        }
        let signature = Base64UrlUnpadded::encode_string(signature);
        match crypto::verify(&signature, signing_input.as_bytes(), &self.decoding, jwt_algorithm(algorithm)) {
            Ok(true) => SignatureCheck::Valid,
            Ok(false) | Err(_) => SignatureCheck::Invalid,
        }
    }
}

fn encoding_key(algorithm: Algorithm, pkcs8: &[u8]) -> JwtResult<EncodingKey> {
    match algorithm {
        Algorithm::Es256 => Ok(EncodingKey::from_ec_der(pkcs8)),
        Algorithm::EdDsa => Ok(EncodingKey::from_ed_der(pkcs8)),
        // In DER, jsonwebtoken takes RSA keys as PKCS#1 only; in PEM it takes PKCS#8, too.
        Algorithm::Rs256 => {
            let base64 = Zeroizing::new(Base64::encode_string(pkcs8));
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", *base64);
            EncodingKey::from_rsa_pem(Zeroizing::new(pem).as_bytes())
        }
    }
}

const fn jwt_algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
    }
}
