use maestro_auth_domain::{
    Action, Actor, AuditEntry, AuditId, AuditLink, BlacklistEntry, CatalogueRevision, ClientId, Description,
    DisplayName, Email, Generation, KeyId, Origin, Outcome, PasswordHash, PasswordVersion, PermissionName,
    Permissions, RefreshCounter, Revoked, RoleDefinition, RoleName, Roles, SecretHash, Service, Session,
    SessionId, Subject, TenantId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::{
    Algorithm, Credentials, Principal, PublicKey, SigningKeyRecord, StoreError, StoreResult, StoredEntry,
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

/// The columns that [`audit_entry`] reads, from the table `audit_entries`.
macro_rules! audit_columns {
    () => {
        "audit_entries.id AS audit_id, audit_entries.tenant_id, audit_entries.at, audit_entries.action, \
         audit_entries.outcome, audit_entries.actor, audit_entries.subject, audit_entries.address, \
         audit_entries.user_agent, audit_entries.request_id, audit_entries.details"
    };
}

pub(crate) use {audit_columns, principal_columns, user_columns};

/// A row of which columns are taken by name.
pub trait Columns:
    Column<Uuid>
    + Column<String>
    + Column<Option<String>>
    + Column<Option<Uuid>>
    + Column<i64>
    + Column<Option<i64>>
    + Column<bool>
    + Column<Vec<u8>>
{
}

impl<R> Columns for R where
    R: Column<Uuid>
        + Column<String>
        + Column<Option<String>>
        + Column<Option<Uuid>>
        + Column<i64>
        + Column<Option<i64>>
        + Column<bool>
        + Column<Vec<u8>>
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
const TENANTS: &str = "tenants";
const ROLES: &str = "roles";
const PERMISSIONS: &str = "permissions";
const SERVICES: &str = "services";
const AUDIT_ENTRIES: &str = "audit_entries";
const AUDIT_LINKS: &str = "audit_links";

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
            kind::KEY => {
                let key: String = row.get(REVOCATIONS, "key_id")?;
                Revoked::Key(key_id(&key, REVOCATIONS, "key_id")?)
            }
            kind::ROLE_DEFINITIONS => Revoked::RoleDefinitions,
            _ => return Err(StoreError::Corrupt { table: REVOCATIONS, column: "kind" }),
        },
        until: Timestamp::from_unix_micros(row.get(REVOCATIONS, "until")?),
    })
}

/// The generation of a user after a step.
pub(crate) fn generation(row: &impl Columns) -> StoreResult<Generation> {
    Ok(Generation::from_number(row.get(USERS, "generation")?))
}

/// The lowest generation that an entry leaves to a user.
fn min_generation(row: &impl Columns) -> StoreResult<Generation> {
    Ok(Generation::from_number(row.get(REVOCATIONS, "min_generation")?))
}

