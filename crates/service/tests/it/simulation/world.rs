use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use maestro_auth_adapters::system::testing::{ManualClock, SeededEntropy};
use maestro_auth_domain::Timestamp;
use maestro_auth_ports::{Clock, StoreError};

use super::dice::Dice;
use super::mutations::{Mutation, Planted};
use super::oracle::{Oracle, Verdict};
use super::scheduler::stand_back;

/// Everything of one schedule that is not a service: chance, time, weather, and who watches.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) clock: Arc<ManualClock>,
    pub(super) entropy: Arc<SeededEntropy>,
    pub(super) weather: [Weather; 2],
    /// Whether nothing fails and no time is leapt over, so that who follows the feed never loses it.
    pub(super) is_quiet: bool,
    /// How many of a hundred requests are orders of administrators.
    pub(super) orders: u64,
    /// What is wrong in this world on purpose.
    pub(super) mutation: Option<Mutation>,
    pub(super) planted: Mutex<Planted>,
    oracle: Mutex<Oracle>,
    objection: Mutex<Option<String>>,
    /// Counts everything that happens, so that it has an order where time has none.
    events: AtomicU64,
    acting: AtomicUsize,
    faults: [AtomicU64; Self::MAX_ACTORS],
    trace: Mutex<Vec<String>>,
    is_traced: bool,
}

/// What troubles one instance at the moment.
#[derive(Default)]
pub(super) struct Weather {
    pub(super) storage_is_off: AtomicBool,
    pub(super) feed_is_off: AtomicBool,
}

/// When something happened: its place in the order of events, and the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    event: u64,
    pub(super) at: Duration,
}

impl World {
    const MAX_ACTORS: usize = 16;

    pub(super) fn new(seed: u64, mutation: Option<Mutation>, is_traced: bool) -> Self {
        let dice = Dice::new(seed);
        Self {
            is_quiet: dice.chance(25),
            orders: dice.pick(&[4, 15, 35]),
            dice,
            clock: Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_800_000_000))),
            entropy: Arc::new(SeededEntropy::new(!seed)),
            weather: Default::default(),
            mutation,
            planted: Mutex::default(),
            oracle: Mutex::new(Oracle::new()),
            objection: Mutex::default(),
            events: AtomicU64::new(0),
            acting: AtomicUsize::new(0),
            faults: Default::default(),
            trace: Mutex::default(),
            is_traced,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { event: self.events.fetch_add(1, Ordering::SeqCst), at: self.clock.monotonic() }
    }

    pub(super) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap()
    }

    /// Remembers the first thing that the oracle objects to; with it the schedule ends.
    pub(super) fn expect(&self, verdict: Verdict) {
        if let Err(objection) = verdict {
            self.note(|| format!("OBJECTION: {objection}"));
            self.objection.lock().unwrap().get_or_insert(objection);
        }
    }

    pub(super) fn objection(&self) -> Option<String> {
        self.objection.lock().unwrap().clone()
    }

    /// Says who is about to act.
    pub(super) fn now_acts(&self, actor: usize) {
        self.acting.store(actor, Ordering::SeqCst);
    }

    /// Lets others act for a little while, or not at all.
    pub(super) async fn linger(&self) {
        stand_back(self.dice.below(4)).await;
    }

    /// A fault of the storage, in a call of whoever acts.
    pub(super) fn fault(&self, what: &str) -> StoreError {
        self.faults_of_acting().fetch_add(1, Ordering::SeqCst);
        self.note(|| format!("  fault: {what}"));
        StoreError::unavailable("bad weather")
    }

    /// How many faults whoever acts has met.
    pub(super) fn faults(&self) -> u64 {
        self.faults_of_acting().load(Ordering::SeqCst)
    }

    /// Writes down what happens, if anybody is going to read it.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            let (at, actor) = (self.clock.monotonic(), self.acting.load(Ordering::SeqCst));
            self.trace.lock().unwrap().push(format!("{:>14.6} #{actor} {}", at.as_secs_f64(), what()));
        }
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.lock().unwrap().clone()
    }

    fn faults_of_acting(&self) -> &AtomicU64 {
        &self.faults[self.acting.load(Ordering::SeqCst)]
    }
}
