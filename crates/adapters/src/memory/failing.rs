use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use maestro_auth_domain::{
    AuditEntry, AuditFilter, AuditId, AuditLink, BlacklistEntry, CatalogueRevision, ClientId, Email,
    Generation, KeyId, NewSession, NewUser, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy,
    RevocationTime, SecretHash, Service, SessionId, TenantId, Timestamp, TokenId, User, UserChange,
    UserFilter, UserId,
};
use maestro_auth_ports::{
    AuditTrail, BlacklistCursor, BlacklistPage, BlacklistWakeups, CatalogueChange, CatalogueOutcome,
    CreateOutcome, CreateServiceOutcome, Credentials, DeleteOutcome, Effects, FirstAdminOutcome, OpenOutcome,
    Principal, RegisterOutcome, RevokeAllOutcome, RevokeKeyOutcome, RoleRepository, RotateOutcome,
    ServiceRepository, SessionRepository, SetPasswordOutcome, SigningKeyRecord, SigningKeyRepository,
    StoreError, StoreHealth, StoreResult, StoredCatalogue, StoredEntry, Stores, TokenBlacklist, Unlinked,
    UpdateOutcome, UserPage, UserRepository,
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

/// Forwards every call of a port, while the storage is on.
macro_rules! forward {
    ($port:ident: $trait:ident {
        $($method:ident($($argument:ident: $type:ty),*) -> $gives:ty;)*
    }) => {
        #[async_trait]
        impl $trait for FailingStore {
            $(async fn $method(&self, $($argument: $type),*) -> StoreResult<$gives> {
                self.inner()?.$port.$method($($argument),*).await
            })*
        }
    };
}

forward!(users: UserRepository {
    register(
        user: NewUser,
        session: NewSession,
        checked: CatalogueRevision,
        effects: Effects
    ) -> RegisterOutcome;
    create(user: NewUser, checked: CatalogueRevision, effects: Effects) -> CreateOutcome;
    create_first_admin(admin: NewUser, effects: Effects) -> FirstAdminOutcome;
    find(tenant: TenantId, user: UserId) -> Option<User>;
    find_credentials(tenant: TenantId, email: &Email) -> Option<Credentials>;
    list(tenant: TenantId, filter: &UserFilter, after: Option<UserId>, limit: u32) -> UserPage;
    update(
        seen: &User,
        change: UserChange,
        checked: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects
    ) -> UpdateOutcome;
    delete(seen: &User, when: RevocationTime, effects: Effects) -> DeleteOutcome;
    set_password(
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
        effects: Effects
    ) -> SetPasswordOutcome;
    highest_bcrypt_cost() -> Option<u32>;
});

forward!(sessions: SessionRepository {
    open(
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
        effects: Effects
    ) -> OpenOutcome;
    find_principal(session: SessionId, token: TokenId, key: KeyId) -> Option<Principal>;
    rotate(
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects
    ) -> RotateOutcome;
    revoke(session: SessionId, when: RevocationTime, effects: Effects) -> ();
    revoke_all(by: SessionId, when: RevocationTime, effects: Effects) -> RevokeAllOutcome;
    revoke_all_of(
        tenant: TenantId,
        user: UserId,
        when: RevocationTime,
        effects: Effects
    ) -> Option<Generation>;
    revoke_token(tenant: TenantId, token: TokenId, when: RevocationTime, effects: Effects) -> ();
    forget_expired(before: Timestamp, limit: u32) -> u64;
});

forward!(blacklist: TokenBlacklist {
    add(entries: &[BlacklistEntry]) -> ();
    read(after: Option<&BlacklistCursor>, limit: u32) -> BlacklistPage;
    forget_expired_entries(before: Timestamp, limit: u32) -> u64;
    subscribe() -> Box<dyn BlacklistWakeups>;
});

forward!(keys: SigningKeyRepository {
    list_keys(now: Timestamp) -> Vec<SigningKeyRecord>;
    ensure_key(
        candidate: SigningKeyRecord,
        retire_others_at: Timestamp,
        now: Timestamp
    ) -> Vec<SigningKeyRecord>;
    rotate_key(next: SigningKeyRecord, retire_others_at: Timestamp, effects: Effects) -> ();
    revoke_key(
        key: KeyId,
        successor: SigningKeyRecord,
        when: RevocationTime,
        effects: Effects
    ) -> RevokeKeyOutcome;
    forget_retired_keys(before: Timestamp) -> u64;
});

forward!(roles: RoleRepository {
    catalogue(tenant: TenantId) -> StoredCatalogue;
    change_catalogue(
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects
    ) -> CatalogueOutcome;
});

forward!(services: ServiceRepository {
    create_service(
        service: Service,
        secret: SecretHash,
        checked: CatalogueRevision,
        effects: Effects
    ) -> CreateServiceOutcome;
    find_service(id: ClientId) -> Option<(Service, SecretHash)>;
    list_services(tenant: TenantId, after: Option<ClientId>, limit: u32) -> Vec<Service>;
    delete_service(tenant: TenantId, id: ClientId, effects: Effects) -> bool;
});

forward!(audit: AuditTrail {
    append(entries: &[AuditEntry]) -> ();
    find_entries(
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32
    ) -> Vec<AuditEntry>;
    unlinked(after: Option<AuditId>, limit: u32) -> Unlinked;
    link(after: i64, links: &[AuditLink]) -> bool;
    read_chain(after: i64, limit: u32) -> Vec<(AuditLink, Option<StoredEntry>)>;
    find_strays(after: Option<AuditId>, limit: u32) -> Vec<AuditId>;
});

forward!(health: StoreHealth {
    ping() -> ();
    time() -> Option<Timestamp>;
});
