//! The cases of [`SessionRepository`](crate::SessionRepository).

use std::time::Duration;

use maestro_auth_domain::{NewSession, PasswordVersion, RefreshCounter, Revoked, Session, SessionId, User};

use super::StorageUnderTest;
use super::fixtures::{
    POLICY, SESSION_SECONDS, argon2_hash, at, effects, entry, find_principal, key_id, principal, register,
    rotate, session, set_active, stored_key, token, user, when,
};
use super::race::race;
use crate::{OpenOutcome, Principal, RotateOutcome, SetPasswordOutcome, Stores};

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
                    set_active(&stores, user.id, false, when(1)).await;
                    return OpenOutcome::Refused;
                }
                stores
                    .sessions
                    .open(user.id, PasswordVersion::FIRST, None, session(1), effects())
                    .await
                    .unwrap()
            }
        }))
        .await;

        assert_none_lives(&instances[1], &outcomes).await;
        let late = open(&instances[0], &user, PasswordVersion::FIRST, session(2)).await;
        assert_eq!(late, OpenOutcome::Refused);
        set_active(&instances[0], user.id, true, when(1)).await;
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
                    let outcome =
                        stores.users.set_password(user.id, new_hash, when(1), effects()).await.unwrap();
                    assert!(matches!(outcome, SetPasswordOutcome::Changed(_)));
                    return OpenOutcome::Refused;
                }
                let upgrade = (caller % 2 == 0).then(argon2_hash);
                stores
                    .sessions
                    .open(user.id, PasswordVersion::FIRST, upgrade, session(1), effects())
                    .await
                    .unwrap()
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
                stores.sessions.open(user.id, verified, Some(upgrade), session(1), effects()).await.unwrap()
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
    let key = stored_key(&here).await;
    for _ in 0..8 {
        let (user, first) = register(&here, user()).await;
        assert_eq!(principal(&there, first.id).await.user, user);

        let second = opened(open(&there, &user, PasswordVersion::FIRST, session(1)).await);
        assert_eq!(principal(&here, second.session.id).await, second);
        assert_eq!(principal(&here, first.id).await.user.last_login_at, Some(at(1)));

        let RotateOutcome::Rotated(rotated) = rotate(&here, key, first.id, FIRST, at(2)).await else {
            panic!("a live token did not rotate");
        };
        assert_eq!(principal(&there, first.id).await, rotated);
        assert!(matches!(rotate(&there, key, first.id, FIRST, at(3)).await, RotateOutcome::Replayed(_)));

        there.sessions.revoke(first.id, when(4), effects()).await.unwrap();
        assert_eq!(principal(&here, first.id).await.session.revoked_at, Some(at(4)));

        here.sessions.revoke_all(second.session.id, when(5), effects()).await.unwrap();
        let ended = principal(&there, second.session.id).await;
        assert!(!ended.session.is_live(&ended.user, at(5)));

        there.users.set_password(user.id, argon2_hash(), when(1), effects()).await.unwrap();
        let stale = open(&here, &user, PasswordVersion::FIRST, session(6)).await;
        assert_eq!(stale, OpenOutcome::Refused);

        set_active(&here, user.id, false, when(1)).await;
        assert!(!principal(&there, first.id).await.user.is_active);
    }
}

/// A token that was revoked by its own id is nobody's, nor is one whose key was revoked; no other token of its session
/// suffers.
pub async fn a_blacklisted_token_has_no_principal(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    let (_, opened) = register(&here, user()).await;
    let (tokens, keys) = ([token(), token()], [key_id(), key_id()]);
    let is_found = async |token: usize, key: usize| {
        let found = there.sessions.find_principal(opened.id, tokens[token], keys[key]).await.unwrap();
        found.is_some()
    };
    assert!(is_found(0, 0).await);

    here.blacklist.add(&[entry(Revoked::Token(tokens[0]), 930)]).await.unwrap();

    assert!(!is_found(0, 0).await, "a revoked token");
    assert!(is_found(1, 0).await);

    here.blacklist.add(&[entry(Revoked::Key(keys[0]), 930)]).await.unwrap();

    assert!(!is_found(1, 0).await, "a token of a revoked key");
    assert!(is_found(1, 1).await);
}

