//! Users, sessions and keys to store, each unlike every other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use maestro_auth_domain::{
    BlacklistEntry, DisplayName, Email, NewSession, NewUser, PasswordHash, RefreshPolicy, RevocationTime,
    Revoked, RoleName, Roles, Session, SessionId, TenantId, Timestamp, TokenId, User, UserId,
};

use crate::{Algorithm, CreateOutcome, Principal, PublicKey, RegisterOutcome, SigningKeyRecord, Stores};

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

/// A signing key without an end that is active from `seconds` after the start.
#[must_use]
pub fn signing_key(algorithm: Algorithm, seconds: i64) -> SigningKeyRecord {
    let kid = format!("kid-_{}", next_number());
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

/// Registers `user` at the start of time, and demands that it works.
pub async fn register(stores: &Stores, user: NewUser) -> (User, Session) {
    match stores.users.register(user, session(0)).await.unwrap() {
        RegisterOutcome::Registered(user, session) => (user, session),
        RegisterOutcome::EmailTaken => panic!("an address that nobody has is taken"),
    }
}

/// Creates `user`, and demands that it works.
pub async fn create(stores: &Stores, user: NewUser) -> User {
    match stores.users.create(user).await.unwrap() {
        CreateOutcome::Created(user) => user,
        CreateOutcome::EmailTaken => panic!("an address that nobody has is taken"),
    }
}

/// The session and its user as they are now, and demands that they are stored.
pub async fn principal(stores: &Stores, session: SessionId) -> Principal {
    stores.sessions.find_principal(session, token()).await.unwrap().expect("an acknowledged session is gone")
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
