//! What must hold for any input to a parser that strangers reach. A violation panics.
//!
//! The fuzz targets feed these from libFuzzer (`just fuzz address`); the test feeds them every kept corpus file.

#![expect(clippy::missing_panics_doc, reason = "panicking is how a fuzz target tells")]

use maestro_auth_domain::{Email, HashScheme, PasswordHash};

/// An address that parses is bounded, ASCII where it must be, and parses to itself again.
pub fn address(input: &[u8]) {
    let Ok(typed) = std::str::from_utf8(input) else { return };
    let Ok(email) = Email::parse(typed) else { return };
    assert!(email.as_str().len() <= Email::MAX_BYTES && email.as_str().is_ascii());
    assert_eq!(email.as_str().matches('@').count(), 1);
    assert!(Email::parse(email.as_str()).as_ref() == Ok(&email));
    assert!(Email::parse(email.canonical()).is_ok_and(|again| again.canonical() == email.canonical()));
}

/// A stored hash that is accepted stays within the cost that one verification may have.
pub fn stored_hash(input: &[u8]) {
    let Ok(encoded) = std::str::from_utf8(input) else { return };
    match PasswordHash::new(encoded.to_owned()).scheme() {
        Ok(HashScheme::Argon2id(params)) => {
            assert!(params.memory_kib <= 1 << 20 && params.passes <= 10 && params.lanes <= 16);
        }
        Ok(HashScheme::Bcrypt { cost }) => assert!(cost <= 15),
        Err(_) => {}
    }
}

/// A token that parses is bounded and spelled in the one strict way.
pub fn token(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if maestro_auth_service::is_well_formed_token(text) {
        assert!(text.len() <= 8 * 1024);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        assert_eq!(text.matches('.').count(), 2);
    }
}
