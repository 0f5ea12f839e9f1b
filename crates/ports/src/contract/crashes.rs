//! The cases of [`Stores`] as a whole: what outlives a stop, and a caller that goes away.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use maestro_auth_domain::{
    BlacklistEntry, NewSession, NewUser, PasswordVersion, RefreshCounter, Revoked, Session, SessionId, User,
};

use super::StorageUnderTest;
use super::blacklist::whole_log;
use super::fixtures::{
    POLICY, argon2_hash, at, principal, register, session, signing_key, token, user, when,
};
use super::race::race;
use crate::{Algorithm, OpenOutcome, RegisterOutcome, RotateOutcome, Stores};

/// Whatever was acknowledged is there after every instance was dropped, users, sessions, revocations and keys alike.
pub async fn acknowledged_writes_survive_a_reopen(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let key = signing_key(Algorithm::Es256, 0);
    stores.keys.ensure_key(key.clone(), at(1), at(0)).await.unwrap();
    let (changed, _) = register(&stores, user()).await;
    let hash = argon2_hash();
    stores.users.set_password(changed.id, hash.clone(), when(1)).await.unwrap();
    let written = race((0..32).map(|number| {
        let stores = stores.clone();
        async move {
            let (user, session) = register(&stores, user()).await;
            match number % 4 {
                0 => stores.sessions.revoke(session.id, when(1)).await.unwrap(),
                1 => stores.sessions.revoke_all(session.id, when(1)).await.map(drop).unwrap(),
                2 => drop(stores.users.set_active(user.id, false, when(1)).await.unwrap()),
                _ => drop(rotate(&stores, &session).await),
            }
            principal(&stores, session.id).await
        }
    }))
    .await;
    let log = whole_log(&stores).await;
    assert_eq!(log.len(), 25, "a change of password and three ends of four");
    drop(stores);

    let reopened = storage.open().await;

    for acknowledged in written {
        assert_eq!(principal(&reopened, acknowledged.session.id).await, acknowledged);
    }
    assert_eq!(whole_log(&reopened).await, log);
    let found = reopened.users.find_credentials(changed.tenant, &changed.email).await.unwrap().unwrap();
    assert_eq!((found.password_hash, found.password_version), (hash, PasswordVersion::FIRST.next()));
    assert_eq!(reopened.keys.list_keys(at(0)).await.unwrap(), [key]);
}

/// Callers that go away at any moment leave each step done or not done, and a store that still works.
///
/// Each call is cut off at its first, second, … point of waiting, and others after a short time, as when a client
/// closes its connection. A pooled connection that keeps the half-open transaction of such a caller swallows later
/// writes, so those are made on the same instance and looked for in another.
pub async fn an_aborted_caller_leaves_no_half_step(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let witness = storage.open().await;
    let cuts = (1..=12).map(Cut::AtWait).chain((0..24).map(|n| Cut::After(Duration::from_micros(n * 250))));
    for cut in cuts {
        let (new, first) = (user(), session(0));
        cut_off(cut, register_call(&stores, new.clone(), first)).await;
        let (rotating, rotated) = register(&stores, user()).await;
        cut_off(cut, rotate_call(&stores, rotated.clone())).await;
        let (leaving, left) = register(&stores, user()).await;
        cut_off(cut, revoke_all_call(&stores, left.id)).await;

        assert_user_and_session_or_neither(&witness, &new, first).await;
        let seen = principal(&witness, rotated.id).await;
        assert_eq!(seen.user, rotating);
        assert!(
            seen.session == rotated || seen.session == rotated.rotated(at(1)),
            "a half rotation: {:?}",
            seen.session
        );
        let seen = principal(&witness, left.id).await.user;
        assert_eq!(seen.generation, seen.session_floor, "a half logout");
        assert!(seen.generation <= leaving.generation.next());
        if seen.generation > leaving.generation {
            let (user, min_generation) = (seen.id, seen.generation);
            let of_cause = |entry: &BlacklistEntry| entry.revoked == Revoked::User { user, min_generation };
            assert!(whole_log(&witness).await.iter().any(of_cause), "an end without its entry");
        }
        assert_still_works(&stores, &witness).await;
    }
}