pub(crate) fn signing_key(row: &impl Columns) -> StoreResult<SigningKeyRecord> {
    let kid: String = row.get(SIGNING_KEYS, "kid")?;
    let algorithm: String = row.get(SIGNING_KEYS, "algorithm")?;
    Ok(SigningKeyRecord {
        public: PublicKey {
            kid: key_id(&kid, SIGNING_KEYS, "kid")?,
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

/// Whether the key that a token was signed with is still there.
pub(crate) fn has_key(row: &impl Columns) -> StoreResult<bool> {
    row.get(SIGNING_KEYS, "has_key")
}

/// Whether a unique name or address belongs to something.
pub(crate) fn is_taken(row: &impl Columns) -> StoreResult<bool> {
    row.get("the answer", "is_taken")
}

pub(crate) fn catalogue_revision(row: &impl Columns) -> StoreResult<CatalogueRevision> {
    Ok(CatalogueRevision::from_number(row.get(TENANTS, "catalogue_revision")?))
}

/// What a row of a stored catalogue holds.
pub(crate) enum CataloguePart {
    Role(RoleDefinition),
    Permission(PermissionName, Description),
}

/// A role, or a permission, which has no `permissions`, or nothing.
pub(crate) fn catalogue_part(row: &impl Columns) -> StoreResult<Option<CataloguePart>> {
    let name: Option<String> = row.get(ROLES, "name")?;
    let Some(name) = name else { return Ok(None) };
    let description: String = row.get(ROLES, "description")?;
    let description = Description::from_stored(description);
    let permissions: Option<String> = row.get(ROLES, "permissions")?;
    let Some(permissions) = permissions else {
        return Ok(Some(CataloguePart::Permission(permission(&name, PERMISSIONS, "name")?, description)));
    };
    let inherits: String = row.get(ROLES, "inherits")?;
    Ok(Some(CataloguePart::Role(RoleDefinition {
        name: role(&name, ROLES, "name")?,
        description,
        permissions: permissions_in(&permissions, ROLES)?,
        inherits: words(&inherits).map(|name| role(name, ROLES, "inherits")).collect::<StoreResult<_>>()?,
    })))
}

pub(crate) fn service(row: &impl Columns) -> StoreResult<Service> {
    let permissions: String = row.get(SERVICES, "permissions")?;
    Ok(Service {
        id: ClientId::from_uuid(row.get(SERVICES, "id")?),
        tenant: TenantId::from_uuid(row.get(SERVICES, "tenant_id")?),
        name: DisplayName::from_stored(row.get(SERVICES, "name")?),
        permissions: permissions_in(&permissions, SERVICES)?,
        created_at: Timestamp::from_unix_micros(row.get(SERVICES, "created_at")?),
    })
}

pub(crate) fn secret_hash(row: &impl Columns) -> StoreResult<SecretHash> {
    Ok(SecretHash(bytes(row, SERVICES, "secret_hash")?))
}

/// An entry, or the id of one that can't be read.
pub(crate) fn stored_entry(row: &impl Columns) -> StoreResult<StoredEntry> {
    let id = audit_id(row)?;
    Ok(audit_entry(row).map_or(StoredEntry::Unreadable(id), StoredEntry::Readable))
}

/// The text is taken as it is stored: what was changed must not look as if it was not.
fn audit_entry(row: &impl Columns) -> StoreResult<AuditEntry> {
    let text = |column| -> StoreResult<String> { row.get(AUDIT_ENTRIES, column) };
    let maybe_text = |column| -> StoreResult<Option<String>> { row.get(AUDIT_ENTRIES, column) };
    let corrupt = |column| StoreError::Corrupt { table: AUDIT_ENTRIES, column };
    let subject = maybe_text("subject")?.map(|text| Subject::from_text(&text).ok_or(corrupt("subject")));
    let address = maybe_text("address")?.map(|text| text.parse().map_err(|_| corrupt("address")));
    Ok(AuditEntry {
        id: audit_id(row)?,
        tenant: TenantId::from_uuid(row.get(AUDIT_ENTRIES, "tenant_id")?),
        at: Timestamp::from_unix_micros(row.get(AUDIT_ENTRIES, "at")?),
        action: Action::from_name(&text("action")?).ok_or(corrupt("action"))?,
        outcome: Outcome::from_name(&text("outcome")?).ok_or(corrupt("outcome"))?,
        actor: Actor::from_text(&text("actor")?).ok_or(corrupt("actor"))?,
        subject: subject.transpose()?,
        origin: Origin::from_stored(
            address.transpose()?,
            maybe_text("user_agent")?,
            maybe_text("request_id")?,
        ),
        details: serde_json::from_str(&text("details")?).map_err(|_| corrupt("details"))?,
    })
}

/// An entry of the queue, unless it hangs on the chain already.
pub(crate) fn waiting_entry(row: &impl Columns) -> StoreResult<Option<StoredEntry>> {
    let position: Option<i64> = row.get(AUDIT_LINKS, "position")?;
    if position.is_some() { Ok(None) } else { stored_entry(row).map(Some) }
}

/// The entry that goes with a link, if it is there.
pub(crate) fn linked_entry(row: &impl Columns) -> StoreResult<Option<StoredEntry>> {
    let id: Option<Uuid> = row.get(AUDIT_ENTRIES, "audit_id")?;
    if id.is_none() {
        return Ok(None);
    }
    Ok(Some(match stored_entry(row)? {
        StoredEntry::Readable(entry) if !is_found_by_its_users(row, &entry) => {
            StoredEntry::Misfiled(entry.id)
        }
        entry => entry,
    }))
}

/// Whether the columns that name users, by which entries are found, repeat what the entry says.
fn is_found_by_its_users(row: &impl Columns, entry: &AuditEntry) -> bool {
    let found_by = |column| -> StoreResult<Option<Uuid>> { row.get(AUDIT_ENTRIES, column) };
    let (actor, subject) = (entry.actor.user(), entry.subject.as_ref().and_then(Subject::user));
    [("actor_user", actor), ("subject_user", subject)]
        .into_iter()
        .all(|(column, user)| found_by(column).is_ok_and(|found| found == user.map(UserId::as_uuid)))
}

pub(crate) fn audit_id(row: &impl Columns) -> StoreResult<AuditId> {
    Ok(AuditId::from_uuid(row.get(AUDIT_ENTRIES, "audit_id")?))
}

pub(crate) fn audit_link(row: &impl Columns) -> StoreResult<AuditLink> {
    Ok(AuditLink {
        position: row.get(AUDIT_LINKS, "position")?,
        entry: AuditId::from_uuid(row.get(AUDIT_LINKS, "entry_id")?),
        mac: bytes(row, AUDIT_LINKS, "mac")?,
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

/// Names that a space separates, or none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|name| !name.is_empty())
}

fn role(name: &str, table: &'static str, column: &'static str) -> StoreResult<RoleName> {
    RoleName::parse(name).map_err(|_| StoreError::Corrupt { table, column })
}

fn permission(name: &str, table: &'static str, column: &'static str) -> StoreResult<PermissionName> {
    PermissionName::parse(name).map_err(|_| StoreError::Corrupt { table, column })
}

fn permissions_in(text: &str, table: &'static str) -> StoreResult<Permissions> {
    words(text).map(|name| permission(name, table, "permissions")).collect()
}

fn key_id(text: &str, table: &'static str, column: &'static str) -> StoreResult<KeyId> {
    KeyId::parse(text).ok_or(StoreError::Corrupt { table, column })
}

fn bytes(row: &impl Columns, table: &'static str, column: &'static str) -> StoreResult<[u8; 32]> {
    let bytes: Vec<u8> = row.get(table, column)?;
    bytes.try_into().map_err(|_| StoreError::Corrupt { table, column })
}

fn maybe_time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_unix_micros)
}
