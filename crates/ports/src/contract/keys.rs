//! The cases of [`SigningKeyRepository`](crate::SigningKeyRepository).

use maestro_auth_domain::Timestamp;

use super::StorageUnderTest;
use super::fixtures::{at, signing_key};
use super::race::race;
use crate::{Algorithm, SigningKeyRecord, Stores};

/// A key comes back with every byte and every time it was stored with, the newest first.
pub async fn signing_keys_come_back_as_stored(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    assert_eq!(list(&stores, at(0)).await, []);
    let first = signing_key(Algorithm::Rs256, 10);
    assert_eq!(ensure(&stores, &first, at(99), at(0)).await, std::slice::from_ref(&first));
    assert_eq!(list(&stores, at(0)).await, std::slice::from_ref(&first));

    let second = signing_key(Algorithm::Rs256, 20);
    stores.keys.rotate_key(second.clone(), at(500)).await.unwrap();

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
    instances[0].keys.rotate_key(next.clone(), at(100)).await.unwrap();
    assert_eq!(list(&instances[1], at(0)).await, [next, retired(first, at(100))]);

    for round in 1..=4 {
        race(instances.iter().cycle().take(18).enumerate().map(|(caller, stores)| {
            let (stores, key) = (stores.clone(), signing_key(Algorithm::Es256, 3));
            async move {
                if caller < 16 {
                    stores.keys.rotate_key(key, at(200)).await.unwrap();
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

/// Keys that retired before the given time go; those that retire at it or later, or never, stay.
pub async fn only_retired_keys_are_forgotten(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let first = signing_key(Algorithm::Es256, 1);
    let second = signing_key(Algorithm::Es256, 2);
    let third = signing_key(Algorithm::Es256, 3);
    ensure(&stores, &first, at(99), at(0)).await;
    stores.keys.rotate_key(second.clone(), at(10)).await.unwrap();
    stores.keys.rotate_key(third.clone(), at(20)).await.unwrap();

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
