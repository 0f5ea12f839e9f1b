//! The cases of [`SessionRepository`](crate::SessionRepository) that end sessions and revoke tokens, and what the blacklist
//! hears of that and of every other end.

use std::collections::HashSet;

use maestro_auth_domain::{
    BlacklistEntry, CatalogueRevision, Description, NewSession, PasswordVersion, RefreshCounter, Revoked,
    RoleName, Roles, TenantId, User,
};

use super::StorageUnderTest;
use super::audit::whole_trail;
use super::blacklist::{whole_log, woken};
use super::fixtures::{
    admin, argon2_hash, at, create, delete, effects, find_principal, key_id, permission_name, principal,
    register, revision, revoked_at, role, role_name, rotate, session, set_active, set_roles, signing_key,
    stored_key, token, user, when,
};
use super::race::race;
use super::sessions::{open, opened, opened_session};
use super::users::assert_ended;
use crate::{
    Algorithm, CatalogueChange, CatalogueOutcome, DeleteOutcome, OpenOutcome, RevokeAllOutcome,
    RotateOutcome, Stores, UpdateOutcome,
};

const FIRST: RefreshCounter = RefreshCounter::FIRST;

/// The entry of each cause is in the log once the cause is acknowledged, for another instance, too; a cause that changed
/// nothing left none.
pub async fn every_end_is_blacklisted_with_its_cause(storage: &dyn StorageUnderTest) {
    let here = storage.open().await;
    let mut log = Log { reader: storage.open().await, expected: HashSet::new() };
    end_sessions(&here, &mut log).await;
    change_users(&here, &mut log).await;
    delete_users(&here, &mut log).await;
    revoke_tokens_and_keys(&here, &mut log).await;
    change_roles(&here, &mut log).await;
}

/// What the blacklist must hold by now, as another instance reads it.
struct Log {
    reader: Stores,
    expected: HashSet<BlacklistEntry>,
}

impl Log {
    /// Demands that `what` was done now left these, revoked at these seconds, and nothing else.
    async fn gained<const N: usize>(&mut self, revoked: [(Revoked, i64); N], what: &str) {
        self.expected.extend(revoked.map(|(revoked, seconds)| BlacklistEntry {
            tenant: TenantId::DEFAULT,
            revoked,
            until: when(seconds).until,
        }));
        assert_eq!(whole_log(&self.reader).await, self.expected, "{what}");
    }
}

/// The tokens of the user below the generation that it has after so many rises.
fn below(user: &User, rises: usize) -> Revoked {
    let min_generation = (0..rises).fold(user.generation, |generation, _| generation.next());
    Revoked::User { user: user.id, min_generation }
}

async fn end_sessions(here: &Stores, log: &mut Log) {
    let key = stored_key(here).await;
    let (_, logged_out) = register(here, user()).await;
    here.sessions.revoke(logged_out.id, when(1), effects()).await.unwrap();
    here.sessions.revoke(logged_out.id, when(2), effects()).await.unwrap();
    here.sessions.revoke(session(0).id, when(3), effects()).await.unwrap();
    log.gained([(Revoked::Session(logged_out.id), 1)], "a logout, and two that end nothing").await;

    let (user, first) = register(here, user()).await;
    here.sessions.revoke_all(first.id, when(4), effects()).await.unwrap();
    here.sessions.revoke_all(first.id, when(5), effects()).await.unwrap();
    log.gained([(below(&user, 1), 4)], "a logout everywhere, and one that ends nothing").await;

    let reused = opened_session(here, &user).await;
    rotate(here, key, reused, FIRST, at(6)).await;
    rotate(here, key, reused, FIRST, at(7)).await;
    log.gained([], "a rotation and a replay").await;
    rotate(here, key, reused, FIRST, at(20)).await;
    rotate(here, key, reused, FIRST, at(21)).await;
    log.gained([(Revoked::Session(reused), 20)], "a reuse, and one of the ended session").await;

    opened_session(here, &user).await;
    let ended = here.sessions.revoke_all_of(user.tenant, user.id, when(22), effects()).await.unwrap();
    assert_eq!(ended, Some(user.generation.next().next()));
    here.sessions.revoke_all_of(user.tenant, super::fixtures::user().id, when(23), effects()).await.unwrap();
    log.gained([(below(&user, 2), 22)], "the end of all sessions of a user, and of nobody").await;
}