/// When a caller goes away.
#[derive(Clone, Copy)]
enum Cut {
    /// The moment it waits for the n-th time.
    AtWait(usize),
    /// After this time.
    After(Duration),
}

async fn cut_off(cut: Cut, call: impl Future<Output = ()> + Send + 'static) {
    match cut {
        Cut::AtWait(waits) => {
            let mut call = pin!(call);
            let mut left = waits;
            std::future::poll_fn(|context| {
                let done = call.as_mut().poll(context).is_ready();
                left -= 1;
                if done || left == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        Cut::After(time) => {
            let task = tokio::spawn(call);
            tokio::time::sleep(time).await;
            task.abort();
            assert!(task.await.map_or_else(|error| error.is_cancelled(), |()| true), "the call panicked");
        }
    }
}

fn register_call(stores: &Stores, user: NewUser, session: NewSession) -> impl Future<Output = ()> + use<> {
    let stores = stores.clone();
    async move { drop(stores.users.register(user, session).await.unwrap()) }
}

fn rotate_call(stores: &Stores, session: Session) -> impl Future<Output = ()> + use<> {
    let stores = stores.clone();
    async move { drop(rotate(&stores, &session).await) }
}

fn revoke_all_call(stores: &Stores, session: SessionId) -> impl Future<Output = ()> + use<> {
    let stores = stores.clone();
    async move { stores.sessions.revoke_all(session, when(1)).await.map(drop).unwrap() }
}

/// The step may still be on its way, so each later look may show more than the one before, but never a part of it.
async fn assert_user_and_session_or_neither(stores: &Stores, new: &NewUser, first: NewSession) {
    let user = stores.users.find_credentials(new.tenant, &new.email).await.unwrap();
    let session = stores.sessions.find_principal(first.id, token()).await.unwrap();
    if user.is_some() {
        assert!(session.is_some(), "a user without its first session");
    }
    if session.is_some() {
        let user = stores.users.find_credentials(new.tenant, &new.email).await.unwrap();
        assert!(user.is_some(), "a session without its user");
    }
}

/// 12 writes of every kind on `stores`, which a leaked transaction or lock would block or swallow.
async fn assert_still_works(stores: &Stores, witness: &Stores) {
    let writes = race((0..12).map(|_| {
        let stores = stores.clone();
        async move { tokio::time::timeout(Duration::from_secs(10), write_everything(&stores)).await }
    }));
    for write in writes.await {
        let (user, session) = write.expect("a write after an aborted call never ended");
        let seen = principal(witness, session.id).await;
        assert_eq!((seen.user.id, seen.session.counter), (user.id, RefreshCounter::FIRST.next()));
        assert_eq!(seen.user.generation, user.generation.next(), "an acknowledged write is lost");
    }
}

async fn write_everything(stores: &Stores) -> (User, Session) {
    let RegisterOutcome::Registered(user, session) = stores.users.register(user(), session(0)).await.unwrap()
    else {
        panic!("an address that nobody has is taken");
    };
    let login = super::fixtures::session(1);
    let opened = stores.sessions.open(user.id, PasswordVersion::FIRST, None, login).await.unwrap();
    assert!(matches!(opened, OpenOutcome::Opened(_)));
    assert!(matches!(rotate(stores, &session).await, RotateOutcome::Rotated(_)));
    stores.sessions.revoke_all(session.id, when(1)).await.unwrap();
    (user, session)
}

async fn rotate(stores: &Stores, session: &Session) -> RotateOutcome {
    stores.sessions.rotate(session.id, RefreshCounter::FIRST, POLICY, when(1)).await.unwrap()
}
