use async_trait::async_trait;
use maestro_auth_domain::{
    CatalogueRevision, Email, NewSession, NewUser, PasswordHash, PasswordVersion, RevocationTime, Session,
    TenantId, User, UserChange, UserFilter, UserId,
};
use maestro_auth_ports::{
    CreateOutcome, Credentials, DeleteOutcome, Effects, FirstAdminOutcome, RegisterOutcome,
    SetPasswordOutcome, StoreResult, UpdateOutcome, UserPage, UserRepository,
};
use uuid::Uuid;

use super::audit::audit_values;
use super::dialect::Dialect;
use super::rows::{self, user_columns};
use super::statement::{Statement, Values};
use super::store::{Refusal, SqlStore, all, first, last};

/// Stores the user `$14` to `$27` while `$condition` holds, unless the address is taken.
macro_rules! insert_user {
    ($condition:expr) => {
        concat!(
            "INSERT INTO users (id, tenant_id, email, email_canonical, name, roles, is_active, email_verified, \
             created_at, last_login_at, generation, session_floor, password_hash, password_version) \
             SELECT $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27 WHERE ",
            $condition,
            " ON CONFLICT (tenant_id, email_canonical) DO NOTHING RETURNING id, tenant_id"
        )
    };
}

/// Whether the roles of a user contain `admin`, in the words of the index `users_admins`.
macro_rules! is_admin {
    ($user:literal) => {
        concat!("(' ' || ", $user, ".roles || ' ') LIKE '% admin %'")
    };
}

/// Whether the tenant of a user keeps an active admin without that user.
macro_rules! has_other_admin {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM users AS other WHERE other.tenant_id = users.tenant_id \
             AND other.id <> users.id AND other.is_active AND ",
            $crate::sql::is_admin!("other"),
            ")"
        )
    };
}

/// Whether the tenant `$15` has no admin, active or not.
macro_rules! has_no_admin {
    () => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM users AS other WHERE other.tenant_id = $15 AND ",
            $crate::sql::is_admin!("other"),
            ")"
        )
    };
}

/// Gives the user `$14` the hash `$16`, and ends its sessions.
macro_rules! replace_password {
    () => {
        "UPDATE users SET password_hash = $16, password_version = password_version + 1, \
         generation = generation + 1, session_floor = generation + 1 WHERE id = $14"
    };
}

/// Whether this is the user `$14`, as [`User::is_as`] the one in `$16` to `$23`; and, if `$24` says that the tenant loses an
/// active admin with it, not the last one.
macro_rules! is_as_seen {
    () => {
        concat!(
            "users.id = $14 AND users.tenant_id = $16 AND users.email = $17 AND users.name = $18 \
             AND users.roles = $19 AND users.is_active = $20 AND users.email_verified = $21 \
             AND users.generation = $22 AND users.session_floor = $23 AND (NOT $24 OR ",
            $crate::sql::has_other_admin!(),
            ")"
        )
    };
}

/// Makes the user that was seen what `$25` to `$29` say, while the catalogue is at the revision `$30`, if that is given.
macro_rules! update_user {
    () => {
        concat!(
            "UPDATE users SET name = $25, roles = $26, is_active = $27, generation = $28, session_floor = $29 WHERE ",
            $crate::sql::is_as_seen!(),
            " AND ($30 IS NULL OR ",
            $crate::sql::catalogue_is_at!("$16", "$30", ""),
            ")"
        )
    };
}

/// Whether [`update_user`] outdates tokens.
macro_rules! outdates_tokens {
    () => {
        "$28 > $22"
    };
}

/// Deletes the user that was seen, with its sessions.
macro_rules! delete_user {
    () => {
        concat!("DELETE FROM users WHERE ", $crate::sql::is_as_seen!())
    };
}

/// Blacklists every token of the deleted user until `$15`.
macro_rules! blacklist_deleted_user {
    ($source:literal) => {
        concat!(
            "INSERT INTO revocations (tenant_id, kind, subject, min_generation, until) \
             SELECT $16, 3, $14, $22 + 1, $15 ",
            $source
        )
    };
}
pub(crate) use {
    blacklist_deleted_user, delete_user, has_no_admin, has_other_admin, insert_user, is_admin, is_as_seen,
    outdates_tokens, replace_password, update_user,
};

const FIND_ADMIN: &str =
    concat!("SELECT id AS user_id FROM users WHERE tenant_id = $1 AND ", is_admin!("users"), " LIMIT 1");
