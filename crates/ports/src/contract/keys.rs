//! The cases of [`SigningKeyRepository`](crate::SigningKeyRepository).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use maestro_auth_domain::{BlacklistEntry, KeyId, RefreshCounter, Revoked, SessionId, Timestamp};

use super::StorageUnderTest;
use super::blacklist::whole_log;
use super::fixtures::{
    at, effects, key_id, principal, register, rotate, signing_key, stored_key, user, when,
};
use super::race::race;
use crate::{Algorithm, RevokeKeyOutcome, RotateOutcome, SigningKeyRecord, Stores};

/// A key comes back with every byte and every time it was stored with, the newest first.
pub async fn signing_keys_come_back_as_stored(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    assert_eq!(list(&stores, at(0)).await, []);
    let first = signing_key(Algorithm::Rs256, 10);
    assert_eq!(ensure(&stores, &first, at(99), at(0)).await, std::slice::from_ref(&first));
    assert_eq!(list(&stores, at(0)).await, std::slice::from_ref(&first));

    let second = signing_key(Algorithm::Rs256, 20);
    stores.keys.rotate_key(second.clone(), at(500), effects()).await.unwrap();

    let keys = list(&storage.open().await, at(0)).await;
    assert_eq!(keys, [second, retired(first, at(500))]);
    assert_eq!(keys[0].sealed_private_key.len(), 2_000);
}

/// 16 starts at once, over and over: all sign with the same key, and the losers' keys are not stored.
pub async fn concurrent_first_keys_leave_one(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for round in 1..=6_usize {
        let algorithm = Algorithm::ALL[round % 3];
        let answers = race(instances.iter().cycle().take(16).map(|stores| {
            let stores = stores.clone();
            async move { ensure(&stores, &signing_key(algorithm, 10), at(99), at(0)).await }
        }))
        .await;

        let stored = list(&instances[1], at(0)).await;
        assert_eq!(stored.len(), round, "each start of another algorithm adds one key");
        let endless = only_endless(&stored);
        assert_eq!(endless.public.algorithm, algorithm);
        for answer in answers {
            assert_eq!(
                only_endless(&answer),
                endless,
                "an instance signs with a key that is not the stored one"
            );
        }
    }
}

/// Another wanted algorithm lets the former key retire, at the given time and not before; ends that are set stay.
pub async fn another_algorithm_retires_the_former(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let former = signing_key(Algorithm::Es256, 10);
    ensure(&stores, &former, at(1), at(0)).await;
    let unused = signing_key(Algorithm::Es256, 20);
    assert_eq!(ensure(&stores, &unused, at(2), at(0)).await, std::slice::from_ref(&former));

    let wanted = signing_key(Algorithm::EdDsa, 30);
    let former = retired(former, at(100));
    assert_eq!(ensure(&stores, &wanted, at(100), at(50)).await, [wanted.clone(), former.clone()]);
    assert_eq!(list(&stores, at(99)).await, [wanted.clone(), former.clone()]);
    assert_eq!(list(&stores, at(100)).await, std::slice::from_ref(&wanted), "a retired key is not listed");

    let newest = signing_key(Algorithm::Rs256, 40);
    let all = [newest.clone(), retired(wanted, at(200)), former];
    assert_eq!(ensure(&stores, &newest, at(200), at(60)).await, all);
    let back = signing_key(Algorithm::Es256, 50);
    let keys = ensure(&stores, &back, at(300), at(150)).await;
    assert_eq!(keys.first(), Some(&back), "a retiring key of the algorithm does not stand in for a new one");
    assert_eq!(only_endless(&keys), &back);
}

/// 16 rotations at once, over and over, beside starting instances: one key is left without an end, none is lost.
pub async fn a_rotation_leaves_one_key_without_an_end(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let first = signing_key(Algorithm::Es256, 1);
    ensure(&instances[0], &first, at(99), at(0)).await;
    let next = signing_key(Algorithm::Es256, 2);
    instances[0].keys.rotate_key(next.clone(), at(100), effects()).await.unwrap();
    assert_eq!(list(&instances[1], at(0)).await, [next, retired(first, at(100))]);

    for round in 1..=4 {
        race(instances.iter().cycle().take(18).enumerate().map(|(caller, stores)| {
            let (stores, key) = (stores.clone(), signing_key(Algorithm::Es256, 3));
            async move {
                if caller < 16 {
                    stores.keys.rotate_key(key, at(200), effects()).await.unwrap();
                } else {
                    let keys = ensure(&stores, &key, at(300), at(0)).await;
                    assert_ne!(only_endless(&keys), &key, "a rotation left a moment without a key");
                }
            }
        }))
        .await;

        let keys = list(&instances[1], at(0)).await;
        assert_eq!(keys.len(), 2 + round * 16);
        only_endless(&keys);
        let moved = keys.iter().filter(|key| key.public.retires_at == Some(at(300))).count();
        assert_eq!(moved, 0, "a start of the same algorithm retired a key");
        let kept = keys.iter().filter(|key| key.public.retires_at == Some(at(100))).count();
        assert_eq!(kept, 1, "a rotation moved the end of a key that had one");
    }
}

