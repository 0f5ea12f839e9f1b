use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use maestro_auth_domain::{
    BlacklistEntry, Email, NewSession, NewUser, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy,
    RevocationTime, Roles, SessionId, TenantId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, BlacklistWakeups, CreateOutcome, Credentials, FirstAdminOutcome,
    OpenOutcome, Principal, RegisterOutcome, RevokeAllOutcome, RotateOutcome, SessionRepository,
    SetActiveOutcome, SetPasswordOutcome, SetRolesOutcome, SigningKeyRecord, SigningKeyRepository,
    StoreError, StoreHealth, StoreResult, Stores, TokenBlacklist, UserRepository,
};

/// A storage that a test can switch off, to see what its callers make of it.
pub struct FailingStore {
    inner: Stores,
    switch: OffSwitch,
}

/// The switch of a [`FailingStore`]; its clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct OffSwitch(Arc<AtomicBool>);

impl OffSwitch {
    /// From now on every call fails.
    pub fn turn_off(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// From now on calls reach the storage again.
    pub fn turn_on(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl FailingStore {
    /// Puts the switch in front of `inner`. It starts on.
    #[must_use]
    pub fn over(inner: Stores) -> (Stores, OffSwitch) {
        let switch = OffSwitch::default();
        (Stores::of(Arc::new(Self { inner, switch: switch.clone() })), switch)
    }

    /// The storage, while it is on.
    fn inner(&self) -> StoreResult<&Stores> {
        if self.switch.0.load(Ordering::SeqCst) {
            Err(StoreError::unavailable("the storage is switched off"))
        } else {
            Ok(&self.inner)
        }
    }
}

#[async_trait]
impl UserRepository for FailingStore {
    async fn register(&self, user: NewUser, session: NewSession) -> StoreResult<RegisterOutcome> {
        self.inner()?.users.register(user, session).await
    }

    async fn create(&self, user: NewUser) -> StoreResult<CreateOutcome> {
        self.inner()?.users.create(user).await
    }

    async fn create_first_admin(&self, admin: NewUser) -> StoreResult<FirstAdminOutcome> {
        self.inner()?.users.create_first_admin(admin).await
    }

    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>> {
        self.inner()?.users.find_credentials(tenant, email).await
    }

    async fn list(&self, tenant: TenantId, after: Option<UserId>, limit: u32) -> StoreResult<Vec<User>> {
        self.inner()?.users.list(tenant, after, limit).await
    }

    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
    ) -> StoreResult<SetPasswordOutcome> {
        self.inner()?.users.set_password(user, hash, when).await
    }

    async fn set_active(
        &self,
        user: UserId,
        active: bool,
        when: RevocationTime,
    ) -> StoreResult<SetActiveOutcome> {
        self.inner()?.users.set_active(user, active, when).await
    }

    async fn set_roles(
        &self,
        user: UserId,
        roles: Roles,
        when: RevocationTime,
    ) -> StoreResult<SetRolesOutcome> {
        self.inner()?.users.set_roles(user, roles, when).await
    }

    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>> {
        self.inner()?.users.highest_bcrypt_cost().await
    }
}

#[async_trait]
impl SessionRepository for FailingStore {
    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
    ) -> StoreResult<OpenOutcome> {
        self.inner()?.sessions.open(user, verified, upgrade, session).await
    }

    async fn find_principal(&self, session: SessionId, token: TokenId) -> StoreResult<Option<Principal>> {
        self.inner()?.sessions.find_principal(session, token).await
    }

    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        when: RevocationTime,
    ) -> StoreResult<RotateOutcome> {
        self.inner()?.sessions.rotate(session, presented, policy, when).await
    }

    async fn revoke(&self, session: SessionId, when: RevocationTime) -> StoreResult<()> {
        self.inner()?.sessions.revoke(session, when).await
    }

    async fn revoke_all(&self, by: SessionId, when: RevocationTime) -> StoreResult<RevokeAllOutcome> {
        self.inner()?.sessions.revoke_all(by, when).await
    }

    async fn forget_expired(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.inner()?.sessions.forget_expired(before, limit).await
    }
}

#[async_trait]
impl TokenBlacklist for FailingStore {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        self.inner()?.blacklist.add(entries).await
    }

    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        self.inner()?.blacklist.read(after, limit).await
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.inner()?.blacklist.forget_expired_entries(before, limit).await
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        self.inner()?.blacklist.subscribe().await
    }
}

#[async_trait]
impl SigningKeyRepository for FailingStore {
    async fn list_keys(&self, now: Timestamp) -> StoreResult<Vec<SigningKeyRecord>> {
        self.inner()?.keys.list_keys(now).await
    }

    async fn ensure_key(
        &self,
        candidate: SigningKeyRecord,
        retire_others_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Vec<SigningKeyRecord>> {
        self.inner()?.keys.ensure_key(candidate, retire_others_at, now).await
    }

    async fn rotate_key(&self, next: SigningKeyRecord, retire_others_at: Timestamp) -> StoreResult<()> {
        self.inner()?.keys.rotate_key(next, retire_others_at).await
    }

    async fn forget_retired_keys(&self, before: Timestamp) -> StoreResult<u64> {
        self.inner()?.keys.forget_retired_keys(before).await
    }
}

#[async_trait]
impl StoreHealth for FailingStore {
    async fn ping(&self) -> StoreResult<()> {
        self.inner()?.health.ping().await
    }

    async fn time(&self) -> StoreResult<Option<Timestamp>> {
        self.inner()?.health.time().await
    }
}
