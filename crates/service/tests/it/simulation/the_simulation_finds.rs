//! The schedules find each defect that is put in, and for the right reason.

use super::mutations::Mutation;
use super::schedule::run;

const ACCEPTED: &str = "after its end was acknowledged";

#[test]
fn a_feed_that_skips_entries() {
    assert_found(Mutation::FeedSkipsEntries, ACCEPTED);
}

#[test]
fn an_image_that_stays_empty() {
    assert_found(Mutation::ImageStaysEmpty, ACCEPTED);
}

#[test]
fn an_end_without_an_entry() {
    assert_found(Mutation::EndsWithoutEntry, ACCEPTED);
}

#[test]
fn a_clock_that_stands_still() {
    assert_found(Mutation::ClockStandsStill, ACCEPTED);
}

#[test]
fn stale_principals() {
    assert_found(Mutation::StalePrincipals, ACCEPTED);
}

#[test]
fn a_logout_that_is_lost() {
    assert_found(Mutation::LogoutIsLost, ACCEPTED);
}

#[test]
fn a_store_that_forgets_revoked_tokens() {
    assert_found(Mutation::StoreForgetsTokens, ACCEPTED);
}

#[test]
fn a_refresh_that_brings_a_session_back() {
    assert_found(Mutation::RefreshResurrects, "a token is minted from a state before an acknowledged cause");
}

#[test]
fn a_login_with_a_former_password() {
    assert_found(Mutation::OldPasswordOpens, "a session outlives its password");
}

#[test]
fn two_tabs_that_are_taken_for_a_thief() {
    assert_found(Mutation::NoGrace, "a refresh token was not spent");
}

#[test]
fn a_feed_that_invents_entries() {
    assert_found(Mutation::FeedInvents, "a token is refused without a cause");
}

#[test]
fn an_end_of_sessions_that_is_lost() {
    assert_found(Mutation::EndOfSessionsIsLost, ACCEPTED);
}

#[test]
fn an_update_that_keeps_the_generation() {
    assert_found(Mutation::UpdateKeepsGeneration, "showed");
}

#[test]
fn an_update_without_an_entry() {
    assert_found(Mutation::UpdateWithoutEntry, ACCEPTED);
}

#[test]
fn a_deletion_without_an_entry() {
    assert_found(Mutation::DeletionWithoutEntry, ACCEPTED);
}

#[test]
fn a_last_admin_who_goes() {
    assert_found(Mutation::LastAdminGoes, "nobody administers");
}

#[test]
fn a_change_of_roles_without_an_entry() {
    assert_found(Mutation::CatalogueWithoutEntry, "former roles decide what is permitted");
}

#[test]
fn stale_roles() {
    assert_found(Mutation::StaleCatalogue, "former roles decide what is permitted");
}

#[test]
fn a_key_that_is_revoked_without_an_entry() {
    assert_found(Mutation::KeyWithoutEntry, ACCEPTED);
}

#[test]
fn a_refresh_token_of_a_revoked_key() {
    assert_found(Mutation::RevokedKeyRefreshes, "a refresh token of a revoked key buys something");
}

/// Asserts that one of the first schedules, which keep every promise without the defect, objects to it in these words.
fn assert_found(defect: Mutation, objection: &str) {
    let is_found = |seed| run(seed, Some(defect), false).objection.is_some_and(|it| it.contains(objection));
    assert!((0..2_000).any(is_found), "nobody notices {defect:?}");
}
