//! The cases of [`SessionRepository`](crate::SessionRepository).

use std::collections::HashSet;
use std::time::Duration;

use maestro_auth_domain::{
    BlacklistEntry, NewSession, PasswordVersion, RefreshCounter, RevocationTime, Revoked, RoleName, Roles,
    Session, SessionId, TenantId, Timestamp, User,
};

use super::StorageUnderTest;
use super::blacklist::{whole_log, woken};
use super::fixtures::{
    POLICY, SESSION_SECONDS, argon2_hash, at, entry, principal, register, revoked_at, session, token, user,
    when,
};
use super::race::race;
use crate::{
    OpenOutcome, Principal, RevokeAllOutcome, RotateOutcome, SetActiveOutcome, SetPasswordOutcome, Stores,
};

const FIRST: RefreshCounter = RefreshCounter::FIRST;

/// 16 logins against one deactivation: whatever was opened is dead after it, and stays dead after activation.
pub async fn a_login_loses_against_a_deactivation(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for _ in 0..8 {
        let (user, _) = register(&instances[0], user()).await;
        let outcomes = race(instances.iter().cycle().take(17).enumerate().map(|(caller, stores)| {
            let stores = stores.clone();
            async move {
                if caller == 8 {
                    stores.users.set_active(user.id, false, when(1)).await.unwrap();
                    return OpenOutcome::Refused;
                }
                stores.sessions.open(user.id, PasswordVersion::FIRST, None, session(1)).await.unwrap()
            }
        }))
        .await;

        assert_none_lives(&instances[1], &outcomes).await;
        let late = open(&instances[0], &user, PasswordVersion::FIRST, session(2)).await;
        assert_eq!(late, OpenOutcome::Refused);
        instances[0].users.set_active(user.id, true, when(1)).await.unwrap();
        assert_none_lives(&instances[1], &outcomes).await;
    }
}

/// 16 logins that verified the old password against its change: none is in afterwards, and no upgrade of the old hash
/// takes the place of the new one.
pub async fn a_login_with_the_old_password_loses_against_its_change(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for _ in 0..8 {
        let (user, _) = register(&instances[0], user()).await;
        let new_hash = argon2_hash();
        let outcomes = race(instances.iter().cycle().take(17).enumerate().map(|(caller, stores)| {
            let (stores, new_hash) = (stores.clone(), new_hash.clone());
            async move {
                if caller == 8 {
                    let outcome = stores.users.set_password(user.id, new_hash, when(1)).await.unwrap();
                    assert!(matches!(outcome, SetPasswordOutcome::Changed(_)));
                    return OpenOutcome::Refused;
                }
                let upgrade = (caller % 2 == 0).then(argon2_hash);
                stores.sessions.open(user.id, PasswordVersion::FIRST, upgrade, session(1)).await.unwrap()
            }
        }))
        .await;

        assert_none_lives(&instances[1], &outcomes).await;
        let late = open(&instances[0], &user, PasswordVersion::FIRST, session(2)).await;
        assert_eq!(late, OpenOutcome::Refused);
        let found = instances[1].users.find_credentials(user.tenant, &user.email).await.unwrap().unwrap();
        assert_eq!(found.password_hash, new_hash, "a login put the old password back");
        assert_eq!(found.password_version, PasswordVersion::FIRST.next());
    }
}

/// 20 logins at once, each with a new hash of the same password: all are in, and no session ends for it.
pub async fn a_hash_upgrade_leaves_concurrent_logins_alone(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for _ in 0..4 {
        let (user, earlier) = register(&instances[0], user()).await;
        let upgrades: Vec<_> = (0..20).map(|_| argon2_hash()).collect();
        let outcomes = race(instances.iter().cycle().zip(upgrades.clone()).map(|(stores, upgrade)| {
            let stores = stores.clone();
            async move {
                let verified = PasswordVersion::FIRST;
                stores.sessions.open(user.id, verified, Some(upgrade), session(1)).await.unwrap()
            }
        }))
        .await;

        for outcome in outcomes {
            let opened = opened(outcome);
            assert_eq!(principal(&instances[1], opened.session.id).await, opened);
            assert!(opened.session.is_live(&opened.user, at(1)), "an upgrade ended a session");
            assert_eq!(opened.user, User { last_login_at: Some(at(1)), ..user.clone() });
        }
        let earlier = principal(&instances[1], earlier.id).await;
        assert!(earlier.session.is_live(&earlier.user, at(1)), "an upgrade ended a session");
        let found = instances[1].users.find_credentials(user.tenant, &user.email).await.unwrap().unwrap();
        assert!(upgrades.contains(&found.password_hash), "no upgrade was stored");
        assert_eq!(found.password_version, PasswordVersion::FIRST);
    }
}