async fn change_users(here: &Stores, log: &mut Log) {
    let (user, _) = register(here, user()).await;
    here.users.set_password(user.id, argon2_hash(), when(31), effects()).await.unwrap();
    log.gained([(below(&user, 1), 31)], "a new password").await;

    set_roles(here, user.id, Roles::single(RoleName::admin()), when(32)).await;
    set_roles(here, user.id, Roles::single(RoleName::admin()), when(33)).await;
    assert_eq!(set_active(here, user.id, false, when(34)).await, UpdateOutcome::LastAdmin);
    log.gained([(below(&user, 2), 32)], "new roles, and what changes nothing").await;

    register(here, admin()).await;
    set_active(here, user.id, false, when(35)).await;
    set_active(here, user.id, false, when(36)).await;
    set_active(here, user.id, true, when(37)).await;
    log.gained([(below(&user, 3), 35)], "a deactivation, and what changes nothing").await;
}

async fn delete_users(here: &Stores, log: &mut Log) {
    let gone = create(here, user()).await;
    let outcome = here.users.delete(&gone, when(41), effects()).await.unwrap();
    assert_eq!(outcome, DeleteOutcome::Deleted(gone.generation));
    here.users.delete(&gone, when(42), effects()).await.unwrap();
    log.gained([(below(&gone, 1), 41)], "a deletion, and one of nobody").await;
}

async fn revoke_tokens_and_keys(here: &Stores, log: &mut Log) {
    let token = token();
    here.sessions.revoke_token(TenantId::DEFAULT, token, when(51), effects()).await.unwrap();
    here.sessions.revoke_token(TenantId::DEFAULT, token, when(52), effects()).await.unwrap();
    log.gained([(Revoked::Token(token), 51)], "a revoked token, and the same again").await;

    let key = stored_key(here).await;
    for (revoked, seconds) in [(key, 53), (key, 54), (key_id(), 55)] {
        let successor = signing_key(Algorithm::Es256, 0);
        here.keys.revoke_key(revoked, successor, when(seconds), effects()).await.unwrap();
    }
    log.gained([(Revoked::Key(key), 53)], "a revoked key, the same again, and one that never was").await;
}

async fn change_roles(here: &Stores, log: &mut Log) {
    let put = || CatalogueChange::PutRole(role("reader", &["model:view"]));
    let first = CatalogueRevision::FIRST;
    for seconds in [61, 62] {
        here.roles.change_catalogue(TenantId::DEFAULT, put(), first, when(seconds), effects()).await.unwrap();
    }
    log.gained([(Revoked::RoleDefinitions, 61)], "a new role, and one that comes too late").await;

    create(here, super::fixtures::with_role("reader")).await;
    let delete = CatalogueChange::DeleteRole(role_name("reader"));
    let held =
        here.roles.change_catalogue(TenantId::DEFAULT, delete, first.next(), when(63), effects()).await;
    assert_eq!(held.unwrap(), CatalogueOutcome::RoleHeld);
    log.gained([], "a role that is held").await;

    let put = CatalogueChange::PutPermission(permission_name("report:print"), Description::default());
    here.roles.change_catalogue(TenantId::DEFAULT, put, first.next(), when(64), effects()).await.unwrap();
    log.gained([(Revoked::RoleDefinitions, 64)], "a new permission").await;
}

/// Whoever follows the blacklist hears of an end by the end itself, here and there, whatever it was.
pub async fn an_end_wakes_who_follows_the_blacklist(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let mut subscription = instances[0].blacklist.subscribe().await.unwrap();
    for round in 0..14 {
        let stores = &instances[round % 2];
        let revoked = end_something(stores, round / 2).await;
        woken(&mut *subscription).await;
        assert!(whole_log(&instances[0]).await.iter().any(|entry| entry.revoked == revoked), "round {round}");
    }
}

