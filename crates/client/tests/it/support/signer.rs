use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

/// The id with this number.
pub fn id(number: u64) -> String {
    format!("01936c5e-7c1a-7000-8000-{number:012}")
}

/// The claims of a good token, to be spoilt.
#[derive(Clone)]
pub struct Claims(pub Value);

impl Claims {
    /// A token of user 1 in session 2 with id 3, generation 5 and the roles.
    pub fn of(roles: &[&str]) -> Self {
        Self(json!({
            "iss": "maestro-auth", "aud": "maestro-auth", "sub": id(1), "sid": id(2), "jti": id(3),
            "iat": now(), "exp": now() + 900, "gen": 5, "roles": roles, "token_type": "access",
        }))
    }

    pub fn with(mut self, claim: &str, value: impl Into<Value>) -> Self {
        self.0[claim] = value.into();
        self
    }

    pub fn without(mut self, claim: &str) -> Self {
        self.0.as_object_mut().unwrap().remove(claim);
        self
    }
}

/// A signing key of the server.
pub struct Signer {
    pub kid: String,
    alg: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Signer {
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        Self { kid: kid.to_owned(), alg: "ES256", algorithm: Algorithm::ES256, private }
    }

    pub fn eddsa(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private = EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref());
        Self { kid: kid.to_owned(), alg: "EdDSA", algorithm: Algorithm::EdDSA, private }
    }

    pub fn rs256(kid: &str) -> Self {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let base64 = Base64::encode_string(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
        let private = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        Self { kid: kid.to_owned(), alg: "RS256", algorithm: Algorithm::RS256, private }
    }

    /// The public half, as the server publishes it.
    pub fn jwk(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.private, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    pub fn token(&self, claims: &Claims) -> String {
        self.token_with_header(&json!({"typ": "at+jwt", "alg": self.alg, "kid": self.kid}), claims)
    }

    pub fn token_with_header(&self, header: &Value, claims: &Claims) -> String {
        self.sign(&header.to_string(), &claims.0.to_string())
    }

    pub fn sign(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes()));
        let signing_input = format!("{header}.{claims}");
        let signature = crypto::sign(signing_input.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{signing_input}.{signature}")
    }
}

pub fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap()
}