/// 16 sessions that refresh without a pause against the revocation of their key: from its acknowledgement on none succeeds,
/// here or there, and each session stands where its last success left it. They go on with tokens of another key.
pub async fn a_refresh_loses_against_the_revocation_of_its_key(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for _ in 0..4 {
        let key = stored_key(&instances[0]).await;
        let successor = signing_key(Algorithm::Es256, 2);
        let is_revoked = Arc::new(AtomicBool::new(false));
        let mut sessions = Vec::new();
        for stores in instances.iter().cycle().take(16) {
            sessions.push(register(stores, user()).await.1.id);
        }

        let answers = race(instances.iter().cycle().take(17).enumerate().map(|(caller, stores)| {
            let (stores, successor) = (stores.clone(), successor.clone());
            let (sessions, is_revoked) = (sessions.clone(), is_revoked.clone());
            async move {
                if let Some(session) = sessions.get(caller) {
                    return vec![refresh_until_revoked(&stores, key, *session, &is_revoked).await];
                }
                for _ in 0..16 {
                    stores.health.ping().await.unwrap(); // the others have begun by then
                }
                let outcome = stores.keys.revoke_key(key, successor, when(1), effects()).await.unwrap();
                assert_eq!(outcome, RevokeKeyOutcome::Revoked);
                is_revoked.store(true, Ordering::SeqCst);
                counters(&stores, &sessions).await
            }
        }))
        .await;

        let (answered, after_the_end) = (answers[..16].concat(), &answers[16]);
        assert_eq!(answered, *after_the_end, "a session moved after the end of its key");
        assert_eq!(counters(&instances[1], &sessions).await, answered, "a session moved and nobody was told");
        for (session, counter) in sessions.into_iter().zip(answered) {
            for stores in &instances {
                let late = rotate(stores, key, session, counter, at(1)).await;
                assert_eq!(late, RotateOutcome::KeyRevoked, "a revoked key bought something");
            }
            let other = rotate(&instances[1], successor.public.kid, session, counter, at(1)).await;
            let RotateOutcome::Rotated(moved) = other else {
                panic!("a token of another key gave {other:?}")
            };
            assert_eq!(moved.session.counter, counter.next(), "a refused refresh moved its session");
        }
    }
    let (_, opened) = register(&instances[0], user()).await;
    let unknown = rotate(&instances[0], key_id(), opened.id, RefreshCounter::FIRST, at(1)).await;
    assert_eq!(unknown, RotateOutcome::KeyRevoked, "a key that is not stored");
}

/// The counters of the sessions as they are now.
async fn counters(stores: &Stores, sessions: &[SessionId]) -> Vec<RefreshCounter> {
    let mut counters = Vec::new();
    for session in sessions {
        counters.push(principal(stores, *session).await.session.counter);
    }
    counters
}

/// Refreshes until the key is revoked, and gives the counter that the session has then.
async fn refresh_until_revoked(
    stores: &Stores,
    key: KeyId,
    session: SessionId,
    is_revoked: &AtomicBool,
) -> RefreshCounter {
    let mut counter = RefreshCounter::FIRST;
    loop {
        let was_revoked = is_revoked.load(Ordering::SeqCst);
        match rotate(stores, key, session, counter, at(1)).await {
            RotateOutcome::Rotated(principal) if !was_revoked => counter = principal.session.counter,
            RotateOutcome::KeyRevoked => return counter,
            other => {
                panic!("a refresh beside the revocation of its key (done: {was_revoked}) gave {other:?}")
            }
        }
        tokio::task::yield_now().await; // a storage that never waits must let the others have their turn
    }
}

