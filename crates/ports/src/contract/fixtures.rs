//! Users, sessions, keys and whatever else a case stores, each unlike every other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use maestro_auth_domain::{
    Action, Actor, AuditEntry, AuditId, BlacklistEntry, CatalogueRevision, ClientId, Description,
    DisplayName, Email, KeyId, NewSession, NewUser, Origin, Outcome, PasswordHash, PermissionName,
    Permissions, RefreshCounter, RefreshPolicy, RevocationTime, Revoked, RoleDefinition, RoleName, Roles,
    SecretHash, Service, Session, SessionId, Subject, TenantId, Timestamp, TokenId, User, UserChange, UserId,
};

use crate::{
    Algorithm, CreateOutcome, DeleteOutcome, Effects, Principal, PublicKey, RegisterOutcome, RotateOutcome,
    SigningKeyRecord, Stores, UpdateOutcome,
};

/// How refresh tokens live in the cases: 10 s of grace, a week of idleness.
pub const POLICY: RefreshPolicy =
    RefreshPolicy { reuse_grace: Duration::from_secs(10), idle_ttl: Duration::from_hours(7 * 24) };

/// How long sessions live at most, in seconds: 30 days.
pub const SESSION_SECONDS: i64 = 30 * 24 * 3_600;

/// `seconds` after the start of the cases' time, which is 2026-01-01 and some microseconds.
#[must_use]
pub const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros((1_767_225_600 + seconds) * 1_000_000 + 123_457)
}

/// What is revoked `seconds` after the start is blacklisted for a quarter of an hour and 30 s.
#[must_use]
pub fn when(seconds: i64) -> RevocationTime {
    revoked_at(at(seconds))
}

/// The same at any time.
#[must_use]
pub fn revoked_at(at: Timestamp) -> RevocationTime {
    RevocationTime { at, until: at + Duration::from_secs(930) }
}

/// A viewer of the default tenant with an address of its own.
#[must_use]
pub fn user() -> NewUser {
    let number = next_number();
    NewUser {
        id: UserId::generate(at(0), bytes(number)),
        tenant: TenantId::DEFAULT,
        email: email(&format!("user-{number}@example.com")),
        name: DisplayName::parse(&format!("Ünser O'User {number} 🦀")).unwrap(),
        roles: Roles::single(RoleName::viewer()),
        password_hash: argon2_hash(),
        created_at: at(0),
    }
}

/// A holder of the role `admin`, which need not be the primary one.
#[must_use]
pub fn admin() -> NewUser {
    NewUser { roles: Roles::from_names([RoleName::viewer(), RoleName::admin()]).unwrap(), ..user() }
}

/// A viewer who has the role of that name as well.
#[must_use]
pub fn with_role(name: &str) -> NewUser {
    NewUser { roles: Roles::from_names([RoleName::viewer(), role_name(name)]).unwrap(), ..user() }
}

/// A session to be opened `seconds` after the start.
#[must_use]
pub fn session(seconds: i64) -> NewSession {
    NewSession {
        id: SessionId::generate(at(seconds), bytes(next_number())),
        created_at: at(seconds),
        expires_at: at(seconds + SESSION_SECONDS),
    }
}

/// The id of an access token.
#[must_use]
pub fn token() -> TokenId {
    TokenId::generate(at(0), bytes(next_number()))
}

/// An entry of the default tenant that can be forgotten `seconds` after the start.
#[must_use]
pub const fn entry(revoked: Revoked, seconds: i64) -> BlacklistEntry {
    BlacklistEntry { tenant: TenantId::DEFAULT, revoked, until: at(seconds) }
}

/// A tenant that nobody else has.
#[must_use]
pub fn tenant() -> TenantId {
    TenantId::generate(at(0), bytes(next_number()))
}

/// A valid address.
#[must_use]
pub fn email(address: &str) -> Email {
    Email::parse(address).unwrap()
}

