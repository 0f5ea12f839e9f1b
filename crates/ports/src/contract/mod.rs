//! The contract kit: proves that a storage keeps every MUST of the storage ports, whoever wrote it.
//!
//! [`storage_contract!`](crate::storage_contract) turns each case into a test of its own. A case is a plain function
//! that gets a storage of its own, still empty, and panics when the storage breaks its MUST. `docs/STORAGE-CONTRACT.md`
//! tells how to use the kit and what each case means.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a case tells that a storage is wrong by panicking, as an assertion does"
)]

pub mod audit;
pub mod blacklist;
pub mod changes;
pub mod crashes;
pub mod effects;
pub mod ends;
pub mod fixtures;
pub mod health;
pub mod keys;
mod race;
pub mod roles;
pub mod services;
pub mod sessions;
pub mod users;

use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_domain::TenantId;

use crate::Stores;

/// One empty storage, for one case.
#[async_trait]
pub trait StorageUnderTest: Send + Sync {
    /// Opens another instance over the same data, as a second server process would.
    ///
    /// Data live as long as this value: an instance that is opened after all others were dropped must show
    /// everything that was acknowledged before. A storage that permits one instance at a time gives clones of the open
    /// one, and opens anew once all are dropped; a storage in memory keeps one and gives clones of it.
    async fn open(&self) -> Stores;

    /// A tenant beside [`TenantId::DEFAULT`], another one at each call.
    ///
    /// A storage that keeps a list of its tenants overrides this and adds the new one to it.
    async fn another_tenant(&self) -> TenantId {
        fixtures::tenant()
    }

    /// Whether whoever runs the tests said aloud that they are to pass without this storage.
    fn is_skipped(&self) -> bool {
        false
    }
}

/// Runs a case, and panics when it has not ended after two minutes: a storage that blocks itself is red, not endless. A case
/// can be sent to another thread, so that a caller may run it in a task of its own.
pub async fn within_time(case: impl Future<Output = ()> + Send) {
    tokio::time::timeout(Duration::from_mins(2), case)
        .await
        .expect("the case did not end within two minutes");
}

/// Makes a test of every case: `storage_contract!(fresh)`, where `fresh` is an `async fn() -> impl StorageUnderTest`.
///
/// The calling crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! storage_contract {
    (@names) => {
        $crate::storage_contract!(@cases names ())
    };
    // The one list of cases, by the module that holds them; that of the blacklist first, since an adapter may be that alone.
    (@cases $then:ident $fresh:tt) => {
        $crate::storage_contract! { @$then $fresh
            blacklist {
                an_added_entry_is_read_by_every_instance
                no_cursor_skips_a_concurrent_writer
                pages_of_entries_are_complete_and_end
                only_expired_entries_are_forgotten
                a_subscriber_is_woken_by_every_instance
            }
            users {
                one_of_many_concurrent_registrations_wins
                a_refused_registration_leaves_nothing
                a_registered_user_is_found_by_any_spelling
                a_created_user_has_no_session_and_a_unique_address
                the_first_admin_is_made_once
                tenants_do_not_see_each_other
                pages_of_users_are_complete_and_ordered
                a_new_password_ends_every_session
                the_highest_bcrypt_cost_is_known
            }
            changes {
                a_deactivated_user_is_out_and_stays_out
                the_last_active_admin_stays
                setting_the_same_changes_nothing
                new_roles_outdate_tokens_and_keep_sessions
                a_change_of_a_user_that_was_not_seen_is_refused
                a_deleted_user_is_gone_and_its_address_free
            }
            sessions {
                a_login_loses_against_a_deactivation
                a_login_with_the_old_password_loses_against_its_change
                a_hash_upgrade_leaves_concurrent_logins_alone
                a_change_is_seen_by_every_instance_at_once
                a_blacklisted_token_has_no_principal
                concurrent_rotations_have_one_winner
                reuse_outside_the_grace_ends_the_session
                the_grace_covers_the_immediate_predecessor_only
                a_logout_wins_against_concurrent_refreshes
                an_expired_session_does_not_rotate
                only_expired_sessions_are_forgotten
            }
            ends {
                every_end_is_blacklisted_with_its_cause
                an_end_wakes_who_follows_the_blacklist
                ending_a_session_twice_is_ending_it_once
                ending_all_sessions_takes_a_live_one
                ending_the_sessions_of_a_user_ends_all
                a_revoked_token_is_blacklisted_once
            }
            keys {
                signing_keys_come_back_as_stored
                concurrent_first_keys_leave_one
                another_algorithm_retires_the_former
                a_rotation_leaves_one_key_without_an_end
                a_refresh_loses_against_the_revocation_of_its_key
                a_revoked_key_is_gone_and_another_goes_on
                only_retired_keys_are_forgotten
            }
            roles {
                a_changed_catalogue_comes_back_as_stored
                one_of_many_concurrent_catalogue_changes_wins
                a_role_that_somebody_has_stays
                nobody_is_given_what_was_checked_against_another_catalogue
            }
            services {
                one_of_many_concurrent_services_has_the_name
                services_come_back_as_stored
            }
            audit {
                audit_entries_come_back_as_added
                pages_of_the_audit_trail_are_complete_and_ordered
                every_entry_is_linked_exactly_once
            }
            effects {
                an_entry_commits_with_its_cause
            }
            health {
                a_healthy_store_answers
            }
            crashes {
                acknowledged_writes_survive_a_reopen
                an_aborted_caller_leaves_no_half_step
            }
        }
    };
    (@names () $($port:ident { $($case:ident)* })*) => {
        [$($(stringify!($case)),*),*]
    };
    (@blacklist_tests $fresh:tt blacklist $cases:tt $($others:tt)*) => {
        $crate::storage_contract! { @tests $fresh blacklist $cases }
    };
    (@tests ($fresh:path) $($port:ident { $($case:ident)* })*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let storage = $fresh().await;
                if $crate::contract::StorageUnderTest::is_skipped(&storage) {
                    return;
                }
                $crate::contract::within_time($crate::contract::$port::$case(&storage)).await;
            }
        )*)*
    };
    ($fresh:path) => {
        $crate::storage_contract! { @cases tests ($fresh) }
    };
}

/// The cases that concern the token blacklist alone, for an adapter that is nothing else: its `fresh` gives a storage of
/// which only the blacklist counts.
#[macro_export]
macro_rules! blacklist_contract {
    ($fresh:path) => {
        $crate::storage_contract! { @cases blacklist_tests ($fresh) }
    };
}

#[cfg(test)]
mod tests;
