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
use super::changes::{is_admin, seen_values};
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

/// Gives the user `$14` the hash `$16`, and ends its sessions.
macro_rules! replace_password {
    () => {
        "UPDATE users SET password_hash = $16, password_version = password_version + 1, \
         generation = generation + 1, session_floor = generation + 1 WHERE id = $14"
    };
}

pub(crate) use {insert_user, replace_password};

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
