use std::time::Duration;

use maestro_auth_adapters::system::testing::SeededEntropy;
use maestro_auth_ports::Entropy;

/// Chance, as a function of a seed.
pub(super) struct Dice(SeededEntropy);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number from 0 on, and below `end`.
    pub(super) fn below(&self, end: u64) -> u64 {
        let entropy: &dyn Entropy = &self.0;
        u64::from_le_bytes(entropy.bytes()) % end
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An index of a list of this length.
    pub(super) fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(super) fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// One of the list: mostly one of the last few, now and then any.
    pub(super) fn pick_late<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        let few = if self.chance(70) { from.len().min(5) } else { from.len() };
        (few > 0).then(|| &from[from.len() - 1 - self.index(few)])
    }

    pub(super) fn shuffle<T>(&self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.index(end + 1));
        }
    }

    /// How long the next pause is: short, by the pace of the schedule.
    pub(super) fn pause(&self, pace: Duration) -> Duration {
        Duration::from_micros(self.below(2 * u64::try_from(pace.as_micros()).unwrap()))
    }

    /// The same, but now and then over one of the bounds that the service goes by.
    pub(super) fn pause_or_leap(&self, pace: Duration) -> Duration {
        const LEAPS: [Duration; 9] = [
            Duration::from_millis(300),
            Duration::from_millis(890),
            Duration::from_millis(1_100),
            Duration::from_secs(4),
            Duration::from_secs(6),
            Duration::from_secs(11),
            Duration::from_secs(11),
            Duration::from_mins(3),
            Duration::from_mins(16),
        ];
        if self.below(250) == 0 {
            return self.pick(&LEAPS);
        }
        self.pause(pace)
    }
}
