//! Random lives of a refresh token family, on every storage, against a model that knows tokens instead of counters.

use std::time::Duration;

use maestro_auth_domain::{
    CatalogueRevision, KeyId, NewSession, RefreshCounter, RefreshPolicy, Session, Timestamp, User, UserId,
};
use maestro_auth_ports::contract::StorageUnderTest;
use maestro_auth_ports::contract::fixtures::{self, effects, revoked_at as when};
use maestro_auth_ports::{RegisterOutcome, RotateOutcome, Stores, UpdateOutcome};
use proptest::prelude::*;

const POLICY: RefreshPolicy =
    RefreshPolicy { reuse_grace: Duration::from_secs(10), idle_ttl: Duration::from_secs(100) };
const SESSION_TTL: Duration = Duration::from_mins(5);

/// What may happen to a session.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The token that was issued `back` before the latest is presented; -1 is one that was never issued.
    Present {
        back: i64,
    },
    Wait {
        seconds: u64,
    },
    Logout,
    LogoutEverywhere,
    Deactivate,
    Activate,
    ChangePassword,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Present { back: 0 }),
        4 => (-1_i64..4).prop_map(|back| Step::Present { back }),
        6 => prop_oneof![0_u64..12, 9_u64..12, 90_u64..110].prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Logout),
        1 => Just(Step::LogoutEverywhere),
        1 => Just(Step::Deactivate),
        2 => Just(Step::Activate),
        1 => Just(Step::ChangePassword),
    ]
}

/// The family as its user sees it: when each token was issued and spent.
struct Model {
    /// When each token but the live one was spent, oldest first.
    spent_at: Vec<Timestamp>,
    live_since: Timestamp,
    expires_at: Timestamp,
    ended: bool,
}

/// What presenting a token must come to; `Ok` names the counter that the answer carries.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Rotated(i64),
    Replayed(i64),
    Reused,
    Ended,
    Expired,
}

impl Model {
    fn live(&self) -> i64 {
        i64::try_from(self.spent_at.len()).unwrap() + 1
    }

    fn present(&mut self, token: i64, now: Timestamp) -> Expected {
        if self.ended {
            return Expected::Ended;
        }
        if now >= self.expires_at || now >= self.live_since + POLICY.idle_ttl {
            return Expected::Expired;
        }
        if token == self.live() {
            self.spent_at.push(now);
            self.live_since = now;
            return Expected::Rotated(self.live());
        }
        let is_predecessor = token == self.live() - 1;
        if is_predecessor && self.spent_at.last().is_some_and(|spent| now < *spent + POLICY.reuse_grace) {
            return Expected::Replayed(self.live());
        }
        self.ended = true;
        Expected::Reused
    }

    fn logout_everywhere(&mut self, now: Timestamp) {
        self.ended |= now < self.expires_at;
    }
}

async fn live_a_life(stores: &Stores, key: KeyId, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut now = fixtures::at(0);
    let (user, session) = sign_in(stores, now).await;
    let mut model =
        Model { spent_at: Vec::new(), live_since: now, expires_at: session.expires_at, ended: false };

    for step in steps {
        match *step {
            Step::Present { back } => {
                let presented = model.live() - back;
                let expected = model.present(presented, now);
                let counter = RefreshCounter::from_number(presented);
                let sessions = &stores.sessions;
                let outcome = sessions.rotate(session.id, counter, key, POLICY, when(now), effects()).await;
                let outcome = outcome.unwrap();
                prop_assert_eq!(as_expected(&outcome), expected, "{:?}", outcome);
            }
            Step::Wait { seconds } => now = now + Duration::from_secs(seconds),
            Step::Logout => {
                stores.sessions.revoke(session.id, when(now), effects()).await.unwrap();
                model.ended = true;
            }
            Step::LogoutEverywhere => {
                stores.sessions.revoke_all(session.id, when(now), effects()).await.unwrap();
                model.logout_everywhere(now);
            }
            Step::Deactivate => {
                set_active(stores, user.id, false, now).await;
                model.ended = true;
            }
            Step::Activate => {
                set_active(stores, user.id, true, now).await;
            }
            Step::ChangePassword => {
                let hash = fixtures::argon2_hash();
                stores.users.set_password(user.id, hash, when(now), effects()).await.unwrap();
                model.ended = true;
            }
        }
        let principal = fixtures::principal(stores, session.id).await;
        let is_live = !model.ended && now < model.expires_at;
        prop_assert_eq!(principal.session.is_live(&principal.user, now), is_live, "after {:?}", step);
        prop_assert_eq!(principal.session.counter.number(), model.live(), "after {:?}", step);
    }
    Ok(())
}

async fn sign_in(stores: &Stores, now: Timestamp) -> (User, Session) {
    let session = NewSession { created_at: now, expires_at: now + SESSION_TTL, ..fixtures::session(0) };
    let (user, checked) = (fixtures::user(), CatalogueRevision::FIRST);
    match stores.users.register(user, session, checked, effects()).await.unwrap() {
        RegisterOutcome::Registered(user, session) => (user, session),
        refused => {
            unreachable!("an address that nobody has, and roles that exist, were refused: {refused:?}")
        }
    }
}

async fn set_active(stores: &Stores, user: UserId, is_active: bool, now: Timestamp) {
    let outcome = fixtures::set_active(stores, user, is_active, when(now)).await;
    assert!(matches!(outcome, UpdateOutcome::Done(_)), "{outcome:?}");
}

fn as_expected(outcome: &RotateOutcome) -> Expected {
    match outcome {
        RotateOutcome::Rotated(principal) => Expected::Rotated(principal.session.counter.number()),
        RotateOutcome::Replayed(principal) => Expected::Replayed(principal.session.counter.number()),
        RotateOutcome::Reused(_) => Expected::Reused,
        RotateOutcome::Ended => Expected::Ended,
        RotateOutcome::Expired => Expected::Expired,
        RotateOutcome::KeyRevoked | RotateOutcome::Unknown => unreachable!("key or session is gone"),
    }
}

fn agrees_with_the_model<S: StorageUnderTest>(fresh: impl AsyncFnOnce() -> S) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let storage = runtime.block_on(fresh());
    if storage.is_skipped() {
        return;
    }
    let stores = runtime.block_on(storage.open());
    let key = runtime.block_on(fixtures::stored_key(&stores));
    let lives = prop::collection::vec(step(), 1..40);
    proptest!(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }, |(steps in lives)| {
        runtime.block_on(live_a_life(&stores, key, &steps))?;
    });
    drop(stores);
    runtime.block_on(async { drop(storage) });
}

#[cfg(feature = "memory")]
#[test]
fn memory_agrees_with_the_model_of_refresh_families() {
    agrees_with_the_model(crate::contract::memory::fresh);
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_agrees_with_the_model_of_refresh_families() {
    agrees_with_the_model(crate::contract::sqlite::fresh);
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_agrees_with_the_model_of_refresh_families() {
    agrees_with_the_model(crate::contract::postgres::fresh);
}