/// Whatever one instance acknowledged, the other one shows with its next answer.
pub async fn a_change_is_seen_by_every_instance_at_once(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    for _ in 0..8 {
        let (user, first) = register(&here, user()).await;
        assert_eq!(principal(&there, first.id).await.user, user);

        let second = opened(open(&there, &user, PasswordVersion::FIRST, session(1)).await);
        assert_eq!(principal(&here, second.session.id).await, second);
        assert_eq!(principal(&here, first.id).await.user.last_login_at, Some(at(1)));

        let RotateOutcome::Rotated(rotated) = rotate(&here, first.id, FIRST, at(2)).await else {
            panic!("a live token did not rotate");
        };
        assert_eq!(principal(&there, first.id).await, rotated);
        assert!(matches!(rotate(&there, first.id, FIRST, at(3)).await, RotateOutcome::Replayed(_)));

        there.sessions.revoke(first.id, when(4)).await.unwrap();
        assert_eq!(principal(&here, first.id).await.session.revoked_at, Some(at(4)));

        here.sessions.revoke_all(second.session.id, when(5)).await.unwrap();
        let ended = principal(&there, second.session.id).await;
        assert!(!ended.session.is_live(&ended.user, at(5)));

        there.users.set_password(user.id, argon2_hash(), when(1)).await.unwrap();
        let stale = open(&here, &user, PasswordVersion::FIRST, session(6)).await;
        assert_eq!(stale, OpenOutcome::Refused);

        here.users.set_active(user.id, false, when(1)).await.unwrap();
        assert!(!principal(&there, first.id).await.user.is_active);
    }
}

/// A token that was revoked by its own id is nobody's, and no other token of its session suffers.
pub async fn a_blacklisted_token_has_no_principal(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    let (_, opened) = register(&here, user()).await;
    let (revoked, other) = (token(), token());
    assert!(there.sessions.find_principal(opened.id, revoked).await.unwrap().is_some());

    here.blacklist.add(&[entry(Revoked::Token(revoked), 930)]).await.unwrap();

    assert_eq!(there.sessions.find_principal(opened.id, revoked).await.unwrap(), None);
    assert!(there.sessions.find_principal(opened.id, other).await.unwrap().is_some());
}

/// The entry of each cause is in the log once the cause is acknowledged, for another instance, too; a cause that changed
/// nothing left none.
pub async fn every_end_is_blacklisted_with_its_cause(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    let mut expected = HashSet::new();
    let of_session = |session: SessionId, time: RevocationTime| BlacklistEntry {
        tenant: TenantId::DEFAULT,
        revoked: Revoked::Session(session),
        until: time.until,
    };
    let of_user = |user: &User, rises: usize, time: RevocationTime| BlacklistEntry {
        tenant: TenantId::DEFAULT,
        revoked: Revoked::User {
            user: user.id,
            min_generation: (0..rises).fold(user.generation, |generation, _| generation.next()),
        },
        until: time.until,
    };

    let (_, logged_out) = register(&here, user()).await;
    here.sessions.revoke(logged_out.id, when(1)).await.unwrap();
    here.sessions.revoke(logged_out.id, when(2)).await.unwrap();
    here.sessions.revoke(session(0).id, when(3)).await.unwrap();
    expected.insert(of_session(logged_out.id, when(1)));
    assert_eq!(whole_log(&there).await, expected, "a logout, and two that end nothing");

    let (user, first) = register(&here, user()).await;
    here.sessions.revoke_all(first.id, when(4)).await.unwrap();
    here.sessions.revoke_all(first.id, when(5)).await.unwrap();
    expected.insert(of_user(&user, 1, when(4)));
    assert_eq!(whole_log(&there).await, expected, "a logout everywhere, and one that ends nothing");

    let reused = opened_session(&here, &user).await;
    rotate(&here, reused, FIRST, at(6)).await;
    rotate(&here, reused, FIRST, at(7)).await;
    assert_eq!(whole_log(&there).await, expected, "a rotation and a replay");
    rotate(&here, reused, FIRST, at(20)).await;
    rotate(&here, reused, FIRST, at(21)).await;
    expected.insert(of_session(reused, when(20)));
    assert_eq!(whole_log(&there).await, expected, "a reuse, and one of the ended session");

    here.users.set_password(user.id, argon2_hash(), when(22)).await.unwrap();
    expected.insert(of_user(&user, 2, when(22)));
    here.users.set_roles(user.id, Roles::single(RoleName::admin()), when(23)).await.unwrap();
    here.users.set_roles(user.id, Roles::single(RoleName::admin()), when(24)).await.unwrap();
    expected.insert(of_user(&user, 3, when(23)));
    assert_eq!(here.users.set_active(user.id, false, when(25)).await.unwrap(), SetActiveOutcome::LastAdmin);
    assert_eq!(whole_log(&there).await, expected, "a new password, new roles, and what changes nothing");

    register(&here, super::fixtures::admin()).await;
    here.users.set_active(user.id, false, when(26)).await.unwrap();
    here.users.set_active(user.id, false, when(27)).await.unwrap();
    here.users.set_active(user.id, true, when(28)).await.unwrap();
    expected.insert(of_user(&user, 4, when(26)));
    assert_eq!(whole_log(&there).await, expected, "a deactivation, and what changes nothing");
}