const FIND_CREDENTIALS: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", users.password_hash, users.password_version FROM users WHERE tenant_id = $1 AND email_canonical = $2"
);
const FIND: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1 AND tenant_id = $2");
/// With the revision of the catalogue as of the same moment.
const FIND_AND_REVISION: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", tenants.catalogue_revision FROM users JOIN tenants ON tenants.id = users.tenant_id \
     WHERE users.id = $1 AND users.tenant_id = $2"
);
const WHY_REFUSED: &str = "SELECT \
     EXISTS (SELECT 1 FROM users WHERE tenant_id = $1 AND email_canonical = $2) AS is_taken, \
     (SELECT catalogue_revision FROM tenants WHERE id = $1) AS catalogue_revision";
const LIST: &str =
    concat!("SELECT ", user_columns!(), " FROM users WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3");
/// In the words of the index `users_bcrypt_cost`.
const HIGHEST_BCRYPT_COST: &str = "SELECT substr(password_hash, 5, 2) AS cost FROM users \
     WHERE substr(password_hash, 1, 4) IN ('$2a$', '$2b$', '$2y$') AND substr(password_hash, 5, 2) \
     IN ('04', '05', '06', '07', '08', '09', '10', '11', '12', '13', '14', '15') AND length(password_hash) = 60 \
     ORDER BY substr(password_hash, 5, 2) DESC LIMIT 1";

