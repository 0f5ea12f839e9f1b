//! Keys that are dropped and revoked.

use super::*;

#[tokio::test]
async fn sec_57_a_dropped_key_neither_signs_nor_is_published_nor_accepted() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let (token, before) = (sign(&ring), ring.revision());

    ring.drop_key(token.kid());
    assert_eq!(token.checked_by(&ring).await, SignatureCheck::UnknownKey);
    assert!(ring.public_keys().is_empty());
    assert!(matches!(ring.sign(TokenType::Access, CLAIMS), Err(StoreError::Unavailable(_))));
    let dropped = ring.revision();
    assert_ne!(dropped, before, "no verdict from before counts");

    ring.drop_key(token.kid());
    assert_eq!(ring.revision(), dropped, "dropping it once more changes nothing");
}

#[tokio::test]
async fn sec_57_no_load_brings_a_dropped_key_back() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let token = sign(&ring);
    rotate(&ring, true).await;

    // The store still shows it, as to a load that was answered before the revocation and is slow.
    let hold = Arc::new(Semaphore::new(0));
    instances.store.holds.store(Some(hold.clone()));
    let load = ring.reload();
    let drop_meanwhile = async {
        ring.drop_key(token.kid());
        hold.add_permits(1);
    };
    tokio::join!(load, drop_meanwhile).0.unwrap();
    instances.store.holds.store(None);
    ring.reload().await.unwrap();

    assert_eq!(token.checked_by(&ring).await, SignatureCheck::UnknownKey);
    assert!(ring.public_keys().iter().all(|key| key.kid != token.kid()));
    assert_ne!(sign(&ring).kid(), token.kid());
}

#[tokio::test]
async fn a_key_that_is_dropped_before_this_instance_knows_it_is_never_taken_over() {
    let instances = Instances::new();
    let (here, there) = (instances.open(Algorithm::Es256).await, instances.open(Algorithm::Es256).await);
    rotate(&there, true).await;
    let token = sign(&there);

    here.drop_key(token.kid());
    here.reload().await.unwrap();
    assert_eq!(token.checked_by(&here).await, SignatureCheck::UnknownKey);
}

#[tokio::test]
async fn tokens_of_a_revoked_key_do_not_reach_the_store() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let token = sign(&ring);
    instances.revoke(&ring, token.kid()).await;
    let before = instances.loads();
    for _ in 0..10 {
        assert_eq!(token.checked_by(&ring).await, SignatureCheck::UnknownKey);
    }
    assert_eq!(instances.loads(), before);
}

#[tokio::test]
async fn revoked_keys_are_remembered_in_bounded_memory_and_the_latest_of_them() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let kid = |number: usize| KeyId::parse(&made_up_kid(number)).unwrap();
    for number in 0..=Keys::MAX_REVOKED {
        ring.drop_key(kid(number));
    }
    let keys = ring.keys.load();
    let remembered = (0..=Keys::MAX_REVOKED).filter(|number| keys.is_revoked(kid(*number)));
    assert!(remembered.eq(1..=Keys::MAX_REVOKED));
}

#[tokio::test]
async fn sec_57_revoking_the_key_that_signs_leaves_another_that_signs_at_once_for_every_instance() {
    for algorithm in Algorithm::ALL {
        let instances = Instances::new();
        let (here, there) = (instances.open(algorithm).await, instances.open(algorithm).await);
        let token = sign(&here);
        assert_eq!(instances.revoke(&here, token.kid()).await, RevokeKeyOutcome::Revoked);

        let successor = sign(&here);
        assert_ne!(successor.kid(), token.kid());
        assert_eq!(here.public_keys().len(), 1);
        assert_eq!(here.public_keys()[0].kid, successor.kid());
        for ring in [&here, &instances.open(algorithm).await] {
            assert_eq!(token.checked_by(ring).await, SignatureCheck::UnknownKey);
            assert_eq!(successor.checked_by(ring).await, SignatureCheck::Valid);
        }
        assert_eq!(successor.checked_by(&there).await, SignatureCheck::Valid);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_told_of_a_revocation_goes_on_with_the_stored_successor() {
    let instances = Instances::new();
    let (here, there) = (instances.open(Algorithm::Es256).await, instances.open(Algorithm::Es256).await);
    let token = sign(&here);
    instances.revoke(&there, token.kid()).await;

    let here = Arc::new(here);
    let beside = here.clone();
    let beside = tokio::spawn(async move { beside.replace_dropped().await });
    here.drop_key(token.kid());
    tokio::time::sleep(Duration::from_millis(10)).await;
    beside.abort();
    assert_eq!(sign(&here).kid(), sign(&there).kid());
}

#[tokio::test(start_paused = true)]
async fn the_successor_is_found_when_the_store_is_back() {
    let instances = Instances::new();
    let (here, there) = (instances.open(Algorithm::Es256).await, instances.open(Algorithm::Es256).await);
    let token = sign(&here);
    instances.revoke(&there, token.kid()).await;

    instances.set_down(true);
    here.drop_key(token.kid());
    let signs_again = async {
        tokio::time::sleep(10 * KeyRing::RETRY_PAUSE).await;
        assert!(here.sign(TokenType::Access, CLAIMS).is_err());
        instances.set_down(false);
        tokio::time::sleep(2 * KeyRing::RETRY_PAUSE).await;
    };
    tokio::select! {
        never = here.replace_dropped() => match never {},
        () = signs_again => {}
    }
    assert_eq!(sign(&here).kid(), sign(&there).kid());
}

#[tokio::test]
async fn a_key_that_was_published_ahead_takes_over_from_a_revoked_one() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let token = sign(&ring);
    let coming = rotate(&ring, false).await;
    instances.revoke(&ring, token.kid()).await;
    assert_eq!(sign(&ring).kid(), coming.kid);
    assert_eq!(ring.public_keys(), [coming], "none was made beside it");
}

#[tokio::test]
async fn revoking_a_retiring_key_leaves_the_one_that_signs() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let former = sign(&ring);
    rotate(&ring, true).await;
    let token = sign(&ring);
    instances.revoke(&ring, former.kid()).await;
    assert_eq!(former.checked_by(&ring).await, SignatureCheck::UnknownKey);
    assert_eq!(token.checked_by(&ring).await, SignatureCheck::Valid);
    assert_eq!(sign(&ring).kid(), token.kid());
}