/// Ends something in one of seven ways, and gives what the blacklist must say of it.
async fn end_something(stores: &Stores, way: usize) -> Revoked {
    let (user, opened) = register(stores, user()).await;
    match way {
        0 => {
            stores.sessions.revoke(opened.id, when(1), effects()).await.unwrap();
            Revoked::Session(opened.id)
        }
        1 => {
            stores.sessions.revoke_all(opened.id, when(1), effects()).await.unwrap();
            below(&user, 1)
        }
        2 => {
            set_active(stores, user.id, false, when(1)).await;
            below(&user, 1)
        }
        3 => {
            delete(stores, user.id, when(1)).await;
            below(&user, 1)
        }
        4 => {
            let token = token();
            stores.sessions.revoke_token(user.tenant, token, when(1), effects()).await.unwrap();
            Revoked::Token(token)
        }
        5 => {
            let key = stored_key(stores).await;
            let successor = signing_key(Algorithm::Es256, 0);
            stores.keys.revoke_key(key, successor, when(1), effects()).await.unwrap();
            Revoked::Key(key)
        }
        _ => {
            let put = CatalogueChange::PutRole(role("reader", &["model:view"]));
            let seen = revision(stores, user.tenant).await;
            stores.roles.change_catalogue(user.tenant, put, seen, when(1), effects()).await.unwrap();
            Revoked::RoleDefinitions
        }
    }
}

/// The first logout counts, for that session alone, also when 16 come at once.
pub async fn ending_a_session_twice_is_ending_it_once(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (user, first) = register(&stores, user()).await;
    let other = opened_session(&stores, &user).await;
    race((2..18).map(|second| {
        let stores = stores.clone();
        async move { stores.sessions.revoke(first.id, when(second), effects()).await.unwrap() }
    }))
    .await;

    let ended = principal(&stores, first.id).await;
    assert!(ended.session.revoked_at.is_some_and(|time| (at(2)..at(18)).contains(&time)));
    stores.sessions.revoke(first.id, when(99), effects()).await.unwrap();
    assert_eq!(principal(&stores, first.id).await, ended, "a second logout changed the first");
    let other = principal(&stores, other).await;
    assert!(other.session.is_live(&other.user, at(2)), "another session ended, too");
    assert_eq!(other.user.generation, user.generation);
    stores.sessions.revoke(session(0).id, when(2), effects()).await.unwrap();
}

/// A live session ends all of its user's, once; one that has ended by any cause has no power over later ones.
pub async fn ending_all_sessions_takes_a_live_one(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (stranger, foreign) = register(&stores, user()).await;
    let (user, first) = register(&stores, user()).await;
    let second = opened_session(&stores, &user).await;
    let outcomes = race((0..16).map(|_| {
        let stores = stores.clone();
        async move { stores.sessions.revoke_all(first.id, when(2), effects()).await.unwrap() }
    }))
    .await;
    let revoked = RevokeAllOutcome::Revoked(user.generation.next());
    let acted = outcomes.iter().filter(|outcome| **outcome == revoked).count();
    assert_eq!(acted, 1, "callers that did nothing say that they ended all sessions");

    let ended = principal(&stores, second).await;
    assert_eq!(
        ended.user.generation,
        user.generation.next(),
        "16 callers with one session end all of them once"
    );
    assert_eq!(ended.user.session_floor, ended.user.generation);
    assert!(!ended.session.is_live(&ended.user, at(2)));
    assert_eq!(principal(&stores, foreign.id).await.user, stranger, "another user lost its sessions");

    let live = opened_session(&stores, &user).await;
    let revoked = opened_session(&stores, &user).await;
    stores.sessions.revoke(revoked, when(3), effects()).await.unwrap();
    let short = NewSession { expires_at: at(60), ..session(1) };
    opened(open(&stores, &user, PasswordVersion::FIRST, short).await);
    for (powerless, now) in [(first.id, at(4)), (revoked, at(4)), (session(0).id, at(4)), (short.id, at(60))]
    {
        let outcome = stores.sessions.revoke_all(powerless, revoked_at(now), effects()).await.unwrap();
        assert_eq!(outcome, RevokeAllOutcome::Powerless);
        let survivor = principal(&stores, live).await;
        assert!(survivor.session.is_live(&survivor.user, now), "a dead session ended a live one");
        assert_eq!(survivor.user.generation, ended.user.generation);
    }
    let outcome = stores.sessions.revoke_all(short.id, when(59), effects()).await.unwrap();
    assert_eq!(outcome, RevokeAllOutcome::Revoked(ended.user.generation.next()));
    assert_eq!(principal(&stores, live).await.user.generation, ended.user.generation.next());
}