/// Whoever follows the blacklist hears of an end by the end itself, here and there.
pub async fn an_end_wakes_who_follows_the_blacklist(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let mut subscription = instances[0].blacklist.subscribe().await.unwrap();
    for (round, stores) in instances.iter().cycle().take(6).enumerate() {
        let (user, opened) = register(stores, user()).await;
        let revoked = match round {
            0 | 1 => {
                stores.sessions.revoke(opened.id, when(1)).await.unwrap();
                Revoked::Session(opened.id)
            }
            2 | 3 => {
                stores.sessions.revoke_all(opened.id, when(1)).await.unwrap();
                Revoked::User { user: user.id, min_generation: user.generation.next() }
            }
            _ => {
                stores.users.set_active(user.id, false, when(1)).await.unwrap();
                Revoked::User { user: user.id, min_generation: user.generation.next() }
            }
        };
        woken(&mut *subscription).await;
        assert!(whole_log(&instances[0]).await.iter().any(|entry| entry.revoked == revoked));
    }
}

/// 64 holders of one token on two instances: one rotates it, and all are answered with the same successor.
pub async fn concurrent_rotations_have_one_winner(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let (_, opened) = register(&instances[0], user()).await;
    let mut counter = FIRST;
    for round in 1..=8 {
        let outcomes = race(instances.iter().cycle().take(64).map(|stores| {
            let stores = stores.clone();
            async move { rotate(&stores, opened.id, counter, at(round)).await }
        }))
        .await;

        let stored = principal(&instances[1], opened.id).await;
        let mut winners = 0;
        for outcome in outcomes {
            let answered = match outcome {
                RotateOutcome::Rotated(principal) => {
                    winners += 1;
                    principal
                }
                RotateOutcome::Replayed(principal) => principal,
                other => panic!("a holder of the live token was turned away: {other:?}"),
            };
            assert_eq!(answered, stored, "holders of one token have different successors");
        }
        assert_eq!(winners, 1, "one token bought {winners} successors");
        counter = counter.next();
        assert_eq!((stored.session.counter, stored.session.rotated_at), (counter, at(round)));
    }
}

/// A spent token outside its grace, or one that was never issued, ends the session, for the thief and for the owner.
/// 16 thieves at once: one of them is told so.
pub async fn reuse_outside_the_grace_ends_the_session(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (user, opened) = register(&stores, user()).await;
    assert!(matches!(rotate(&stores, opened.id, FIRST, at(1)).await, RotateOutcome::Rotated(_)));
    let last_moment = at(11) - Duration::from_micros(1);
    assert!(matches!(rotate(&stores, opened.id, FIRST, last_moment).await, RotateOutcome::Replayed(_)));
    let before = principal(&stores, opened.id).await;

    let outcomes = race((0..16).map(|_| {
        let stores = stores.clone();
        async move { rotate(&stores, opened.id, FIRST, at(11)).await }
    }))
    .await;

    let reused = outcomes.iter().filter(|outcome| **outcome == RotateOutcome::Reused(user.id)).count();
    let ended = outcomes.iter().filter(|outcome| **outcome == RotateOutcome::Ended).count();
    assert_eq!((reused, ended), (1, 15), "the first reuse ends the session, the others find it ended");
    let session = Session { revoked_at: Some(at(11)), ..before.session };
    assert_eq!(principal(&stores, opened.id).await, Principal { session, ..before });
    assert_eq!(rotate(&stores, opened.id, FIRST.next(), at(12)).await, RotateOutcome::Ended);

    let forged = opened_session(&stores, &user).await;
    let never_issued = RefreshCounter::from_number(7);
    assert_eq!(rotate(&stores, forged, never_issued, at(2)).await, RotateOutcome::Reused(user.id));
    assert_eq!(rotate(&stores, forged, FIRST, at(2)).await, RotateOutcome::Ended);
}