#[tokio::test]
async fn an_unknown_key_is_not_revoked_and_changes_nothing() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let (keys, revision) = (ring.public_keys(), ring.revision());
    let unknown = KeyId::parse(&made_up_kid(0)).unwrap();
    assert_eq!(instances.revoke(&ring, unknown).await, RevokeKeyOutcome::Unknown);
    ring.reload().await.unwrap();
    assert_eq!((ring.public_keys(), ring.revision()), (keys, revision));
}

#[tokio::test]
async fn many_who_revoke_at_once_leave_one_key_that_signs() {
    let instances = Instances::new();
    let rings: Vec<_> = vec![instances.open(Algorithm::Es256).await, instances.open(Algorithm::Es256).await];
    for _ in 0..5 {
        rotate(&rings[0], true).await;
        instances.clock.advance(MINUTE);
    }
    rings[1].reload().await.unwrap();
    let keys: Vec<KeyId> = rings[0].public_keys().into_iter().map(|key| key.kid).collect();

    let [one, other] = [&rings[0], &rings[1]].map(async |ring| {
        let mut revoked = Vec::new();
        for key in &keys {
            if instances.revoke(ring, *key).await == RevokeKeyOutcome::Revoked {
                revoked.push(*key);
            }
            task::yield_now().await;
        }
        revoked
    });
    let (one, other) = tokio::join!(one, other);
    let mut revoked = [one, other].concat();
    revoked.sort_unstable();
    let mut expected = keys.clone();
    expected.sort_unstable();
    assert_eq!(revoked, expected, "each is revoked once");

    let token = sign(&rings[0]);
    for ring in &rings {
        ring.reload().await.unwrap();
        let [left] = &ring.public_keys()[..] else { panic!("{:?}", ring.public_keys()) };
        assert!(left.retires_at.is_none() && !keys.contains(&left.kid));
        assert_eq!(sign(ring).kid(), left.kid);
        assert_eq!(token.checked_by(ring).await, SignatureCheck::Valid);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_is_done_even_if_it_can_not_be_loaded_at_once() {
    let instances = Instances::new();
    let ring = instances.open(Algorithm::Es256).await;
    let token = sign(&ring);
    instances.set_down(true); // for loads
    assert_eq!(instances.revoke(&ring, token.kid()).await, RevokeKeyOutcome::Revoked);
    assert_eq!(token.checked_by(&ring).await, SignatureCheck::UnknownKey);

    instances.set_down(false);
    tokio::select! {
        never = ring.replace_dropped() => match never {},
        () = tokio::time::sleep(Duration::from_millis(10)) => {}
    }
    assert_ne!(sign(&ring).kid(), token.kid());
}

#[tokio::test]
async fn an_operator_who_loads_only_rotates_and_revokes_too() {
    let instances = Instances::new();
    let served = instances.open(Algorithm::Es256).await;
    let first = sign(&served).kid();
    let operator = instances.load_only(Algorithm::Es256).await;
    let second = rotate(&operator, true).await;
    assert_eq!(instances.revoke(&operator, first).await, RevokeKeyOutcome::Revoked);
    served.reload().await.unwrap();
    for ring in [&operator, &served] {
        assert_eq!(ring.public_keys(), std::slice::from_ref(&second));
    }
}
