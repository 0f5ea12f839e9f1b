//! The kit bites: storages with one classic mistake each, and the case that must turn red for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{
    BlacklistEntry, Email, NewSession, NewUser, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy,
    RefreshVerdict, RevocationTime, Roles, SessionId, TenantId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::contract::fixtures::token;
use maestro_auth_ports::contract::{StorageUnderTest, blacklist, crashes, sessions, users};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, BlacklistWakeups, CreateOutcome, Credentials, FirstAdminOutcome,
    OpenOutcome, Principal, RegisterOutcome, RevokeAllOutcome, RotateOutcome, SessionRepository,
    SetActiveOutcome, SetPasswordOutcome, SetRolesOutcome, StoreResult, Stores, TokenBlacklist,
    UserRepository,
};
use tokio::task::yield_now;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_registration_that_checks_and_then_inserts_is_caught() {
    let storage = Broken::new(|stores| Stores {
        users: Arc::new(BrokenRegister { inner: stores.clone(), mistake: Register::ChecksThenInserts }),
        ..stores
    });
    assert_red(async move { users::one_of_many_concurrent_registrations_wins(&storage).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_registration_in_two_steps_is_caught() {
    let storage = Broken::new(|stores| Stores {
        users: Arc::new(BrokenRegister { inner: stores.clone(), mistake: Register::TakesTwoSteps }),
        ..stores
    });
    assert_red(async move { crashes::an_aborted_caller_leaves_no_half_step(&storage).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_that_reads_then_checks_then_writes_is_caught() {
    let storage =
        Broken::new(|stores| Stores { sessions: Arc::new(BrokenRotate(stores.sessions.clone())), ..stores });
    assert_red(async move { sessions::concurrent_rotations_have_one_winner(&storage).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storage_that_forgets_when_it_is_closed_is_caught() {
    assert_red(async { crashes::acknowledged_writes_survive_a_reopen(&Forgetful).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_whose_cursor_is_a_number_drawn_before_the_commit_is_caught() {
    let storage = Sequenced::default();
    assert_red(async move { blacklist::no_cursor_skips_a_concurrent_writer(&storage).await }).await;
}

/// Demands that the case panics.
async fn assert_red(case: impl Future<Output = ()> + Send + 'static) {
    let verdict = tokio::spawn(case).await;
    assert!(verdict.is_err_and(|error| error.is_panic()), "the case did not notice the mistake");
}

/// A correct store with a broken port in front.
struct Broken {
    store: Arc<MemoryStore>,
    break_it: fn(Stores) -> Stores,
}

impl Broken {
    fn new(break_it: fn(Stores) -> Stores) -> Self {
        Self { store: Arc::new(MemoryStore::new()), break_it }
    }
}

#[async_trait]
impl StorageUnderTest for Broken {
    async fn open(&self) -> Stores {
        (self.break_it)(Stores::of(self.store.clone()))
    }
}

struct Forgetful;

#[async_trait]
impl StorageUnderTest for Forgetful {
    async fn open(&self) -> Stores {
        Stores::of(Arc::new(MemoryStore::new()))
    }
}

struct BrokenRegister {
    inner: Stores,
    mistake: Register,
}

enum Register {
    /// Has no unique index: whoever saw the address free is told that it is theirs.
    ChecksThenInserts,
    /// Stores the user, and then its session.
    TakesTwoSteps,
}

#[async_trait]
impl UserRepository for BrokenRegister {
    async fn register(&self, user: NewUser, session: NewSession) -> StoreResult<RegisterOutcome> {
        let is_taken = self.find_credentials(user.tenant, &user.email).await?.is_some();
        if is_taken {
            return Ok(RegisterOutcome::EmailTaken);
        }
        yield_now().await;
        let expected = user.clone().into_user();
        let registered = RegisterOutcome::Registered(expected.clone(), session.open_for(&expected));
        match self.mistake {
            Register::ChecksThenInserts => drop(self.inner.users.register(user, session).await?),
            Register::TakesTwoSteps => {
                self.inner.users.create(user).await?;
                yield_now().await;
                self.inner.sessions.open(expected.id, PasswordVersion::FIRST, None, session).await?;
            }
        }
        Ok(registered)
    }

    async fn create(&self, user: NewUser) -> StoreResult<CreateOutcome> {
        self.inner.users.create(user).await
    }

    async fn create_first_admin(&self, admin: NewUser) -> StoreResult<FirstAdminOutcome> {
        self.inner.users.create_first_admin(admin).await
    }

    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>> {
        self.inner.users.find_credentials(tenant, email).await
    }

    async fn list(&self, tenant: TenantId, after: Option<UserId>, limit: u32) -> StoreResult<Vec<User>> {
        self.inner.users.list(tenant, after, limit).await
    }

    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
    ) -> StoreResult<SetPasswordOutcome> {
        self.inner.users.set_password(user, hash, when).await
    }

    async fn set_active(
        &self,
        user: UserId,
        active: bool,
        when: RevocationTime,
    ) -> StoreResult<SetActiveOutcome> {
        self.inner.users.set_active(user, active, when).await
    }

    async fn set_roles(
        &self,
        user: UserId,
        roles: Roles,
        when: RevocationTime,
    ) -> StoreResult<SetRolesOutcome> {
        self.inner.users.set_roles(user, roles, when).await
    }

    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>> {
        self.inner.users.highest_bcrypt_cost().await
    }
}

struct BrokenRotate(Arc<dyn SessionRepository>);

#[async_trait]
impl SessionRepository for BrokenRotate {
    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        when: RevocationTime,
    ) -> StoreResult<RotateOutcome> {
        let Some(Principal { user, session: read }) = self.0.find_principal(session, token()).await? else {
            return Ok(RotateOutcome::Unknown);
        };
        if read.judge(&user, presented, &policy, when.at) != RefreshVerdict::Rotate {
            return self.0.rotate(session, presented, policy, when).await;
        }
        yield_now().await;
        // Writes whatever the counter is by now: the statement does not name the state that it expects.
        let current = self.0.find_principal(session, token()).await?;
        let current = current.map_or(presented, |now| now.session.counter);
        self.0.rotate(session, current, policy, when).await
    }

    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
    ) -> StoreResult<OpenOutcome> {
        self.0.open(user, verified, upgrade, session).await
    }

    async fn find_principal(&self, session: SessionId, token: TokenId) -> StoreResult<Option<Principal>> {
        self.0.find_principal(session, token).await
    }

    async fn revoke(&self, session: SessionId, when: RevocationTime) -> StoreResult<()> {
        self.0.revoke(session, when).await
    }

    async fn revoke_all(&self, by: SessionId, when: RevocationTime) -> StoreResult<RevokeAllOutcome> {
        self.0.revoke_all(by, when).await
    }

    async fn forget_expired(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.0.forget_expired(before, limit).await
    }
}

#[derive(Default)]
struct Sequenced {
    store: Arc<MemoryStore>,
    log: Arc<SequencedLog>,
}

#[async_trait]
impl StorageUnderTest for Sequenced {
    async fn open(&self) -> Stores {
        Stores { blacklist: self.log.clone(), ..Stores::of(self.store.clone()) }
    }
}

/// Draws numbers from a sequence, commits later, and reads what is greater than the last number, as a table with a serial
/// key invites to.
#[derive(Default)]
struct SequencedLog {
    sequence: AtomicU64,
    committed: Mutex<BTreeMap<u64, BlacklistEntry>>,
    other: MemoryStore,
}

#[async_trait]
impl TokenBlacklist for SequencedLog {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        let numbered: Vec<_> =
            entries.iter().map(|entry| (self.sequence.fetch_add(1, Ordering::SeqCst) + 1, *entry)).collect();
        let is_slow = numbered.first().is_some_and(|(number, _)| number % 4 == 0);
        for _ in 0..if is_slow { 100 } else { 1 } {
            yield_now().await; // others commit meanwhile
        }
        self.committed.lock().unwrap().extend(numbered);
        Ok(())
    }

    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        let after = after.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let (numbers, entries): (Vec<u64>, Vec<BlacklistEntry>) =
            self.committed.lock().unwrap().range(after + 1..).take(limit as usize).unzip();
        let is_complete = entries.len() < limit as usize;
        let next = BlacklistCursor::new(numbers.last().unwrap_or(&after).to_string());
        Ok(BlacklistPage { entries, next, starts_over: false, is_complete })
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.other.forget_expired_entries(before, limit).await
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        self.other.subscribe().await
    }
}
