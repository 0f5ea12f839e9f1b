//! A correct storage, one step of which goes wrong.

use std::sync::Arc;

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{
    AuditEntry, AuditFilter, AuditId, AuditLink, CatalogueRevision, ClientId, Email, Generation, KeyId,
    NewSession, NewUser, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy, RevocationTime,
    SecretHash, Service, SessionId, TenantId, Timestamp, TokenId, User, UserChange, UserFilter, UserId,
};
use maestro_auth_ports::contract::StorageUnderTest;
use maestro_auth_ports::{
    AuditTrail, CatalogueChange, CatalogueOutcome, CreateOutcome, CreateServiceOutcome, Credentials,
    DeleteOutcome, Effects, FirstAdminOutcome, OpenOutcome, Principal, RegisterOutcome, RevokeAllOutcome,
    RoleRepository, RotateOutcome, ServiceRepository, SessionRepository, SetPasswordOutcome, StoreResult,
    StoredCatalogue, StoredEntry, Stores, Unlinked, UpdateOutcome, UserPage, UserRepository,
};

/// A storage in memory with a mistake in front.
pub(super) struct Planted<M> {
    store: Arc<MemoryStore>,
    mistake: M,
}

/// Plants the mistake into an empty storage.
pub(super) fn planted<M: Mistake + Copy>(mistake: M) -> Planted<M> {
    Planted { store: Arc::new(MemoryStore::new()), mistake }
}

#[async_trait]
impl<M: Mistake + Copy> StorageUnderTest for Planted<M> {
    async fn open(&self) -> Stores {
        let right = Stores::of(self.store.clone());
        let wrong = Arc::new(Instance { right: right.clone(), mistake: self.mistake });
        Stores {
            users: wrong.clone(),
            sessions: wrong.clone(),
            roles: wrong.clone(),
            services: wrong.clone(),
            audit: wrong,
            ..right
        }
    }
}

struct Instance<M> {
    right: Stores,
    mistake: M,
}

/// Declares the steps that a mistake can get wrong, and puts them in front of their ports.
macro_rules! steps {
    ($($port:ident: $trait:ident {
        $($method:ident($($argument:ident: $type:ty),*) -> $gives:ty;)*
    })*) => {
        /// A step that goes wrong. Every step that it does not name is the right one.
        #[expect(clippy::too_many_arguments, reason = "those of the port, and the right storage")]
        #[async_trait]
        pub(super) trait Mistake: Send + Sync + 'static {
            $($(async fn $method(&self, right: &Stores, $($argument: $type),*) -> StoreResult<$gives> {
                right.$port.$method($($argument),*).await
            })*)*
        }

        $(#[async_trait]
        impl<M: Mistake> $trait for Instance<M> {
            $(async fn $method(&self, $($argument: $type),*) -> StoreResult<$gives> {
                self.mistake.$method(&self.right, $($argument),*).await
            })*
        })*
    };
}

steps! {
    users: UserRepository {
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
    }
    sessions: SessionRepository {
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
    }
    roles: RoleRepository {
        catalogue(tenant: TenantId) -> StoredCatalogue;
        change_catalogue(
            tenant: TenantId,
            change: CatalogueChange,
            seen: CatalogueRevision,
            when: RevocationTime,
            effects: Effects
        ) -> CatalogueOutcome;
    }
    services: ServiceRepository {
        create_service(
            service: Service,
            secret: SecretHash,
            checked: CatalogueRevision,
            effects: Effects
        ) -> CreateServiceOutcome;
        find_service(id: ClientId) -> Option<(Service, SecretHash)>;
        list_services(tenant: TenantId, after: Option<ClientId>, limit: u32) -> Vec<Service>;
        delete_service(tenant: TenantId, id: ClientId, effects: Effects) -> bool;
    }
    audit: AuditTrail {
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
    }
}
