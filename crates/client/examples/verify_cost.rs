//! Prints what it costs to verify a token, the first time and again. docs/CLIENT.md names the command.
//!
//! The server is a thread that answers the three calls of the client; no token is ever sent to it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program for the command line")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use maestro_auth_client::MaestroAuth;
use serde_json::{Value, json};

/// Fewer than the client remembers.
const TOKENS: u64 = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let signers = [
        ("ES256", Algorithm::ES256, EncodingKey::from_ec_der(ec.to_pkcs8v1().unwrap().as_ref())),
        ("EdDSA", Algorithm::EdDSA, EncodingKey::from_ed_der(ed.to_pkcs8v1().unwrap().as_ref())),
    ];
    let keys: Vec<_> = signers.iter().map(|(name, algorithm, key)| jwk(name, *algorithm, key)).collect();
    let auth = MaestroAuth::builder(serve(&json!({"keys": keys}))).service("id", "secret").start().unwrap();
    auth.ready().await;

    for (name, algorithm, key) in &signers {
        let tokens: Vec<_> = (0..TOKENS).map(|number| token(name, *algorithm, key, number)).collect();
        println!("{name}, the first time: {:>7} ns a token", nanoseconds_each(&auth, &tokens).await);
        println!("{name}, again:          {:>7} ns a token", nanoseconds_each(&auth, &tokens).await);
    }
}

async fn nanoseconds_each(auth: &MaestroAuth, tokens: &[String]) -> u128 {
    let begun_at = Instant::now();
    for token in tokens {
        assert!(auth.verify(token).await.unwrap().has_permission("model:view"));
    }
    begun_at.elapsed().as_nanos() / tokens.len() as u128
}

fn jwk(name: &str, algorithm: Algorithm, key: &EncodingKey) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    jwk["kid"] = json!(name);
    jwk
}

fn token(name: &str, algorithm: Algorithm, key: &EncodingKey, number: u64) -> String {
    let now = jsonwebtoken::get_current_timestamp();
    let id = format!("01936c5e-7c1a-7000-8000-{number:012}");
    let header = json!({"typ": "at+jwt", "alg": name, "kid": name});
    let claims = json!({
        "iss": "maestro-auth", "aud": "maestro-auth", "sub": id, "sid": id, "jti": id,
        "iat": now, "exp": now + 900, "gen": 1, "roles": ["viewer"], "token_type": "access",
    });
    let [header, claims] =
        [header, claims].map(|part| Base64UrlUnpadded::encode_string(part.to_string().as_bytes()));
    let signing_input = format!("{header}.{claims}");
    let signature = crypto::sign(signing_input.as_bytes(), key, algorithm).unwrap();
    format!("{signing_input}.{signature}")
}

fn serve(keys: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys = keys.to_string();
    thread::spawn(move || listener.incoming().for_each(|client| answer(&client.unwrap(), &keys)));
    url
}

fn answer(client: &TcpStream, keys: &str) {
    let request = BufReader::new(client).lines().next().unwrap().unwrap();
    let body = if request.contains("jwks") {
        keys
    } else if request.contains("roles") {
        r#"{"items":[{"name":"viewer","permissions":["model:view"]}]}"#
    } else {
        r#"{"cursor":"c","complete":true,"entries":[]}"#
    };
    let length = body.len();
    let mut client = client;
    write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
}
