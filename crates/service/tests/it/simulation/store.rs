use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{
    BlacklistEntry, CatalogueRevision, Email, Generation, KeyId, NewSession, NewUser, PasswordHash,
    PasswordVersion, RefreshCounter, RefreshPolicy, RevocationTime, SessionId, TenantId, Timestamp, TokenId,
    User, UserChange, UserFilter, UserId,
};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, BlacklistWakeups, CatalogueChange, CatalogueOutcome, CreateOutcome,
    Credentials, DeleteOutcome, Effects, FirstAdminOutcome, OpenOutcome, Principal, RegisterOutcome,
    RevokeAllOutcome, RevokeKeyOutcome, RoleRepository, RotateOutcome, SessionRepository, SetPasswordOutcome,
    SigningKeyRecord, SigningKeyRepository, StoreResult, StoredCatalogue, Stores, TokenBlacklist,
    UpdateOutcome, UserPage, UserRepository,
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
        let mutant = Mutant::over(inner.clone(), world, instance);
        let rough = Arc::new(Self { world: Arc::clone(world), instance, mutant });
        Stores {
            users: rough.clone(),
            sessions: rough.clone(),
            blacklist: rough.clone(),
            roles: rough.clone(),
            keys: rough,
            ..inner
        }
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

/// Does each call of a port as a [step](RoughStore::step): what has no defect goes to the port itself, the rest by the mutant.
macro_rules! steps {
    ($trait:ident {
        $($to:ident.$method:ident($($argument:ident: $type:ty),*) -> $gives:ty;)*
    }) => {
        #[async_trait]
        impl $trait for RoughStore {
            $(async fn $method(&self, $($argument: $type),*) -> StoreResult<$gives> {
                self.step(stringify!($method), self.mutant.$to().$method($($argument),*)).await
            })*
        }
    };
}

steps!(UserRepository {
    users.register(user: NewUser, session: NewSession, checked: CatalogueRevision, effects: Effects) -> RegisterOutcome;
    users.create(user: NewUser, checked: CatalogueRevision, effects: Effects) -> CreateOutcome;
    users.create_first_admin(admin: NewUser, effects: Effects) -> FirstAdminOutcome;
    mutant.find(tenant: TenantId, user: UserId) -> Option<User>;
    mutant.find_credentials(tenant: TenantId, email: &Email) -> Option<Credentials>;
    mutant.list(tenant: TenantId, filter: &UserFilter, after: Option<UserId>, limit: u32) -> UserPage;
    mutant.update(
        seen: &User,
        change: UserChange,
        checked: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects
    ) -> UpdateOutcome;
    mutant.delete(seen: &User, when: RevocationTime, effects: Effects) -> DeleteOutcome;
    users.set_password(user: UserId, hash: PasswordHash, when: RevocationTime, effects: Effects) -> SetPasswordOutcome;
    users.highest_bcrypt_cost() -> Option<u32>;
});

steps!(SessionRepository {
    mutant.open(
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
        effects: Effects
    ) -> OpenOutcome;
    mutant.find_principal(session: SessionId, token: TokenId, key: KeyId) -> Option<Principal>;
    mutant.rotate(
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects
    ) -> RotateOutcome;
    mutant.revoke(session: SessionId, when: RevocationTime, effects: Effects) -> ();
    sessions.revoke_all(by: SessionId, when: RevocationTime, effects: Effects) -> RevokeAllOutcome;
    mutant.revoke_all_of(
        tenant: TenantId,
        user: UserId,
        when: RevocationTime,
        effects: Effects
    ) -> Option<Generation>;
    sessions.revoke_token(tenant: TenantId, token: TokenId, when: RevocationTime, effects: Effects) -> ();
    sessions.forget_expired(before: Timestamp, limit: u32) -> u64;
});

steps!(RoleRepository {
    mutant.catalogue(tenant: TenantId) -> StoredCatalogue;
    roles.change_catalogue(
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects
    ) -> CatalogueOutcome;
});

steps!(SigningKeyRepository {
    keys.list_keys(now: Timestamp) -> Vec<SigningKeyRecord>;
    keys.ensure_key(
        candidate: SigningKeyRecord,
        retire_others_at: Timestamp,
        now: Timestamp
    ) -> Vec<SigningKeyRecord>;
    keys.rotate_key(next: SigningKeyRecord, retire_others_at: Timestamp, effects: Effects) -> ();
    keys.revoke_key(
        key: KeyId,
        successor: SigningKeyRecord,
        when: RevocationTime,
        effects: Effects
    ) -> RevokeKeyOutcome;
    keys.forget_retired_keys(before: Timestamp) -> u64;
});

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
