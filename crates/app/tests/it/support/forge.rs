//! What an attacker can make of a token, and what only the owner of the private key could.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use aws_lc_rs::{digest, hmac};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

/// The order of P-256 (SEC 2 section 2.4.2).
const ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC,
    0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];
/// What comes before the point in the DER of a P-256 public key (RFC 5480 section 2).
const SPKI_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86,
    0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

pub fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

pub fn decode(segment: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(segment).expect("base64url")
}

/// The same token with the other valid ECDSA signature: `(r, n - s)` holds whenever `(r, s)` does (SEC-46).
pub fn malleated(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three segments");
    let mut signature = decode(signature);
    let mut borrow = 0_i16;
    for index in (0..32).rev() {
        let difference = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + index] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    format!("{signed}.{}", encode(&signature))
}

/// A fixed-width ECDSA signature as the DER that other formats use.
pub fn der_signature(fixed: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let mut digits: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        if digits[0] >= 0x80 {
            digits.insert(0, 0);
        }
        [vec![0x02, u8::try_from(digits.len()).expect("short")], digits].concat()
    };
    let both = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [vec![0x30, u8::try_from(both.len()).expect("short")], both].concat()
}

/// The public P-256 key of a JWK in one of the forms that a confused verifier could take for an HMAC secret (SEC-37).
pub fn public_key_as_secret(jwk: &Value, form: &str) -> Vec<u8> {
    let coordinate = |name: &str| decode(jwk[name].as_str().expect("a coordinate"));
    let point = [coordinate("x"), coordinate("y")].concat();
    let der = [SPKI_PREFIX.to_vec(), point.clone()].concat();
    match form {
        "pem" => format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            wrap(&Base64::encode_string(&der))
        )
        .into_bytes(),
        "der" => der,
        "jwk" => jwk.to_string().into_bytes(),
        "x" => coordinate("x"),
        "xy" => point,
        "empty" => Vec::new(),
        other => panic!("no form of a public key is called {other}"),
    }
}

pub fn hs256(secret: &[u8], signing_input: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, signing_input.as_bytes()).as_ref().to_vec()
}

/// A key pair for ES256, of an attacker or, once unsealed, of the server itself.
pub struct Es256Key {
    pair: EcdsaKeyPair,
}

impl Es256Key {
    pub fn generate() -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key pair") }
    }

    /// Opens a key that the server has sealed: `version ‖ nonce ‖ ciphertext ‖ tag`, bound to its row.
    pub fn unsealed(kid: &str, sealed: &[u8], encryption_key: &[u8]) -> Self {
        let (nonce, ciphertext) = sealed[1..].split_at(NONCE_LEN);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, encryption_key).expect("32 bytes"));
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("12 bytes");
        let row = Aad::from(format!("signing_keys/{kid}/sealed_private_key"));
        let mut pkcs8 = ciphertext.to_vec();
        let pkcs8 = key.open_in_place(nonce, row, &mut pkcs8).expect("the encryption key fits");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
        Self { pair: pair.expect("a P-256 key") }
    }

    pub fn sign(&self, signing_input: &str) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), signing_input.as_bytes());
        signature.expect("a signature").as_ref().to_vec()
    }

    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
    }
}

/// An Ed25519 key pair of an attacker.
pub struct EdDsaKey {
    pair: Ed25519KeyPair,
}

impl EdDsaKey {
    pub fn generate() -> Self {
        Self { pair: Ed25519KeyPair::generate().expect("a key pair") }
    }

    pub fn sign(&self, signing_input: &str) -> Vec<u8> {
        self.pair.sign(signing_input.as_bytes()).as_ref().to_vec()
    }
}

/// Whether the key of a JWK signed `token`, as a service that knows nothing but the JWKS finds out.
pub fn is_signed_by(jwk: &Value, token: &str) -> bool {
    let (message, signature) = token.rsplit_once('.').expect("three segments");
    let (message, signature) = (message.as_bytes(), decode(signature));
    let member = |name: &str| decode(jwk[name].as_str().expect("a member"));
    let verified = match jwk["alg"].as_str().expect("an alg") {
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
        }
        "EdDSA" => UnparsedPublicKey::new(&ED25519, member("x")).verify(message, &signature),
        "RS256" => RsaPublicKeyComponents { n: member("n"), e: member("e") }.verify(
            &RSA_PKCS1_2048_8192_SHA256,
            message,
            &signature,
        ),
        other => panic!("nobody signs with {other}"),
    };
    verified.is_ok()
}

/// The RFC 7638 thumbprint of a JWK: over its required members alone, in alphabetical order.
pub fn thumbprint(jwk: &Value) -> String {
    let members: &[&str] = match jwk["kty"].as_str().expect("a kty") {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        other => panic!("no thumbprint is defined for {other}"),
    };
    let members: Vec<String> = members.iter().map(|name| format!("\"{name}\":{}", jwk[name])).collect();
    let canonical = format!("{{{}}}", members.join(","));
    encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
}

fn wrap(base64: &str) -> String {
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("text")).collect();
    lines.join("\n")
}
