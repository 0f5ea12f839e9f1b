use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

/// What a token of the server says, unverified.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The `kid` in the header of a token.
pub fn key_id(token: &str) -> String {
    part(token, 0)["kid"].as_str().expect("a kid").to_owned()
}

/// The header of a token, unverified.
pub fn token_header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Value {
    let encoded = token.split('.').nth(index).expect("three parts");
    let bytes = Base64UrlUnpadded::decode_vec(encoded).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}
