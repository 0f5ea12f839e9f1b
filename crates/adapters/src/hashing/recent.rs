use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The largest of some numbers within the last 10 to 20 seconds, and never less than a least one.
pub(super) struct RecentMax {
    least: u64,
    windows: Mutex<Option<Windows>>,
}

/// The largest number of the present window and of the one before it.
#[derive(Clone, Copy)]
struct Windows {
    began: Instant,
    present: u64,
    previous: u64,
}

const WINDOW: Duration = Duration::from_secs(10);

impl RecentMax {
    pub(super) const fn new(least: u64) -> Self {
        Self { least, windows: Mutex::new(None) }
    }

    pub(super) fn observe(&self, number: u64, now: Instant) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latest = self.as_of(*windows, now);
        latest.present = latest.present.max(number);
        *windows = Some(latest);
    }

    pub(super) fn get(&self, now: Instant) -> u64 {
        let windows = *self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = self.as_of(windows, now);
        latest.present.max(latest.previous)
    }

    /// The windows with those dropped that are over by `now`.
    fn as_of(&self, windows: Option<Windows>, now: Instant) -> Windows {
        let fresh = Windows { began: now, present: self.least, previous: self.least };
        match windows {
            Some(windows) if now < windows.began + WINDOW => windows,
            Some(windows) if now < windows.began + 2 * WINDOW => {
                Windows { previous: windows.present, ..fresh }
            }
            _ => fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_for_one_to_two_windows() {
        let max = RecentMax::new(1);
        let start = Instant::now();
        assert_eq!(max.get(start), 1);
        max.observe(9, start);
        max.observe(3, start + WINDOW);
        assert_eq!(max.get(start + WINDOW), 9);
        assert_eq!(max.get(start + 2 * WINDOW), 3);
        assert_eq!(max.get(start + 3 * WINDOW), 1);
    }
}