/// A well-formed Argon2id hash of no password, unlike every other.
#[must_use]
pub fn argon2_hash() -> PasswordHash {
    PasswordHash::new(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA${:043}", next_number()))
}

/// A bcrypt hash of no password; beyond [`PasswordHash::MAX_BCRYPT_COST`] one that must never be computed.
#[must_use]
pub fn bcrypt_hash(cost: u32) -> PasswordHash {
    PasswordHash::new(format!("$2b${cost:02}${:053}", next_number()))
}

/// A key id that no stored key has.
#[must_use]
pub fn key_id() -> KeyId {
    KeyId::parse(&format!("kid-_{:038}", next_number())).unwrap()
}

/// A signing key without an end that is active from `seconds` after the start.
#[must_use]
pub fn signing_key(algorithm: Algorithm, seconds: i64) -> SigningKeyRecord {
    let kid = key_id();
    let jwk = format!(r#"{{"kid":"{kid}","alg":"{algorithm}","use":"sig","x":"ü'\"\\"}}"#);
    SigningKeyRecord {
        public: PublicKey {
            kid,
            algorithm,
            jwk,
            created_at: at(seconds - 1),
            active_from: at(seconds),
            retires_at: None,
        },
        sealed_private_key: (0..=255).cycle().take(2_000).collect(),
    }
}

/// An entry of the default tenant that tells of a login `seconds` after the start.
#[must_use]
pub fn audit_entry(seconds: i64) -> AuditEntry {
    let number = next_number();
    let user = UserId::generate(at(seconds), bytes(number));
    AuditEntry {
        id: AuditId::generate(at(seconds), bytes(number)),
        tenant: TenantId::DEFAULT,
        at: at(seconds),
        action: Action::LoginSucceeded,
        outcome: Outcome::Success,
        actor: Actor::User(user),
        subject: Some(Subject::User(user)),
        origin: Origin::new(
            Some([192, 0, 2, 1].into()),
            Some("Bröwser/1.0 🦀"),
            Some(&format!("request-{number}")),
        ),
        details: vec![("number".to_owned(), number.to_string())],
    }
}

/// What any step leaves: an entry that no other step has, at a time that no other has.
#[must_use]
pub fn effects() -> Effects {
    Effects::audit(audit_entry(i64::try_from(next_number()).unwrap()))
}

/// The role of that name.
#[must_use]
pub fn role_name(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

/// The permission of that name.
#[must_use]
pub fn permission_name(name: &str) -> PermissionName {
    PermissionName::parse(name).unwrap()
}

/// A role of that name with these permissions, which inherits from nobody.
#[must_use]
pub fn role(name: &str, permissions: &[&str]) -> RoleDefinition {
    RoleDefinition {
        name: role_name(name),
        description: Description::parse("Für \"alles\" 🦀, it's said.").unwrap(),
        permissions: permissions.iter().map(|name| permission_name(name)).collect(),
        inherits: Vec::new(),
    }
}

/// A service of the default tenant with a name of its own.
#[must_use]
pub fn service() -> Service {
    let number = next_number();
    Service {
        id: ClientId::generate(at(0), bytes(number)),
        tenant: TenantId::DEFAULT,
        name: DisplayName::parse(&format!("Dïenst O'Service {number} 🦀")).unwrap(),
        permissions: Permissions::from_iter([permission_name("user:view")]),
        created_at: at(0),
    }
}

/// The hash of no secret, unlike every other.
#[must_use]
pub fn secret_hash() -> SecretHash {
    let mut hash = [0xFF; 32];
    hash[..8].copy_from_slice(&next_number().to_be_bytes());
    SecretHash(hash)
}

/// The revision of the catalogue of roles as it is now.
pub async fn revision(stores: &Stores, tenant: TenantId) -> CatalogueRevision {
    stores.roles.catalogue(tenant).await.unwrap().revision
}

/// Registers `user` at the start of time, and demands that it works.
pub async fn register(stores: &Stores, user: NewUser) -> (User, Session) {
    let checked = revision(stores, user.tenant).await;
    match stores.users.register(user, session(0), checked, effects()).await.unwrap() {
        RegisterOutcome::Registered(user, session) => (user, session),
        other => panic!("an address that nobody has, and roles that exist, were refused: {other:?}"),
    }
}

/// Creates `user`, and demands that it works.
pub async fn create(stores: &Stores, user: NewUser) -> User {
    let checked = revision(stores, user.tenant).await;
    match stores.users.create(user, checked, effects()).await.unwrap() {
        CreateOutcome::Created(user) => user,
        other => panic!("an address that nobody has, and roles that exist, were refused: {other:?}"),
    }
}

/// Changes a user of the default tenant, and looks again whenever somebody else was first.
pub async fn update(
    stores: &Stores,
    user: UserId,
    change: UserChange,
    when: RevocationTime,
) -> UpdateOutcome {
    loop {
        let Some(seen) = stores.users.find(TenantId::DEFAULT, user).await.unwrap() else {
            return UpdateOutcome::Unknown;
        };
        let outcome = stores.users.update(&seen, change.clone(), None, when, effects()).await.unwrap();
        if outcome != UpdateOutcome::Overtaken {
            return outcome;
        }
    }
}

/// Activates or deactivates a user of the default tenant, whatever else becomes of it.
pub async fn set_active(
    stores: &Stores,
    user: UserId,
    is_active: bool,
    when: RevocationTime,
) -> UpdateOutcome {
    update(stores, user, UserChange { is_active: Some(is_active), ..UserChange::default() }, when).await
}

/// Gives roles to a user of the default tenant, whatever else becomes of it and of the catalogue.
pub async fn set_roles(stores: &Stores, user: UserId, roles: Roles, when: RevocationTime) -> UpdateOutcome {
    update(stores, user, UserChange { roles: Some(roles), ..UserChange::default() }, when).await
}

/// Deletes a user of the default tenant, whatever else becomes of it.
pub async fn delete(stores: &Stores, user: UserId, when: RevocationTime) -> DeleteOutcome {
    loop {
        let Some(seen) = stores.users.find(TenantId::DEFAULT, user).await.unwrap() else {
            return DeleteOutcome::Unknown;
        };
        let outcome = stores.users.delete(&seen, when, effects()).await.unwrap();
        if outcome != DeleteOutcome::Overtaken {
            return outcome;
        }
    }
}

/// The stored key that signs by now. Without it, no refresh token is worth anything.
pub async fn stored_key(stores: &Stores) -> KeyId {
    let keys =
        stores.keys.ensure_key(signing_key(Algorithm::Es256, 0), at(SESSION_SECONDS), at(0)).await.unwrap();
    keys.iter()
        .find(|key| key.public.retires_at.is_none())
        .expect("there is no key without an end")
        .public
        .kid
}

/// Presents a refresh token that `key` signed.
pub async fn rotate(
    stores: &Stores,
    key: KeyId,
    session: SessionId,
    presented: RefreshCounter,
    now: Timestamp,
) -> RotateOutcome {
    stores.sessions.rotate(session, presented, key, POLICY, revoked_at(now), effects()).await.unwrap()
}

/// The session and its user as they are now, or nothing.
pub async fn find_principal(stores: &Stores, session: SessionId) -> Option<Principal> {
    stores.sessions.find_principal(session, token(), key_id()).await.unwrap()
}

/// The session and its user as they are now, and demands that they are stored.
pub async fn principal(stores: &Stores, session: SessionId) -> Principal {
    find_principal(stores, session).await.expect("an acknowledged session is gone")
}

/// The next number of this process: what makes one fixture unlike every other.
fn next_number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

fn bytes(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}