/// 64 holders of one token on two instances: one rotates it, and all are answered with the same successor.
pub async fn concurrent_rotations_have_one_winner(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let key = stored_key(&instances[0]).await;
    let (_, opened) = register(&instances[0], user()).await;
    let mut counter = FIRST;
    for round in 1..=8 {
        let outcomes = race(instances.iter().cycle().take(64).map(|stores| {
            let stores = stores.clone();
            async move { rotate(&stores, key, opened.id, counter, at(round)).await }
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
    let key = stored_key(&stores).await;
    let (user, opened) = register(&stores, user()).await;
    assert!(matches!(rotate(&stores, key, opened.id, FIRST, at(1)).await, RotateOutcome::Rotated(_)));
    let last_moment = at(11) - Duration::from_micros(1);
    assert!(matches!(rotate(&stores, key, opened.id, FIRST, last_moment).await, RotateOutcome::Replayed(_)));
    let before = principal(&stores, opened.id).await;

    let outcomes = race((0..16).map(|_| {
        let stores = stores.clone();
        async move { rotate(&stores, key, opened.id, FIRST, at(11)).await }
    }))
    .await;

    let reused = outcomes.iter().filter(|outcome| **outcome == RotateOutcome::Reused(user.id)).count();
    let ended = outcomes.iter().filter(|outcome| **outcome == RotateOutcome::Ended).count();
    assert_eq!((reused, ended), (1, 15), "the first reuse ends the session, the others find it ended");
    let session = Session { revoked_at: Some(at(11)), ..before.session };
    assert_eq!(principal(&stores, opened.id).await, Principal { session, ..before });
    assert_eq!(rotate(&stores, key, opened.id, FIRST.next(), at(12)).await, RotateOutcome::Ended);

    let forged = opened_session(&stores, &user).await;
    let never_issued = RefreshCounter::from_number(7);
    assert_eq!(rotate(&stores, key, forged, never_issued, at(2)).await, RotateOutcome::Reused(user.id));
    assert_eq!(rotate(&stores, key, forged, FIRST, at(2)).await, RotateOutcome::Ended);
}

/// The grandparent of the live token is spent for good, however short ago.
pub async fn the_grace_covers_the_immediate_predecessor_only(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let key = stored_key(&stores).await;
    let (user, opened) = register(&stores, user()).await;
    assert!(matches!(rotate(&stores, key, opened.id, FIRST, at(1)).await, RotateOutcome::Rotated(_)));
    assert!(matches!(rotate(&stores, key, opened.id, FIRST.next(), at(1)).await, RotateOutcome::Rotated(_)));
    let before = principal(&stores, opened.id).await;

    let replay = rotate(&stores, key, opened.id, FIRST.next(), at(2)).await;
    assert_eq!(replay, RotateOutcome::Replayed(before), "a replay leaves the session as it was");
    assert_eq!(rotate(&stores, key, opened.id, FIRST, at(2)).await, RotateOutcome::Reused(user.id));
    assert_eq!(rotate(&stores, key, opened.id, FIRST.next().next(), at(2)).await, RotateOutcome::Ended);
}

/// 16 refreshes against one logout, of the session or of all: afterwards no token of the family is worth anything.
pub async fn a_logout_wins_against_concurrent_refreshes(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let key = stored_key(&instances[0]).await;
    for round in 0..12 {
        let (_, opened) = register(&instances[0], user()).await;
        race(instances.iter().cycle().take(17).enumerate().map(|(caller, stores)| {
            let stores = stores.clone();
            async move {
                match caller {
                    8 if round % 2 == 0 => {
                        stores.sessions.revoke(opened.id, when(1), effects()).await.unwrap();
                    }
                    8 => stores.sessions.revoke_all(opened.id, when(1), effects()).await.map(drop).unwrap(),
                    _ => match rotate(&stores, key, opened.id, FIRST, at(1)).await {
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
            assert_eq!(rotate(&instances[1], key, opened.id, counter, at(1)).await, RotateOutcome::Ended);
        }
        assert_eq!(principal(&instances[0], opened.id).await, after, "an ended session moved");
    }
}

/// Neither an idle token nor one of a session past its end rotates; looking does not change them.
pub async fn an_expired_session_does_not_rotate(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let key = stored_key(&stores).await;
    let (user, idle) = register(&stores, user()).await;
    let idle_end = at(0) + POLICY.idle_ttl;
    for late in [idle_end, idle_end + Duration::from_hours(1)] {
        assert_eq!(rotate(&stores, key, idle.id, FIRST, late).await, RotateOutcome::Expired);
    }
    assert_eq!(principal(&stores, idle.id).await.session, idle);
    let in_time = rotate(&stores, key, idle.id, FIRST, idle_end - Duration::from_micros(1)).await;
    assert!(matches!(in_time, RotateOutcome::Rotated(_)));

    let short = NewSession { expires_at: at(60), ..session(0) };
    opened(open(&stores, &user, PasswordVersion::FIRST, short).await);
    assert_eq!(rotate(&stores, key, short.id, FIRST, at(60)).await, RotateOutcome::Expired);
    assert!(matches!(rotate(&stores, key, short.id, FIRST, at(59)).await, RotateOutcome::Rotated(_)));
    assert_eq!(
        rotate(&stores, key, short.id, FIRST, at(60)).await,
        RotateOutcome::Expired,
        "even a replay or a reuse"
    );

    assert_eq!(rotate(&stores, key, session(0).id, FIRST, at(0)).await, RotateOutcome::Unknown);
}

/// Sessions past their end go, at most `limit` at a time; live, revoked and just ended ones stay.
pub async fn only_expired_sessions_are_forgotten(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let key = stored_key(&stores).await;
    let (user, kept) = register(&stores, user()).await;
    let mut expired = Vec::new();
    for end in [10, 20, 30, 40, 50] {
        let short = NewSession { expires_at: at(end), ..session(0) };
        expired.push(opened(open(&stores, &user, PasswordVersion::FIRST, short).await).session.id);
    }
    let at_the_border = NewSession { expires_at: at(60), ..session(0) };
    opened(open(&stores, &user, PasswordVersion::FIRST, at_the_border).await);
    let revoked = opened_session(&stores, &user).await;
    stores.sessions.revoke(revoked, when(2), effects()).await.unwrap();

    assert_eq!(stores.sessions.forget_expired(at(60), 3).await.unwrap(), 3);
    assert_eq!(stores.sessions.forget_expired(at(60), 100).await.unwrap(), 2);
    assert_eq!(stores.sessions.forget_expired(at(60), 100).await.unwrap(), 0);

    for id in expired {
        assert_eq!(find_principal(&stores, id).await, None);
        assert_eq!(rotate(&stores, key, id, FIRST, at(1)).await, RotateOutcome::Unknown);
        stores.sessions.revoke_all(id, when(1), effects()).await.unwrap();
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
pub(super) async fn opened_session(stores: &Stores, user: &User) -> SessionId {
    opened(open(stores, user, PasswordVersion::FIRST, session(1)).await).session.id
}

/// Opens a session with the password of that version.
pub(super) async fn open(
    stores: &Stores,
    user: &User,
    verified: PasswordVersion,
    session: NewSession,
) -> OpenOutcome {
    stores.sessions.open(user.id, verified, None, session, effects()).await.unwrap()
}

/// What a login opened, and demands that it was not refused.
pub(super) fn opened(outcome: OpenOutcome) -> Principal {
    match outcome {
        OpenOutcome::Opened(principal) => principal,
        OpenOutcome::Refused => panic!("a verified login was refused"),
    }
}