/// Somebody else ends all sessions of a user: once it is acknowledged none is live, of 16 logins beside it neither; other
/// users keep theirs, and the user may log in again.
pub async fn ending_the_sessions_of_a_user_ends_all(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let (here, there) = (&instances[0], &instances[1]);
    let (stranger, foreign) = register(here, user()).await;
    let (user, first) = register(here, user()).await;
    let second = opened_session(there, &user).await;
    let end = |stores: &Stores, seconds| {
        let stores = stores.clone();
        async move { stores.sessions.revoke_all_of(user.tenant, user.id, when(seconds), effects()).await.unwrap() }
    };

    assert_eq!(end(here, 2).await, Some(user.generation.next()));

    for ended in [first.id, second] {
        let ended = principal(there, ended).await;
        assert_ended(&user, &ended.user);
        assert!(!ended.session.is_live(&ended.user, at(2)));
    }
    assert_eq!(principal(there, foreign.id).await.user, stranger, "another user lost its sessions");
    let nobody = super::fixtures::user().id;
    assert_eq!(here.sessions.revoke_all_of(user.tenant, nobody, when(2), effects()).await.unwrap(), None);

    for _ in 0..6 {
        let (leaver, first) = register(here, super::fixtures::user()).await;
        let outcomes = race(instances.iter().cycle().take(17).enumerate().map(|(caller, stores)| {
            let (stores, leaver) = (stores.clone(), leaver.clone());
            async move {
                if caller == 8 {
                    let ended =
                        stores.sessions.revoke_all_of(leaver.tenant, leaver.id, when(2), effects()).await;
                    assert_eq!(ended.unwrap(), Some(leaver.generation.next()));
                    return OpenOutcome::Refused;
                }
                open(&stores, &leaver, PasswordVersion::FIRST, session(1)).await
            }
        }))
        .await;

        let floor = principal(there, first.id).await.user.session_floor;
        assert_eq!(floor, leaver.generation.next());
        for login in outcomes {
            if let OpenOutcome::Opened(login) = login {
                let now = principal(there, login.session.id).await;
                // A login came before the end, and is dead, or after it, and says so.
                assert_eq!(now.session.is_live(&now.user, at(2)), login.user.session_floor == floor);
            }
        }
        let again = opened(open(there, &leaver, PasswordVersion::FIRST, session(3)).await);
        assert!(again.session.is_live(&again.user, at(3)));
    }
}

/// One token is revoked, once for 16 who ask, and its session goes on.
pub async fn a_revoked_token_is_blacklisted_once(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let (here, there) = (&instances[0], &instances[1]);
    let key = stored_key(here).await;
    let (user, opened) = register(here, user()).await;
    let before = principal(there, opened.id).await;
    for _ in 0..4 {
        let (log, trail) = (whole_log(there).await, whole_trail(there, user.tenant).await.len());
        let revoked = token();
        let told = race(instances.iter().cycle().take(16).enumerate().map(|(caller, stores)| {
            let (stores, told) = (stores.clone(), effects());
            async move {
                let time = when(1 + i64::from(caller > 7));
                stores.sessions.revoke_token(user.tenant, revoked, time, told.clone()).await.unwrap();
                told.audit
            }
        }))
        .await;

        let added: Vec<_> = whole_log(there).await.difference(&log).copied().collect();
        assert_eq!(added.len(), 1, "one token, one entry");
        assert_eq!((added[0].tenant, added[0].revoked), (user.tenant, Revoked::Token(revoked)));
        let trail_now = whole_trail(there, user.tenant).await;
        assert_eq!(trail_now.len(), trail + 1, "one revocation, one entry in the audit trail");
        assert_eq!(trail_now.iter().filter(|entry| told.contains(entry)).count(), 1);
        let found = there.sessions.find_principal(opened.id, revoked, key_id()).await.unwrap();
        assert_eq!(found, None);
    }
    assert_eq!(find_principal(here, opened.id).await, Some(before), "the session suffered");
    assert!(matches!(rotate(here, key, opened.id, FIRST, at(2)).await, RotateOutcome::Rotated(_)));
}