#[async_trait]
impl<D: Dialect> UserRepository for SqlStore<D> {
    async fn register(
        &self,
        new: NewUser,
        session: NewSession,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<RegisterOutcome> {
        let hash = new.password_hash.clone();
        let user = User { last_login_at: Some(session.created_at), ..new.into_user() };
        let session = session.open_for(&user);
        let values = with_session(user_values(&effects, &user, &hash).bind(checked), &session);
        let refusal = self
            .store_unless_refused(values.for_each(D::REGISTER).collect(), why_refused(&user), checked)
            .await?;
        Ok(match refusal {
            None => RegisterOutcome::Registered(user, session),
            Some(Refusal::Taken) => RegisterOutcome::EmailTaken,
            Some(Refusal::Overtaken) => RegisterOutcome::Overtaken,
        })
    }

    async fn create(
        &self,
        new: NewUser,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateOutcome> {
        let hash = new.password_hash.clone();
        let user = new.into_user();
        let values = user_values(&effects, &user, &hash).bind(checked);
        let refusal = self
            .store_unless_refused(values.for_each(D::CREATE).collect(), why_refused(&user), checked)
            .await?;
        Ok(match refusal {
            None => CreateOutcome::Created(user),
            Some(Refusal::Taken) => CreateOutcome::EmailTaken,
            Some(Refusal::Overtaken) => CreateOutcome::Overtaken,
        })
    }

    async fn create_first_admin(&self, admin: NewUser, effects: Effects) -> StoreResult<FirstAdminOutcome> {
        let hash = admin.password_hash.clone();
        let user = admin.into_user();
        let create = user_values(&effects, &user, &hash).for_each(D::CREATE_FIRST_ADMIN);
        let find = Statement::new(FIND_ADMIN).bind(user.tenant);
        let admins = self.write_locked(Self::lock_of(user.tenant), create.chain([find])).await.map(last)?;
        Ok(match first(&admins, rows::user_id)? {
            Some(id) if id == user.id => FirstAdminOutcome::Created(user),
            Some(_) => FirstAdminOutcome::AdminExists,
            None => FirstAdminOutcome::EmailTaken,
        })
    }

    async fn find(&self, tenant: TenantId, user: UserId) -> StoreResult<Option<User>> {
        first(&self.read(Statement::new(FIND).bind(user).bind(tenant)).await?, rows::user)
    }

    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>> {
        let find = Statement::new(FIND_CREDENTIALS).bind(tenant).bind(email.canonical());
        first(&self.read(find).await?, rows::credentials)
    }

    /// Texts are searched here, not in the database, whose own rules for upper and lower case differ from the domain's.
    async fn list(
        &self,
        tenant: TenantId,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> StoreResult<UserPage> {
        let all_match = *filter == UserFilter::default();
        let looked_at = if all_match { limit.saturating_add(1) } else { UserPage::LOOKED_AT };
        let after = after.unwrap_or(UserId::from_uuid(Uuid::nil()));
        let list = Statement::new(LIST).bind(tenant).bind(after).bind(looked_at.min(UserPage::LOOKED_AT));
        Ok(UserPage::of(all(&self.read(list).await?, rows::user)?, filter, limit))
    }

    async fn update(
        &self,
        seen: &User,
        change: UserChange,
        checked: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<UpdateOutcome> {
        let after = seen.changed(&change);
        let find = Statement::new(FIND_AND_REVISION).bind(seen.id).bind(seen.tenant);
        let is_current = |revision| checked.is_none_or(|checked| revision == Some(checked));
        if after == *seen {
            let found = self.read(find).await?;
            let revision = first(&found, rows::catalogue_revision)?;
            return Ok(match first(&found, rows::user)? {
                None => UpdateOutcome::Unknown,
                Some(user) if user.is_as(seen) && is_current(revision) => UpdateOutcome::Done(user),
                Some(_) => UpdateOutcome::Overtaken,
            });
        }
        let values = seen_values(&effects, seen, seen.stops_administrating(&after), when)
            .bind(after.name.as_str())
            .bind(&after.roles)
            .bind(after.is_active)
            .bind(after.generation)
            .bind(after.session_floor)
            .bind(checked);
        let statements = values.for_each(D::UPDATE_USER).chain([find]);
        let rows = self.write_locked(Self::lock_of(seen.tenant), statements).await?;
        let is_done = !rows[0].is_empty();
        let found = last(rows);
        let revision = first(&found, rows::catalogue_revision)?;
        Ok(match first(&found, rows::user)? {
            None => UpdateOutcome::Unknown,
            Some(user) if is_done => UpdateOutcome::Done(user),
            Some(user) if user.is_as(seen) && is_current(revision) => UpdateOutcome::LastAdmin,
            Some(_) => UpdateOutcome::Overtaken,
        })
    }

    async fn delete(
        &self,
        seen: &User,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<DeleteOutcome> {
        let values = seen_values(&effects, seen, seen.is_active_admin(), when);
        let find = Statement::new(FIND).bind(seen.id).bind(seen.tenant);
        let statements = values.for_each(D::DELETE_USER).chain([find]);
        let rows = self.write_locked(Self::lock_of(seen.tenant), statements).await?;
        if !rows[0].is_empty() {
            return Ok(DeleteOutcome::Deleted(seen.generation));
        }
        Ok(match first(&last(rows), rows::user)? {
            None => DeleteOutcome::Unknown,
            Some(user) if user.is_as(seen) => DeleteOutcome::LastAdmin,
            Some(_) => DeleteOutcome::Overtaken,
        })
    }

    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<SetPasswordOutcome> {
        let values = audit_values(&effects.audit).bind(user).bind(when.until).bind(&hash);
        let changed = self.write_revoking(values.for_each(D::REPLACE_PASSWORD)).await?;
        let generation = first(&changed[0], rows::generation)?;
        Ok(generation.map_or(SetPasswordOutcome::Unknown, SetPasswordOutcome::Changed))
    }

    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>> {
        first(&self.read(Statement::new(HIGHEST_BCRYPT_COST)).await?, rows::bcrypt_cost)
    }
}

/// Asks why a user was not stored.
fn why_refused(user: &User) -> Statement {
    Statement::new(WHY_REFUSED).bind(user.tenant).bind(user.email.canonical())
}

/// The parameters of [`insert_user`].
fn user_values(effects: &Effects, user: &User, hash: &PasswordHash) -> Values {
    audit_values(&effects.audit)
        .bind(user.id)
        .bind(user.tenant)
        .bind(user.email.as_str())
        .bind(user.email.canonical())
        .bind(user.name.as_str())
        .bind(&user.roles)
        .bind(user.is_active)
        .bind(user.email_verified)
        .bind(user.created_at)
        .bind(user.last_login_at)
        .bind(user.generation)
        .bind(user.session_floor)
        .bind(hash)
        .bind(PasswordVersion::FIRST)
}

/// The further parameters of [`Dialect::REGISTER`].
fn with_session(values: Values, session: &Session) -> Values {
    values
        .bind(session.id)
        .bind(session.opened_generation)
        .bind(session.counter)
        .bind(session.created_at)
        .bind(session.rotated_at)
        .bind(session.expires_at)
}

/// The parameters of [`is_as_seen`], and until when the tokens of the user are blacklisted.
fn seen_values(effects: &Effects, seen: &User, needs_other_admin: bool, when: RevocationTime) -> Values {
    audit_values(&effects.audit)
        .bind(seen.id)
        .bind(when.until)
        .bind(seen.tenant)
        .bind(seen.email.as_str())
        .bind(seen.name.as_str())
        .bind(&seen.roles)
        .bind(seen.is_active)
        .bind(seen.email_verified)
        .bind(seen.generation)
        .bind(seen.session_floor)
        .bind(needs_other_admin)
}
