//! Doubles of clock and randomness, with which a test repeats exactly. Never wire them into a server.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use maestro_auth_domain::Timestamp;
use maestro_auth_ports::{Clock, Entropy};

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    passed: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { now: AtomicI64::new(now.unix_micros()), passed: AtomicU64::new(0) }
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now() + duration);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.passed.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets the wall clock, also backwards. No time passes by that.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.unix_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.passed.load(Ordering::SeqCst))
    }
}

/// Bytes that look random, never repeat within a test, and are the same in every run. **Not secure**: whoever sees some
/// of them knows them all.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next word of the sequence (splitmix64).
    fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

        let mut word = self.0.fetch_add(GAMMA, Ordering::SeqCst).wrapping_add(GAMMA);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_no_others() {
        let bytes = |seed| {
            let entropy: &dyn Entropy = &SeededEntropy::new(seed);
            (entropy.bytes::<13>(), entropy.bytes::<13>())
        };
        assert_eq!(bytes(42), bytes(42));
        assert_ne!(bytes(42), bytes(43));
        assert_ne!(bytes(42).0, bytes(42).1);
    }

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let start = Timestamp::from_unix_seconds(1_000);
        let clock = ManualClock::new(start);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), start + Duration::from_secs(5));
        clock.set(start);
        assert_eq!(clock.now(), start);
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }
}
