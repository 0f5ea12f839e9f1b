use std::fmt;

use thiserror::Error;

/// A stored password hash: a PHC string (`$argon2id$…`) or a bcrypt string (`$2a$`, `$2b$`, `$2y$`).
///
/// It is opaque until [`PasswordHash::scheme`] has looked at it, since a storage may hold what another product wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// What it takes to verify a stored hash, within the bounds that this server is willing to spend (SEC-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashScheme {
    Argon2id(Argon2Params),
    /// bcrypt with 2^`cost` rounds.
    Bcrypt {
        cost: u32,
    },
}

/// The cost of Argon2id: memory in KiB, passes over it, and lanes (RFC 9106 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Params {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Argon2Params {
    /// The OWASP minimum: what new hashes cost, and what older ones are upgraded to.
    pub const DEFAULT: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };
    /// The most that one verification may take; a stored hash that demands more is refused, never computed.
    pub const MAX: Self = Self { memory_kib: 1 << 20, passes: 10, lanes: 16 };
}

/// A stored hash that is malformed or would cost more than this server spends. It verifies nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the stored password hash is malformed or exceeds the permitted cost")]
pub struct HashRejected;

impl PasswordHash {
    /// The highest bcrypt cost that is computed (SEC-10).
    pub const MAX_BCRYPT_COST: u32 = 15;
    /// Longer than any hash within the bounds.
    const MAX_BYTES: usize = 512;

    #[must_use]
    pub fn new(encoded: String) -> Self {
        Self(encoded)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Recognizes the scheme and checks its parameters against the bounds, without computing anything.
    pub fn scheme(&self) -> Result<HashScheme, HashRejected> {
        if self.0.len() > Self::MAX_BYTES || !self.0.is_ascii() {
            return Err(HashRejected);
        }
        match self.0.strip_prefix("$argon2id$v=19$") {
            Some(rest) => parse_argon2id(rest),
            None => parse_bcrypt(&self.0),
        }
        .ok_or(HashRejected)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

/// `m=19456,t=2,p=1$SALT$TAG`, with salt and tag in unpadded standard base64.
fn parse_argon2id(rest: &str) -> Option<HashScheme> {
    let mut fields = rest.split('$');
    let (params, salt, tag) = (fields.next()?, fields.next()?, fields.next()?);
    let is_base64 =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    if fields.next().is_some() || !is_base64(salt) || !is_base64(tag) {
        return None;
    }
    // 8–48 bytes of salt and 16–64 bytes of tag (RFC 9106 section 3.1), seen through base64.
    if !(11..=64).contains(&salt.len()) || !(22..=86).contains(&tag.len()) {
        return None;
    }
    let mut params = params.split(',');
    let mut next = |name: &str| decimal(params.next()?.strip_prefix(name)?.strip_prefix('=')?);
    let found = Argon2Params { memory_kib: next("m")?, passes: next("t")?, lanes: next("p")? };
    let max = Argon2Params::MAX;
    let within = (1..=max.passes).contains(&found.passes)
        && (1..=max.lanes).contains(&found.lanes)
        && (8 * found.lanes..=max.memory_kib).contains(&found.memory_kib);
    (params.next().is_none() && within).then_some(HashScheme::Argon2id(found))
}

/// `$2b$12$` and 53 characters of salt and tag in bcrypt's own base64.
fn parse_bcrypt(encoded: &str) -> Option<HashScheme> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| encoded.strip_prefix(version))?;
    let (cost, salt_and_tag) = rest.split_once('$')?;
    let is_tail = salt_and_tag.len() == 53
        && salt_and_tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
    let cost = if cost.len() == 2 {
        cost.bytes().all(|byte| byte.is_ascii_digit()).then(|| cost.parse().ok())??
    } else {
        return None;
    };
    (is_tail && (4..=PasswordHash::MAX_BCRYPT_COST).contains(&cost)).then_some(HashScheme::Bcrypt { cost })
}

/// A decimal number without sign or leading zero.
fn decimal(text: &str) -> Option<u32> {
    let canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    canonical.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "c2FsdHNhbHRzYWx0c2FsdA$dGFndGFndGFndGFndGFndGFndGFndGFndGFndGFndGE";
    const BCRYPT_TAIL: &str = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

    fn scheme(encoded: &str) -> Result<HashScheme, HashRejected> {
        PasswordHash::new(encoded.to_owned()).scheme()
    }

    #[test]
    fn recognizes_both_schemes() {
        assert_eq!(
            scheme(&format!("$argon2id$v=19$m=19456,t=2,p=1${TAG}")),
            Ok(HashScheme::Argon2id(Argon2Params::DEFAULT))
        );
        for version in ["2a", "2b", "2y"] {
            assert_eq!(scheme(&format!("${version}$12${BCRYPT_TAIL}")), Ok(HashScheme::Bcrypt { cost: 12 }));
        }
    }

    #[test]
    fn sec_10_rejects_what_would_cost_too_much_or_is_broken() {
        for encoded in [
            String::new(),
            "x".repeat(100_000),
            format!("$argon2id$v=19$m=4194304,t=2,p=1${TAG}"),
            format!("$argon2id$v=19$m=19456,t=4294967295,p=1${TAG}"),
            format!("$argon2id$v=19$m=19456,t=2,p=255${TAG}"),
            format!("$argon2id$v=19$m=19456,t=0,p=1${TAG}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,x=1${TAG}"),
            format!("$argon2id$v=16$m=19456,t=2,p=1${TAG}"),
            format!("$argon2d$v=19$m=19456,t=2,p=1${TAG}"),
            format!("$argon2id$v=19$m=+19456,t=2,p=1${TAG}"),
            "$argon2id$v=19$m=19456,t=2,p=1$$".to_owned(),
            format!("$2b$31${BCRYPT_TAIL}"),
            format!("$2b$1${BCRYPT_TAIL}"),
            format!("$2b$+9${BCRYPT_TAIL}"),
            format!("$2x$12${BCRYPT_TAIL}"),
            format!("$2b$12${}é", &BCRYPT_TAIL[2..]),
        ] {
            assert_eq!(scheme(&encoded), Err(HashRejected), "{encoded:.80}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(encoded in "(\\$(argon2id|2b)\\$)?.{0,120}") {
            let _ = scheme(&encoded);
        }
    }
}
