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

impl dyn Entropy + '_ {
    /// A fresh array of random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}
