use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use maestro_auth_domain::HashScheme;
use rustix::time::{ClockId, clock_gettime};

use super::recent::RecentMax;

/// The least time that a failed login takes, so that it does not tell which scheme the account's hash has (SEC-17).
///
/// As long as every hash is of the configured scheme, all failures do the same work and there is no floor. It rises when
/// another scheme is known to be stored, by announcement or because such a hash was verified, and never falls again.
///
/// What a scheme costs is counted in processor time. How long that takes depends on the load, which an attacker may make;
/// so the floor adds the longest recent wait for a lane and stretches with the slowest recent turn in one.
pub(super) struct FailureFloor {
    configured: HashScheme,
    /// The least that the configured scheme was seen to take.
    configured_nanos: AtomicU64,
    /// The most that another scheme takes; 0 while there is none.
    other_nanos: AtomicU64,
    /// The longest wait for a lane, in nanoseconds.
    recent_wait: RecentMax,
    /// The slowest turn in a lane: its time over its processor time, in percent.
    recent_stretch: RecentMax,
}

impl FailureFloor {
    /// What the configured scheme is taken to cost before it was ever measured.
    const UNMEASURED: Duration = Duration::from_millis(250);
    /// A machine that is slower than this for a while has worse problems than what a failed login tells.
    const MAX_STRETCH_PERCENT: u64 = 800;

    pub(super) const fn new(configured: HashScheme) -> Self {
        Self {
            configured,
            configured_nanos: AtomicU64::new(u64::MAX),
            other_nanos: AtomicU64::new(0),
            recent_wait: RecentMax::new(0),
            recent_stretch: RecentMax::new(100),
        }
    }

    /// Notes how long a job waited for its lane and how long its turn was, of which `computing` on the processor.
    pub(super) fn observe_turn(&self, waited: Duration, turn: Duration, computing: Duration) {
        let now = Instant::now();
        let percent = nanos(turn).saturating_mul(100) / nanos(computing).max(1);
        self.recent_wait.observe(nanos(waited), now);
        self.recent_stretch.observe(percent.min(Self::MAX_STRETCH_PERCENT), now);
    }

    /// Notes what one verification took.
    pub(super) fn observe(&self, scheme: HashScheme, taken: Duration) {
        if scheme == self.configured {
            self.configured_nanos.fetch_min(nanos(taken), Ordering::Relaxed);
        } else {
            self.other_nanos.fetch_max(nanos(taken), Ordering::Relaxed);
        }
    }

    /// Notes that bcrypt hashes up to this cost are stored, and what they will take. Blocks for a few milliseconds.
    pub(super) fn expect_bcrypt(&self, cost: u32) {
        let scheme = HashScheme::Bcrypt { cost };
        if scheme != self.configured {
            self.observe(scheme, estimate_bcrypt(cost));
        }
    }

    /// The recent wait for a lane and 1.25 × what the slowest scheme takes at present, if there is more than one.
    pub(super) fn get(&self) -> Duration {
        let other = self.other_nanos.load(Ordering::Relaxed);
        if other == 0 {
            return Duration::ZERO;
        }
        let configured = match self.configured_nanos.load(Ordering::Relaxed) {
            u64::MAX => nanos(Self::UNMEASURED),
            measured => measured,
        };
        let now = Instant::now();
        let slowest = other.max(configured).saturating_mul(self.recent_stretch.get(now)) / 100;
        Duration::from_nanos(self.recent_wait.get(now)) + Duration::from_nanos(slowest) * 5 / 4
    }
}

/// The processor time that this thread has used so far.
pub(super) fn thread_cpu_time() -> Duration {
    // A duration since the thread's start: never negative.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Each step of cost doubles the work, so a cheap one tells of all; the best of three is free of disturbance.
fn estimate_bcrypt(cost: u32) -> Duration {
    const MEASURED_COST: u32 = 5;

    let measure = || {
        let started = thread_cpu_time();
        let _ = hint::black_box(bcrypt::hash_with_salt("calibration", MEASURED_COST, [0; 16]));
        thread_cpu_time().saturating_sub(started)
    };
    let best = measure().min(measure()).min(measure());
    best.mul_f64(2_f64.powf(f64::from(cost) - f64::from(MEASURED_COST)))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::Argon2Params;

    use super::*;

    const ARGON2ID: HashScheme = HashScheme::Argon2id(Argon2Params::DEFAULT);
    const BCRYPT: HashScheme = HashScheme::Bcrypt { cost: 12 };

    #[test]
    fn one_scheme_needs_no_floor_however_long_it_takes() {
        let floor = FailureFloor::new(ARGON2ID);
        for millis in [17, 900, 20] {
            floor.observe(ARGON2ID, Duration::from_millis(millis));
        }
        assert_eq!(floor.get(), Duration::ZERO);
    }

    #[test]
    fn sec_17_the_floor_is_above_the_slowest_of_several_schemes() {
        let floor = FailureFloor::new(ARGON2ID);
        floor.observe(ARGON2ID, Duration::from_millis(20));
        floor.observe(BCRYPT, Duration::from_millis(4));
        assert_eq!(floor.get(), Duration::from_millis(25));
        floor.observe(BCRYPT, Duration::from_millis(200));
        floor.observe(BCRYPT, Duration::from_millis(100));
        assert_eq!(floor.get(), Duration::from_millis(250));
    }

    #[test]
    fn sec_17_load_stretches_the_floor_for_every_failure_alike() {
        let floor = FailureFloor::new(ARGON2ID);
        let millis = Duration::from_millis;
        floor.observe_turn(millis(300), millis(60), millis(20));
        assert_eq!(floor.get(), Duration::ZERO, "there is still one scheme");
        floor.observe(ARGON2ID, millis(20));
        floor.observe(BCRYPT, millis(200));
        assert_eq!(floor.get(), millis(300 + 3 * 250));
        floor.observe_turn(millis(0), millis(20), millis(20));
        assert_eq!(floor.get(), millis(300 + 3 * 250), "a calm turn does not undo it at once");
    }

    #[test]
    fn an_announced_bcrypt_cost_raises_the_floor_before_any_login() {
        let floor = FailureFloor::new(ARGON2ID);
        floor.expect_bcrypt(4);
        assert_eq!(floor.get(), FailureFloor::UNMEASURED * 5 / 4);

        let configured = FailureFloor::new(BCRYPT);
        configured.expect_bcrypt(12);
        assert_eq!(configured.get(), Duration::ZERO);
    }
}
