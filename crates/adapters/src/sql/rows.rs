use maestro_auth_domain::{
    BlacklistEntry, DisplayName, Email, Generation, PasswordHash, PasswordVersion, RefreshCounter, Revoked,
    RoleName, Roles, Session, SessionId, TenantId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::{
    Algorithm, Credentials, Principal, PublicKey, SigningKeyRecord, StoreError, StoreResult,
};
use sqlx::{ColumnIndex, Decode, Row, Type};
use uuid::Uuid;

use super::blacklist::kind;

/// The columns that [`user`] reads, from the table `users`.
macro_rules! user_columns {
    () => {
        "users.id AS user_id, users.tenant_id, users.email, users.email_canonical, users.name, users.roles, \
         users.is_active, users.email_verified, users.created_at AS user_created_at, users.last_login_at, \
         users.generation, users.session_floor"
    };
}

/// The columns that [`principal`] reads, from the tables `sessions` and `users`.
macro_rules! principal_columns {
    () => {
        concat!(
            $crate::sql::user_columns!(),
            ", sessions.id AS session_id, sessions.opened_generation, sessions.counter, \
             sessions.created_at AS session_created_at, sessions.rotated_at, sessions.expires_at, \
             sessions.revoked_at"
        )
    };
}

pub(crate) use {principal_columns, user_columns};

/// A row of which columns are taken by name.
pub trait Columns:
    Column<Uuid> + Column<String> + Column<i64> + Column<Option<i64>> + Column<bool> + Column<Vec<u8>>
{
}

impl<R> Columns for R where
    R: Column<Uuid> + Column<String> + Column<i64> + Column<Option<i64>> + Column<bool> + Column<Vec<u8>>
{
}

/// A row with columns of the type `T`.
pub trait Column<T> {
    /// The value of one column. A value of another type is a corrupt one.
    fn get(&self, table: &'static str, column: &'static str) -> StoreResult<T>;
}

impl<R, T> Column<T> for R
where
    R: Row,
    T: for<'r> Decode<'r, R::Database> + Type<R::Database>,
    for<'a> &'a str: ColumnIndex<R>,
{
    fn get(&self, table: &'static str, column: &'static str) -> StoreResult<T> {
        self.try_get(column).map_err(|_| StoreError::Corrupt { table, column })
    }
}

const USERS: &str = "users";
const SESSIONS: &str = "sessions";
const REVOCATIONS: &str = "revocations";
const SIGNING_KEYS: &str = "signing_keys";

pub(crate) fn user(row: &impl Columns) -> StoreResult<User> {
    Ok(User {
        id: user_id(row)?,
        tenant: TenantId::from_uuid(row.get(USERS, "tenant_id")?),
        email: Email::from_stored(row.get(USERS, "email")?, row.get(USERS, "email_canonical")?),
        name: DisplayName::from_stored(row.get(USERS, "name")?),
        roles: roles(row)?,
        is_active: row.get(USERS, "is_active")?,
        email_verified: row.get(USERS, "email_verified")?,
        created_at: Timestamp::from_unix_micros(row.get(USERS, "user_created_at")?),
        last_login_at: maybe_time(row.get(USERS, "last_login_at")?),
        generation: Generation::from_number(row.get(USERS, "generation")?),
        session_floor: Generation::from_number(row.get(USERS, "session_floor")?),
    })
}

pub(crate) fn user_id(row: &impl Columns) -> StoreResult<UserId> {
    Ok(UserId::from_uuid(row.get(USERS, "user_id")?))
}

pub(crate) fn credentials(row: &impl Columns) -> StoreResult<Credentials> {
    Ok(Credentials {
        user: user(row)?,
        password_hash: PasswordHash::new(row.get(USERS, "password_hash")?),
        password_version: PasswordVersion::from_number(row.get(USERS, "password_version")?),
    })
}

pub(crate) fn principal(row: &impl Columns) -> StoreResult<Principal> {
    let user = user(row)?;
    let session = Session {
        id: SessionId::from_uuid(row.get(SESSIONS, "session_id")?),
        user: user.id,
        opened_generation: Generation::from_number(row.get(SESSIONS, "opened_generation")?),
        counter: RefreshCounter::from_number(row.get(SESSIONS, "counter")?),
        created_at: Timestamp::from_unix_micros(row.get(SESSIONS, "session_created_at")?),
        rotated_at: Timestamp::from_unix_micros(row.get(SESSIONS, "rotated_at")?),
        expires_at: Timestamp::from_unix_micros(row.get(SESSIONS, "expires_at")?),
        revoked_at: maybe_time(row.get(SESSIONS, "revoked_at")?),
    };
    Ok(Principal { user, session })
}

pub(crate) fn blacklist_entry(row: &impl Columns) -> StoreResult<BlacklistEntry> {
    let subject: Uuid = row.get(REVOCATIONS, "subject")?;
    let kind: i64 = row.get(REVOCATIONS, "kind")?;
    Ok(BlacklistEntry {
        tenant: TenantId::from_uuid(row.get(REVOCATIONS, "tenant_id")?),
        revoked: match kind {
            kind::TOKEN => Revoked::Token(TokenId::from_uuid(subject)),
            kind::SESSION => Revoked::Session(SessionId::from_uuid(subject)),
            kind::USER => {
                Revoked::User { user: UserId::from_uuid(subject), min_generation: min_generation(row)? }
            }
            _ => return Err(StoreError::Corrupt { table: REVOCATIONS, column: "kind" }),
        },
        until: Timestamp::from_unix_micros(row.get(REVOCATIONS, "until")?),
    })
}

/// The lowest generation that an entry leaves to a user.
pub(crate) fn min_generation(row: &impl Columns) -> StoreResult<Generation> {
    Ok(Generation::from_number(row.get(REVOCATIONS, "min_generation")?))
}

pub(crate) fn signing_key(row: &impl Columns) -> StoreResult<SigningKeyRecord> {
    let algorithm: String = row.get(SIGNING_KEYS, "algorithm")?;
    Ok(SigningKeyRecord {
        public: PublicKey {
            kid: row.get(SIGNING_KEYS, "kid")?,
            algorithm: Algorithm::from_name(&algorithm)
                .ok_or(StoreError::Corrupt { table: SIGNING_KEYS, column: "algorithm" })?,
            jwk: row.get(SIGNING_KEYS, "jwk")?,
            created_at: Timestamp::from_unix_micros(row.get(SIGNING_KEYS, "created_at")?),
            active_from: Timestamp::from_unix_micros(row.get(SIGNING_KEYS, "active_from")?),
            retires_at: maybe_time(row.get(SIGNING_KEYS, "retires_at")?),
        },
        sealed_private_key: row.get(SIGNING_KEYS, "sealed_private_key")?,
    })
}

/// What the clock of the database shows.
pub(crate) fn time(row: &impl Columns) -> StoreResult<Timestamp> {
    Ok(Timestamp::from_unix_micros(row.get("the clock", "now")?))
}

/// The cost in a stored bcrypt hash: two digits.
pub(crate) fn bcrypt_cost(row: &impl Columns) -> StoreResult<u32> {
    let cost: String = row.get(USERS, "cost")?;
    cost.parse().map_err(|_| StoreError::Corrupt { table: USERS, column: "password_hash" })
}

fn roles(row: &impl Columns) -> StoreResult<Roles> {
    let names: String = row.get(USERS, "roles")?;
    let names: Result<Vec<_>, _> = names.split(' ').map(RoleName::parse).collect();
    names.ok().and_then(Roles::from_names).ok_or(StoreError::Corrupt { table: USERS, column: "roles" })
}

fn maybe_time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_unix_micros)
}
