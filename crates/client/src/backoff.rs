use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How long to wait before the next attempt: twice as long after every failure, up to a limit.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3);
    /// As often the wait can double before it is over the limit in any case.
    const DOUBLINGS: u32 = 8;

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure. `demanded` is what the server asked for, if it did.
    pub(crate) fn after_failure(&mut self, demanded: Option<Duration>) -> Duration {
        let full = (Self::SHORTEST * 2_u32.pow(self.failures.min(Self::DOUBLINGS))).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        jittered(full).max(demanded.unwrap_or_default())
    }

    /// Whether this is the first failure after a success, the one to be logged.
    pub(crate) const fn just_began(&self) -> bool {
        self.failures == 1
    }

    pub(crate) const fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

/// Between half of it and all of it, so that many services do not ask in step.
fn jittered(full: Duration) -> Duration {
    // A new hasher is seeded anew: all the randomness that this needs.
    let percent = u32::try_from(RandomState::new().hash_one(0) % 51).unwrap_or_default();
    full * (100 - percent) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_over_after_a_success() {
        let mut backoff = Backoff::default();
        let first = backoff.after_failure(None);
        assert!(backoff.just_began());
        assert!(first >= Backoff::SHORTEST / 2 && first <= Backoff::SHORTEST);
        for _ in 0..100 {
            assert!(backoff.after_failure(None) <= Backoff::LONGEST);
        }
        assert!(backoff.after_failure(None) >= Backoff::LONGEST / 2);
        assert_eq!(backoff.after_failure(Some(Duration::from_secs(9))), Duration::from_secs(9));
        backoff.reset();
        assert!(backoff.after_failure(None) <= Backoff::SHORTEST);
    }
}
