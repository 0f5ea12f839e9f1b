//! A simulation: two instances over one storage, clients that ask both for everything at once, storage and feed that fail
//! now and then, time that leaps; and an oracle that knows what was promised (api.md section 8).
//!
//! Each schedule is a function of its seed. `MAESTRO_AUTH_SIMULATION_SEED=n` runs one of them alone and prints all that
//! happens in it (add `-- --nocapture`), `MAESTRO_AUTH_SIMULATION_SEEDS=n` runs as many as are wanted.

mod clients;
mod dice;
mod mutations;
mod operators;
mod oracle;
mod rounds;
mod schedule;
mod scheduler;
mod signer;
mod store;
mod surroundings;
mod the_simulation_finds;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::thread;

use self::schedule::{Schedule, run};

/// The seed of the one schedule to run.
const ONE_SEED: &str = "MAESTRO_AUTH_SIMULATION_SEED";
/// How many seeds to run.
const SEEDS: &str = "MAESTRO_AUTH_SIMULATION_SEEDS";
/// What must happen often enough, or the schedules prove nothing.
const EVENTS: [&str; 27] = [
    "token accepted",
    "token refused",
    "token of a revoked key refused",
    "permitted",
    "not permitted",
    "answered from memory",
    "answered by the store",
    "login accepted",
    "login refused",
    "refresh accepted",
    "refresh refused",
    "refresh token reused",
    "refresh token of no worth",
    "address used again",
    "token revoked",
    "session ended",
    "all sessions ended",
    "roles changed",
    "user deleted",
    "key revoked",
    "role defined",
    "role deleted",
    "user obeyed",
    "user denied",
    "last admin stays",
    "admins listed",
    "cause of unknown outcome",
];

#[test]
fn every_schedule_keeps_the_promise() {
    if let Some(seed) = number(ONE_SEED) {
        return replay(seed);
    }
    let seeds = number(SEEDS).unwrap_or(2_000);
    let halves = [0..seeds / 2, seeds / 2..seeds];
    let tallies = thread::scope(|scope| {
        let running = halves.map(|half| scope.spawn(|| half.map(keep_promise).collect::<Vec<_>>()));
        running.map(|half| half.join().unwrap())
    });
    let mut total = BTreeMap::new();
    for (what, count) in tallies.into_iter().flatten().flatten() {
        *total.entry(what).or_insert(0) += count;
    }
    let is_seldom = |what: &&&str| total.get(**what).is_none_or(|count| *count < seeds / 25);
    let seldom = EVENTS.iter().find(is_seldom);
    assert!(seldom.is_none(), "{seldom:?} is too seldom to prove anything; all that happened: {total:#?}");
}

#[test]
fn a_schedule_is_a_function_of_its_seed() {
    for seed in 0..20 {
        assert_eq!(run(seed, None, true).trace, run(seed, None, true).trace);
    }
}

/// Runs the schedule of a seed. If a promise is not kept, runs it again to tell what happened at last, and fails the test.
fn keep_promise(seed: u64) -> BTreeMap<&'static str, u64> {
    let Schedule { objection, tally, .. } = run(seed, None, false);
    if let Some(objection) = objection {
        let trace = run(seed, None, true).trace;
        let last = trace[trace.len().saturating_sub(60)..].join("\n");
        panic!("{last}\n\nseed {seed} fails: {objection}; replay with {ONE_SEED}={seed}");
    }
    tally
}

/// Tells everything that happens in one schedule.
#[expect(clippy::print_stdout, reason = "the tester wants to read it")]
fn replay(seed: u64) {
    let Schedule { objection, trace, .. } = run(seed, None, true);
    println!("{}", trace.join("\n"));
    assert!(objection.is_none(), "{objection:?}");
}

#[expect(clippy::disallowed_methods, reason = "the tester says by the environment which schedules to run")]
fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|number| number.parse().unwrap())
}
