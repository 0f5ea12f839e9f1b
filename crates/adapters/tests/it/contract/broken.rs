//! The kit bites: storages with one classic mistake each, and the case that must turn red for it.

mod mistakes;
mod planted;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{BlacklistEntry, Timestamp};
use maestro_auth_ports::contract::{
    StorageUnderTest, audit, blacklist, changes, crashes, effects, ends, keys, roles, services, sessions,
    users,
};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, BlacklistWakeups, StoreResult, Stores, TokenBlacklist,
};
use tokio::task::yield_now;

use planted::planted;

/// Demands that the case turns red over a storage with the mistake.
macro_rules! caught {
    ($($test:ident: $storage:expr => $port:ident::$case:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $test() {
            let verdict = tokio::spawn(async { $port::$case(&$storage).await }).await;
            assert!(verdict.is_err_and(|error| error.is_panic()), "the case did not notice the mistake");
        })*
    };
}

caught! {
    a_registration_that_checks_and_then_inserts_is_caught: planted(mistakes::ChecksAnAddressThenInserts)
        => users::one_of_many_concurrent_registrations_wins;
    a_registration_in_two_steps_is_caught: planted(mistakes::RegistersInTwoSteps)
        => crashes::an_aborted_caller_leaves_no_half_step;
    pages_of_users_that_skip_some_are_caught: planted(mistakes::TakesAShortPageForTheLast)
        => users::pages_of_users_are_complete_and_ordered;
    a_change_of_a_user_that_nobody_saw_is_caught: planted(mistakes::ChangesWhatNobodySaw)
        => changes::a_change_of_a_user_that_was_not_seen_is_refused;
    roles_that_were_not_checked_are_caught: planted(mistakes::GivesWhatWasNotChecked)
        => roles::nobody_is_given_what_was_checked_against_another_catalogue;
    a_deletion_of_the_last_admin_is_caught: planted(mistakes::DeletesTheLastAdmin)
        => changes::the_last_active_admin_stays;
    an_entry_of_a_refused_step_is_caught: planted(mistakes::TellsOfARefusedStep)
        => effects::an_entry_commits_with_its_cause;
    a_forgotten_entry_is_caught: planted(mistakes::TellsNobody)
        => effects::an_entry_commits_with_its_cause;
    a_rotation_that_reads_then_checks_then_writes_is_caught: planted(mistakes::ReadsACounterThenWrites)
        => sessions::concurrent_rotations_have_one_winner;
    a_rotation_for_a_revoked_key_is_caught: planted(mistakes::RotatesForARevokedKey)
        => keys::a_refresh_loses_against_the_revocation_of_its_key;
    a_token_that_is_revoked_again_is_caught: planted(mistakes::RevokesATokenAgain)
        => ends::a_revoked_token_is_blacklisted_once;
    a_change_of_a_catalogue_that_nobody_saw_is_caught: planted(mistakes::ChangesACatalogueNobodySaw)
        => roles::one_of_many_concurrent_catalogue_changes_wins;
    a_deletion_of_a_role_that_is_held_is_caught: planted(mistakes::DeletesARoleThatIsHeld)
        => roles::a_role_that_somebody_has_stays;
    a_deletion_of_a_role_that_looks_for_holders_first_is_caught: planted(mistakes::LooksForHoldersThenDeletes)
        => roles::a_role_that_somebody_has_stays;
    a_service_name_that_is_checked_and_then_inserted_is_caught: planted(mistakes::ChecksANameThenInserts)
        => services::one_of_many_concurrent_services_has_the_name;
    a_chain_that_two_linkers_extend_at_once_is_caught: planted(mistakes::LinksWhereverTheChainEnds)
        => audit::every_entry_is_linked_exactly_once;
    a_storage_that_forgets_when_it_is_closed_is_caught: Forgetful
        => crashes::acknowledged_writes_survive_a_reopen;
    a_log_whose_cursor_is_a_number_drawn_before_the_commit_is_caught: Sequenced::default()
        => blacklist::no_cursor_skips_a_concurrent_writer;
}

/// A case is red for the mistake, since it is green without one.
mod right {
    use super::mistakes::NoMistake;
    use super::planted::{Planted, planted};

    #[expect(clippy::unused_async, reason = "the kit awaits storages that take time to open")]
    async fn fresh() -> Planted<NoMistake> {
        planted(NoMistake)
    }

    maestro_auth_ports::storage_contract!(fresh);
}

struct Forgetful;

#[async_trait]
impl StorageUnderTest for Forgetful {
    async fn open(&self) -> Stores {
        Stores::of(Arc::new(MemoryStore::new()))
    }
}

#[derive(Default)]
struct Sequenced {
    store: Arc<MemoryStore>,
    log: Arc<SequencedLog>,
}

#[async_trait]
impl StorageUnderTest for Sequenced {
    async fn open(&self) -> Stores {
        Stores { blacklist: self.log.clone(), ..Stores::of(self.store.clone()) }
    }
}

/// Draws numbers from a sequence, commits later, and reads what is greater than the last number, as a table with a serial
/// key invites to.
#[derive(Default)]
struct SequencedLog {
    sequence: AtomicU64,
    committed: Mutex<BTreeMap<u64, BlacklistEntry>>,
    other: MemoryStore,
}

#[async_trait]
impl TokenBlacklist for SequencedLog {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        let numbered: Vec<_> =
            entries.iter().map(|entry| (self.sequence.fetch_add(1, Ordering::SeqCst) + 1, *entry)).collect();
        let is_slow = numbered.first().is_some_and(|(number, _)| number % 4 == 0);
        for _ in 0..if is_slow { 100 } else { 1 } {
            yield_now().await; // others commit meanwhile
        }
        self.committed.lock().unwrap().extend(numbered);
        Ok(())
    }

    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        let after = after.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let (numbers, entries): (Vec<u64>, Vec<BlacklistEntry>) =
            self.committed.lock().unwrap().range(after + 1..).take(limit as usize).unzip();
        let is_complete = entries.len() < limit as usize;
        let next = BlacklistCursor::new(numbers.last().unwrap_or(&after).to_string());
        Ok(BlacklistPage { entries, next, starts_over: false, is_complete })
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.other.forget_expired_entries(before, limit).await
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        self.other.subscribe().await
    }
}
