use std::time::Duration;

use maestro_auth_domain::Timestamp;

/// The time. A use case reads it once, at its top, and passes it on as a value.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// How long ago some fixed moment was. It never goes back, and goes on at the same pace when the wall clock is set;
    /// so durations are measured by it.
    fn monotonic(&self) -> Duration;
}

/// Cryptographically secure random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with fresh randomness.
    fn fill(&self, bytes: &mut [u8]);
}

/// A key that all instances share, to recognise what one of them has made.
pub trait KeyedHash: Send + Sync {
    /// A hash of 32 bytes that nobody without the key can make (RFC 2104). Those of different contexts have nothing in common.
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32];

    /// Whether `tag` is the hash of these bytes, or its first half or more. How long the answer takes tells nothing.
    fn is_tag(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool;
}

impl dyn Entropy + '_ {
    /// A fresh array of random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}
