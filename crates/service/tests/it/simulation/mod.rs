//! A simulation: two instances over one storage, clients that ask both for everything at once, storage and feed that fail
//! now and then, time that leaps; and an oracle that knows what was promised (api.md section 8).
//!
//! Each schedule is a function of its seed. `MAESTRO_AUTH_SIMULATION_SEED=n` runs one of them alone and tells all that
//! happens in it, `MAESTRO_AUTH_SIMULATION_SEEDS=n` runs as many as are wanted.

mod clients;
mod dice;
mod mutations;
mod operators;
mod oracle;
mod schedule;
mod scheduler;
mod signer;
mod store;
mod surroundings;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::thread;

use self::mutations::Mutation;
use self::schedule::{Schedule, run};

/// The seed of the one schedule to run.
const ONE_SEED: &str = "MAESTRO_AUTH_SIMULATION_SEED";
/// How many seeds to run.
const SEEDS: &str = "MAESTRO_AUTH_SIMULATION_SEEDS";

#[test]
fn every_schedule_keeps_the_promise() {
    if let Some(seed) = number(ONE_SEED) {
        panic!("{}", tell(seed, None, usize::MAX));
    }
    let seeds = number(SEEDS).unwrap_or(4_000);
    let halves = [0..seeds / 2, seeds / 2..seeds];
    let tallies = thread::scope(|scope| {
        let running = halves.map(|half| scope.spawn(|| half.map(keep_promise).collect::<Vec<_>>()));
        running.map(|half| half.join().unwrap())
    });
    let mut total = BTreeMap::new();
    for (what, count) in tallies.into_iter().flatten().flatten() {
        *total.entry(what).or_insert(0) += count;
    }
    let seldom = total.iter().find(|(_, count)| **count < 500);
    assert!(seldom.is_none(), "{seldom:?} is too seldom to prove anything; all that happened: {total:#?}");
}

/// The schedules find each defect that is put in.
mod the_simulation_finds {
    use super::Mutation;
    use super::assert_found;

    #[test]
    fn a_feed_that_skips_entries() {
        assert_found(Mutation::FeedSkipsEntries);
    }

    #[test]
    fn an_image_that_stays_empty() {
        assert_found(Mutation::ImageStaysEmpty);
    }

    #[test]
    fn an_end_without_an_entry() {
        assert_found(Mutation::EndsWithoutEntry);
    }

    #[test]
    fn a_clock_that_stands_still() {
        assert_found(Mutation::ClockStandsStill);
    }

    #[test]
    fn stale_principals() {
        assert_found(Mutation::StalePrincipals);
    }

    #[test]
    fn a_logout_that_is_lost() {
        assert_found(Mutation::LogoutIsLost);
    }

    #[test]
    fn a_refresh_that_brings_a_session_back() {
        assert_found(Mutation::RefreshResurrects);
    }

    #[test]
    fn a_login_with_a_former_password() {
        assert_found(Mutation::OldPasswordOpens);
    }

    #[test]
    fn tabs_that_are_taken_for_a_thief() {
        assert_found(Mutation::NoGrace);
    }

    #[test]
    fn a_store_that_forgets_revoked_tokens() {
        assert_found(Mutation::StoreForgetsTokens);
    }

    #[test]
    fn a_feed_that_invents_entries() {
        assert_found(Mutation::FeedInvents);
    }
}

/// Runs the schedule of a seed, and fails the test with what happened in it if a promise is not kept.
fn keep_promise(seed: u64) -> BTreeMap<&'static str, u64> {
    let Schedule { objection, tally, .. } = run(seed, None, false);
    assert!(objection.is_none(), "{}", tell(seed, None, 60));
    tally
}

/// Asserts that some schedule of the first few objects to the defect.
fn assert_found(defect: Mutation) {
    let is_found = |seed: &u64| run(*seed, Some(defect), false).objection.is_some();
    let found = (0..1_000).find(is_found);
    assert!(found.is_some(), "nobody notices {defect:?}");
    println!("{}", tell(found.unwrap(), Some(defect), 30));
}

/// Runs a schedule again, and tells what happened at last.
fn tell(seed: u64, mutation: Option<Mutation>, events: usize) -> String {
    let Schedule { objection, trace, .. } = run(seed, mutation, true);
    let last = trace[trace.len().saturating_sub(events)..].join("\n");
    let objection = objection.unwrap_or_else(|| "nothing is wrong".to_owned());
    format!("{last}\n\nseed {seed}: {objection}; replay with {ONE_SEED}={seed}")
}

#[expect(clippy::disallowed_methods, reason = "the tester says by the environment which schedules to run")]
fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|number| number.parse().unwrap())
}
