use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use maestro_auth_domain::Timestamp;
use maestro_auth_ports::Clock;

use super::SystemClock;

/// The clock of a storage that several instances share: so they agree on the time, however wrong the wall clock of one of
/// them is (REL-14). Between two observations it goes on by this machine's monotonic clock.
#[derive(Debug)]
pub struct StoreClock {
    /// What to add to the monotonic clock, in microseconds.
    offset: AtomicI64,
}

/// What an observation of the storage's clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// The clock was right, as far as can be told.
    Agreed,
    /// The clock was set, by so much.
    Set(Duration),
    /// The answer took too long to tell anything.
    TooSlow,
}

impl StoreClock {
    /// An answer that took longer says too little about when the storage read its clock. One that takes so long leaves
    /// two seconds of doubt, far less than verifiers forgive.
    const MAX_ROUND_TRIP: Duration = Duration::from_secs(4);

    /// Starts with the wall clock of this machine, until the storage's clock is observed.
    #[must_use]
    pub fn new() -> Self {
        let clock = Self { offset: AtomicI64::new(0) };
        clock.set(SystemClock.now(), SystemClock.monotonic());
        clock
    }

    /// Follows the storage's clock, which showed `shown` between two moments of the monotonic clock.
    pub fn observe(&self, shown: Timestamp, asked: Duration, answered: Duration) -> Observation {
        let round_trip = answered.saturating_sub(asked);
        if round_trip > Self::MAX_ROUND_TRIP {
            return Observation::TooSlow;
        }
        if (self.at(asked)..=self.at(answered)).contains(&shown) {
            return Observation::Agreed;
        }
        let middle = asked + round_trip / 2;
        let before = self.at(middle);
        self.set(shown, middle);
        Observation::Set(before.since(shown).max(shown.since(before)))
    }

    fn at(&self, monotonic: Duration) -> Timestamp {
        Timestamp::from_unix_micros(self.offset.load(Ordering::Relaxed)) + monotonic
    }

    fn set(&self, now: Timestamp, monotonic: Duration) {
        let offset = now - monotonic;
        self.offset.store(offset.unix_micros(), Ordering::Relaxed);
    }
}

impl Default for StoreClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        self.at(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_with_the_wall_clock_and_follows_the_storage_from_then_on() {
        let clock = StoreClock::new();
        assert!(SystemClock.now().since(clock.now()) < Duration::from_secs(1));

        let (asked, answered) = (clock.monotonic(), clock.monotonic() + Duration::from_millis(4));
        let an_hour_ahead = clock.at(asked) + Duration::from_hours(1);
        let Observation::Set(by) = clock.observe(an_hour_ahead, asked, answered) else {
            panic!("an hour is not in agreement");
        };
        assert!(by.abs_diff(Duration::from_hours(1)) < Duration::from_secs(1));
        assert_eq!(clock.at(asked + Duration::from_millis(2)), an_hour_ahead);

        let later = an_hour_ahead + Duration::from_millis(1);
        assert_eq!(clock.observe(later, asked, answered), Observation::Agreed);
        assert_eq!(clock.observe(later, asked, asked + Duration::from_secs(5)), Observation::TooSlow);
        assert_eq!(clock.at(asked + Duration::from_millis(2)), an_hour_ahead);
    }
}