/// The grandparent of the live token is spent for good, however short ago.
pub async fn the_grace_covers_the_immediate_predecessor_only(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (user, opened) = register(&stores, user()).await;
    assert!(matches!(rotate(&stores, opened.id, FIRST, at(1)).await, RotateOutcome::Rotated(_)));
    assert!(matches!(rotate(&stores, opened.id, FIRST.next(), at(1)).await, RotateOutcome::Rotated(_)));
    let before = principal(&stores, opened.id).await;

    let replay = rotate(&stores, opened.id, FIRST.next(), at(2)).await;
    assert_eq!(replay, RotateOutcome::Replayed(before), "a replay leaves the session as it was");
    assert_eq!(rotate(&stores, opened.id, FIRST, at(2)).await, RotateOutcome::Reused(user.id));
    assert_eq!(rotate(&stores, opened.id, FIRST.next().next(), at(2)).await, RotateOutcome::Ended);
}

/// 16 refreshes against one logout, of the session or of all: afterwards no token of the family is worth anything.
pub async fn a_logout_wins_against_concurrent_refreshes(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for round in 0..12 {
        let (_, opened) = register(&instances[0], user()).await;
        race(instances.iter().cycle().take(17).enumerate().map(|(caller, stores)| {
            let stores = stores.clone();
            async move {
                match caller {
                    8 if round % 2 == 0 => stores.sessions.revoke(opened.id, when(1)).await.unwrap(),
                    8 => stores.sessions.revoke_all(opened.id, when(1)).await.map(drop).unwrap(),
                    _ => match rotate(&stores, opened.id, FIRST, at(1)).await {
                        RotateOutcome::Rotated(_) | RotateOutcome::Replayed(_) | RotateOutcome::Ended => {}
                        other => panic!("a refresh beside a logout gave {other:?}"),
                    },
                }
            }
        }))
        .await;

        let after = principal(&instances[1], opened.id).await;
        assert!(!after.session.is_live(&after.user, at(1)), "a refresh undid a logout");
        for counter in [FIRST, FIRST.next()] {
            assert_eq!(rotate(&instances[1], opened.id, counter, at(1)).await, RotateOutcome::Ended);
        }
        assert_eq!(principal(&instances[0], opened.id).await, after, "an ended session moved");
    }
}

/// Neither an idle token nor one of a session past its end rotates; looking does not change them.
pub async fn an_expired_session_does_not_rotate(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (user, idle) = register(&stores, user()).await;
    let idle_end = at(0) + POLICY.idle_ttl;
    for late in [idle_end, idle_end + Duration::from_hours(1)] {
        assert_eq!(rotate(&stores, idle.id, FIRST, late).await, RotateOutcome::Expired);
    }
    assert_eq!(principal(&stores, idle.id).await.session, idle);
    let in_time = rotate(&stores, idle.id, FIRST, idle_end - Duration::from_micros(1)).await;
    assert!(matches!(in_time, RotateOutcome::Rotated(_)));

    let short = NewSession { expires_at: at(60), ..session(0) };
    opened(open(&stores, &user, PasswordVersion::FIRST, short).await);
    assert_eq!(rotate(&stores, short.id, FIRST, at(60)).await, RotateOutcome::Expired);
    assert!(matches!(rotate(&stores, short.id, FIRST, at(59)).await, RotateOutcome::Rotated(_)));
    assert_eq!(
        rotate(&stores, short.id, FIRST, at(60)).await,
        RotateOutcome::Expired,
        "even a replay or a reuse"
    );

    assert_eq!(rotate(&stores, session(0).id, FIRST, at(0)).await, RotateOutcome::Unknown);
}

/// The first logout counts, for that session alone, also when 16 come at once.
pub async fn ending_a_session_twice_is_ending_it_once(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (user, first) = register(&stores, user()).await;
    let other = opened_session(&stores, &user).await;
    race((2..18).map(|second| {
        let stores = stores.clone();
        async move { stores.sessions.revoke(first.id, when(second)).await.unwrap() }
    }))
    .await;

    let ended = principal(&stores, first.id).await;
    assert!(ended.session.revoked_at.is_some_and(|time| (at(2)..at(18)).contains(&time)));
    stores.sessions.revoke(first.id, when(99)).await.unwrap();
    assert_eq!(principal(&stores, first.id).await, ended, "a second logout changed the first");
    let other = principal(&stores, other).await;
    assert!(other.session.is_live(&other.user, at(2)), "another session ended, too");
    assert_eq!(other.user.generation, user.generation);
    stores.sessions.revoke(session(0).id, when(2)).await.unwrap();
}