/// A revoked key is listed nowhere, whether it has an end or not; its successor is stored only if nothing else signs. When
/// 16 revoke one key or one each, beside rotations and starts, one key without an end is left.
pub async fn a_revoked_key_is_gone_and_another_goes_on(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let (here, there) = (&instances[0], &instances[1]);
    let keys: Vec<_> = (1..=4).map(|seconds| signing_key(Algorithm::Es256, seconds)).collect();
    ensure(here, &keys[0], at(99), at(0)).await;
    here.keys.rotate_key(keys[1].clone(), at(100), effects()).await.unwrap();

    assert_eq!(revoke(here, &keys[0], &keys[2]).await, RevokeKeyOutcome::Revoked);
    assert_eq!(
        list(there, at(0)).await,
        [keys[1].clone()],
        "another key signs, so that no successor is needed"
    );
    assert_eq!(revoke(here, &keys[1], &keys[2]).await, RevokeKeyOutcome::Revoked);
    assert_eq!(list(there, at(0)).await, [keys[2].clone()], "the key that signed has a successor");
    for unknown in [&keys[0], &keys[3]] {
        assert_eq!(
            revoke(there, unknown, &signing_key(Algorithm::Es256, 5)).await,
            RevokeKeyOutcome::Unknown
        );
    }
    assert_eq!(
        list(there, at(0)).await,
        [keys[2].clone()],
        "the revocation of an unknown key stored its successor"
    );
    for revoked in &keys[..2] {
        let is_of_key = |entry: &BlacklistEntry| entry.revoked == Revoked::Key(revoked.public.kid);
        assert!(whole_log(there).await.iter().any(is_of_key), "nobody hears of a revoked key");
    }

    for round in 0..6 {
        let before = list(here, at(0)).await;
        let outcomes = race(instances.iter().cycle().take(16).map(|stores| {
            let (stores, key) = (stores.clone(), only_endless(&before).clone());
            async move { revoke(&stores, &key, &signing_key(Algorithm::Es256, 10)).await }
        }))
        .await;

        let revoked = outcomes.iter().filter(|outcome| **outcome == RevokeKeyOutcome::Revoked).count();
        assert_eq!(revoked, 1, "one key was revoked more than once");
        let after = list(there, at(0)).await;
        assert_eq!(after.len(), before.len(), "one successor for one key");
        only_endless(&after);

        for _ in 0..8 {
            here.keys.rotate_key(signing_key(Algorithm::Es256, 20), at(200), effects()).await.unwrap();
        }
        let all = list(there, at(0)).await;
        let callers = instances.iter().cycle().zip(all.clone()).enumerate();
        race(callers.map(|(caller, (stores, key))| {
            let (stores, successor) = (stores.clone(), signing_key(Algorithm::Es256, 30));
            async move {
                if caller == round {
                    stores
                        .keys
                        .rotate_key(signing_key(Algorithm::Es256, 25), at(300), effects())
                        .await
                        .unwrap();
                }
                assert_eq!(revoke(&stores, &key, &successor).await, RevokeKeyOutcome::Revoked);
                let keys = ensure(&stores, &signing_key(Algorithm::Es256, 40), at(300), at(0)).await;
                let is_listed = keys.iter().any(|listed| listed.public.kid == key.public.kid);
                assert!(!is_listed, "a revoked key is listed");
            }
        }))
        .await;

        let left = list(there, at(0)).await;
        only_endless(&left);
        assert!(left.iter().all(|key| all.iter().all(|gone| gone.public.kid != key.public.kid)));
    }
}

/// Keys that retired before the given time go; those that retire at it or later, or never, stay.
pub async fn only_retired_keys_are_forgotten(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let first = signing_key(Algorithm::Es256, 1);
    let second = signing_key(Algorithm::Es256, 2);
    let third = signing_key(Algorithm::Es256, 3);
    ensure(&stores, &first, at(99), at(0)).await;
    stores.keys.rotate_key(second.clone(), at(10), effects()).await.unwrap();
    stores.keys.rotate_key(third.clone(), at(20), effects()).await.unwrap();

    assert_eq!(stores.keys.forget_retired_keys(at(10)).await.unwrap(), 0);
    assert_eq!(stores.keys.forget_retired_keys(at(20)).await.unwrap(), 1);
    assert_eq!(list(&stores, at(0)).await, [third.clone(), retired(second, at(20))]);
    assert_eq!(stores.keys.forget_retired_keys(at(1_000_000)).await.unwrap(), 1);
    assert_eq!(list(&stores, at(0)).await, [third]);
}

/// The one key that goes on signing.
fn only_endless(keys: &[SigningKeyRecord]) -> &SigningKeyRecord {
    let endless: Vec<_> = keys.iter().filter(|key| key.public.retires_at.is_none()).collect();
    assert_eq!(endless.len(), 1, "there must be one key without an end");
    endless[0]
}

fn retired(mut key: SigningKeyRecord, at: Timestamp) -> SigningKeyRecord {
    key.public.retires_at = Some(at);
    key
}

async fn revoke(stores: &Stores, key: &SigningKeyRecord, successor: &SigningKeyRecord) -> RevokeKeyOutcome {
    stores.keys.revoke_key(key.public.kid, successor.clone(), when(1), effects()).await.unwrap()
}

async fn list(stores: &Stores, now: Timestamp) -> Vec<SigningKeyRecord> {
    stores.keys.list_keys(now).await.unwrap()
}

async fn ensure(
    stores: &Stores,
    candidate: &SigningKeyRecord,
    retire_others_at: Timestamp,
    now: Timestamp,
) -> Vec<SigningKeyRecord> {
    stores.keys.ensure_key(candidate.clone(), retire_others_at, now).await.unwrap()
}
