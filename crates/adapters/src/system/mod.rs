//! The machine's clock and randomness: the only place where either is read.

mod store_clock;
pub mod testing;

use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maestro_auth_domain::Timestamp;
use maestro_auth_ports::{Clock, Entropy};
use rustix::time::{ClockId, clock_gettime};
pub use store_clock::{Observation, StoreClock};

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's one source of time")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 is a broken machine; it shows the epoch, at which no token is valid.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_seconds(0) + since_epoch
    }

    /// The time since the machine started; unlike [`std::time::Instant`], it goes on while the machine sleeps.
    fn monotonic(&self) -> Duration {
        Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
    }
}

/// The operating system's random number generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    /// Ends the process when the system has no randomness to give: every id, salt and key depends on it, and no answer
    /// without it is safe.
    #[expect(clippy::disallowed_methods, reason = "this is the Entropy port's one source of randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            tracing::error!(%error, "the operating system gives no random bytes; stopping, since nothing is safe without");
            process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_the_present() {
        let year_2020 = Timestamp::from_unix_seconds(1_577_836_800);
        let year_2200 = Timestamp::from_unix_seconds(7_258_118_400);
        assert!((year_2020..year_2200).contains(&SystemClock.now()));
    }

    #[test]
    fn entropy_never_repeats_itself() {
        let entropy: &dyn Entropy = &OsEntropy;
        assert_ne!(entropy.bytes::<16>(), entropy.bytes::<16>());
    }
}