/// A live session ends all of its user's, once; one that has ended by any cause has no power over later ones.
pub async fn ending_all_sessions_takes_a_live_one(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (user, first) = register(&stores, user()).await;
    let second = opened_session(&stores, &user).await;
    let (stranger, foreign) = register(&stores, super::fixtures::user()).await;
    let outcomes = race((0..16).map(|_| {
        let stores = stores.clone();
        async move { stores.sessions.revoke_all(first.id, when(2)).await.unwrap() }
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
    stores.sessions.revoke(revoked, when(3)).await.unwrap();
    let short = NewSession { expires_at: at(60), ..session(1) };
    opened(open(&stores, &user, PasswordVersion::FIRST, short).await);
    for (powerless, now) in [(first.id, at(4)), (revoked, at(4)), (session(0).id, at(4)), (short.id, at(60))]
    {
        let outcome = stores.sessions.revoke_all(powerless, revoked_at(now)).await.unwrap();
        assert_eq!(outcome, RevokeAllOutcome::Powerless);
        let survivor = principal(&stores, live).await;
        assert!(survivor.session.is_live(&survivor.user, now), "a dead session ended a live one");
        assert_eq!(survivor.user.generation, ended.user.generation);
    }
    let outcome = stores.sessions.revoke_all(short.id, when(59)).await.unwrap();
    assert_eq!(outcome, RevokeAllOutcome::Revoked(ended.user.generation.next()));
    assert_eq!(principal(&stores, live).await.user.generation, ended.user.generation.next());
}

/// Sessions past their end go, at most `limit` at a time; live, revoked and just ended ones stay.
pub async fn only_expired_sessions_are_forgotten(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (user, kept) = register(&stores, user()).await;
    let mut expired = Vec::new();
    for end in [10, 20, 30, 40, 50] {
        let short = NewSession { expires_at: at(end), ..session(0) };
        expired.push(opened(open(&stores, &user, PasswordVersion::FIRST, short).await).session.id);
    }
    let at_the_border = NewSession { expires_at: at(60), ..session(0) };
    opened(open(&stores, &user, PasswordVersion::FIRST, at_the_border).await);
    let revoked = opened_session(&stores, &user).await;
    stores.sessions.revoke(revoked, when(2)).await.unwrap();

    assert_eq!(stores.sessions.forget_expired(at(60), 3).await.unwrap(), 3);
    assert_eq!(stores.sessions.forget_expired(at(60), 100).await.unwrap(), 2);
    assert_eq!(stores.sessions.forget_expired(at(60), 100).await.unwrap(), 0);

    for id in expired {
        assert_eq!(stores.sessions.find_principal(id, token()).await.unwrap(), None);
        assert_eq!(rotate(&stores, id, FIRST, at(1)).await, RotateOutcome::Unknown);
        stores.sessions.revoke_all(id, when(1)).await.unwrap();
    }
    for id in [kept.id, at_the_border.id, revoked] {
        assert_eq!(principal(&stores, id).await.user.generation, user.generation);
    }
    let after_all = at(SESSION_SECONDS + 3_600);
    assert_eq!(stores.sessions.forget_expired(after_all, 100).await.unwrap(), 3);
    assert!(stores.users.find_credentials(user.tenant, &user.email).await.unwrap().is_some());
}

/// Demands that none of the sessions that the logins opened is live.
async fn assert_none_lives(stores: &Stores, logins: &[OpenOutcome]) {
    for login in logins {
        if let OpenOutcome::Opened(opened) = login {
            let now = principal(stores, opened.session.id).await;
            assert!(!now.session.is_live(&now.user, at(1)), "a login outlived what should have ended it");
        }
    }
}

/// Opens one more session at second 1 with the first password.
async fn opened_session(stores: &Stores, user: &User) -> SessionId {
    opened(open(stores, user, PasswordVersion::FIRST, session(1)).await).session.id
}

async fn open(stores: &Stores, user: &User, verified: PasswordVersion, session: NewSession) -> OpenOutcome {
    stores.sessions.open(user.id, verified, None, session).await.unwrap()
}

async fn rotate(
    stores: &Stores,
    session: SessionId,
    presented: RefreshCounter,
    now: Timestamp,
) -> RotateOutcome {
    stores.sessions.rotate(session, presented, POLICY, revoked_at(now)).await.unwrap()
}

fn opened(outcome: OpenOutcome) -> Principal {
    match outcome {
        OpenOutcome::Opened(principal) => principal,
        OpenOutcome::Refused => panic!("a verified login was refused"),
    }
}
