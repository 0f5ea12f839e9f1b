use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{
    BlacklistEntry, Email, NewSession, NewUser, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy,
    RevocationTime, Roles, SessionId, TenantId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, BlacklistWakeups, CreateOutcome, Credentials, FirstAdminOutcome,
    OpenOutcome, Principal, RegisterOutcome, RevokeAllOutcome, RotateOutcome, SessionRepository,
    SetActiveOutcome, SetPasswordOutcome, SetRolesOutcome, StoreResult, Stores, TokenBlacklist,
    UserRepository,
};

use super::mutations::Mutant;
use super::scheduler::stand_back;
use super::world::World;

/// The way from one instance to the storage. Others act before each step and between the step and its answer, which may get
/// lost; and the feed is late, in disorder, and tells things twice.
pub(super) struct RoughStore {
    world: Arc<World>,
    instance: usize,
    mutant: Mutant,
}

impl RoughStore {
    pub(super) fn over(world: &Arc<World>, instance: usize, memory: &Arc<MemoryStore>) -> Stores {
        let inner = Stores::of(Arc::clone(memory));
        let mutant = Mutant::over(inner.clone(), world.mutation, instance);
        let rough = Arc::new(Self { world: Arc::clone(world), instance, mutant });
        Stores { users: rough.clone(), sessions: rough.clone(), blacklist: rough, ..inner }
    }

    /// Does a step that never waits, in this weather.
    async fn step<T>(&self, name: &str, step: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        let is_off = || self.world.weather[self.instance].storage_is_off.load(Ordering::SeqCst);
        self.world.linger().await;
        if is_off() {
            return Err(self.world.fault(&format!("{name} is not done")));
        }
        let answer = step.await;
        self.world.note(|| format!("  {name} is done on {}", self.instance));
        self.world.linger().await;
        if is_off() {
            return Err(self.world.fault(&format!("the answer of {name} is lost")));
        }
        answer
    }
}

#[async_trait]
impl UserRepository for RoughStore {
    async fn register(&self, user: NewUser, session: NewSession) -> StoreResult<RegisterOutcome> {
        self.step("register", self.mutant.users().register(user, session)).await
    }

    async fn create(&self, user: NewUser) -> StoreResult<CreateOutcome> {
        self.step("create", self.mutant.users().create(user)).await
    }

    async fn create_first_admin(&self, admin: NewUser) -> StoreResult<FirstAdminOutcome> {
        self.step("create_first_admin", self.mutant.users().create_first_admin(admin)).await
    }

    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>> {
        self.step("find_credentials", self.mutant.users().find_credentials(tenant, email)).await
    }

    async fn list(&self, tenant: TenantId, after: Option<UserId>, limit: u32) -> StoreResult<Vec<User>> {
        self.step("list", self.mutant.users().list(tenant, after, limit)).await
    }

    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
    ) -> StoreResult<SetPasswordOutcome> {
        self.step("set_password", self.mutant.users().set_password(user, hash, when)).await
    }

    async fn set_active(
        &self,
        user: UserId,
        active: bool,
        when: RevocationTime,
    ) -> StoreResult<SetActiveOutcome> {
        self.step("set_active", self.mutant.users().set_active(user, active, when)).await
    }

    async fn set_roles(
        &self,
        user: UserId,
        roles: Roles,
        when: RevocationTime,
    ) -> StoreResult<SetRolesOutcome> {
        self.step("set_roles", self.mutant.users().set_roles(user, roles, when)).await
    }

    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>> {
        self.step("highest_bcrypt_cost", self.mutant.users().highest_bcrypt_cost()).await
    }
}

#[async_trait]
impl SessionRepository for RoughStore {
    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
    ) -> StoreResult<OpenOutcome> {
        self.step("open", self.mutant.open(user, verified, upgrade, session)).await
    }

    async fn find_principal(&self, session: SessionId, token: TokenId) -> StoreResult<Option<Principal>> {
        self.step("find_principal", self.mutant.find_principal(session, token)).await
    }

    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        when: RevocationTime,
    ) -> StoreResult<RotateOutcome> {
        self.step("rotate", self.mutant.rotate(session, presented, policy, when)).await
    }

    async fn revoke(&self, session: SessionId, when: RevocationTime) -> StoreResult<()> {
        self.step("revoke", self.mutant.revoke(session, when)).await
    }

    async fn revoke_all(&self, by: SessionId, when: RevocationTime) -> StoreResult<RevokeAllOutcome> {
        self.step("revoke_all", self.mutant.sessions().revoke_all(by, when)).await
    }

    async fn forget_expired(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.step("forget_expired", self.mutant.sessions().forget_expired(before, limit)).await
    }
}

#[async_trait]
impl TokenBlacklist for RoughStore {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        self.step("add", self.mutant.blacklist().add(entries)).await
    }

    /// Gives small pages, now and then from further back, and the entries of each in any order.
    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        let World { dice, weather, .. } = &*self.world;
        let is_off = || weather[self.instance].feed_is_off.load(Ordering::SeqCst);
        if is_off() {
            return Err(self.world.fault("the feed is lost"));
        }
        let small = u32::try_from(1 + dice.below(4)).unwrap();
        let limit = if dice.chance(50) { small } else { limit };
        let mut page = self.step("read", self.mutant.read(after, limit)).await?;
        page.entries.extend_from_within(..dice.index(page.entries.len() + 1));
        dice.shuffle(&mut page.entries);
        if dice.chance(20) {
            stand_back(dice.below(30)).await; // a late answer: time passes, and nothing newer is in it
        }
        if is_off() {
            return Err(self.world.fault("what the feed told is lost"));
        }
        Ok(page)
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.step("forget_expired_entries", self.mutant.blacklist().forget_expired_entries(before, limit))
            .await
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        self.step("subscribe", self.mutant.blacklist().subscribe()).await
    }
}
