use async_trait::async_trait;
use maestro_auth_domain::{
    Email, NewSession, NewUser, PasswordHash, PasswordVersion, RevocationTime, Roles, Session, TenantId,
    User, UserId,
};
use maestro_auth_ports::{
    CreateOutcome, Credentials, FirstAdminOutcome, RegisterOutcome, SetActiveOutcome, SetPasswordOutcome,
    SetRolesOutcome, StoreResult, UserRepository,
};
use uuid::Uuid;

use super::dialect::Dialect;
use super::rows::{self, user_columns};
use super::statement::{Statement, Values};
use super::store::{SqlStore, all, first, last};

/// Stores a user, given as `$1` to `$14`, unless the address is taken; `source` gives those values.
macro_rules! insert_user {
    () => {
        $crate::sql::insert_user!("VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
    };
    ($($source:tt)+) => {
        concat!(
            "INSERT INTO users (id, tenant_id, email, email_canonical, name, roles, is_active, email_verified, \
             created_at, last_login_at, generation, session_floor, password_hash, password_version) ",
            $($source)+,
            " ON CONFLICT (tenant_id, email_canonical) DO NOTHING "
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

/// Gives the user `$1` the hash `$3`, and ends its sessions.
macro_rules! replace_password {
    () => {
        "UPDATE users SET password_hash = $3, password_version = password_version + 1, \
         generation = generation + 1, session_floor = generation + 1 WHERE id = $1"
    };
}

/// Deactivates the user `$1` unless it is inactive or the last active admin, and ends its sessions.
macro_rules! deactivate {
    () => {
        concat!(
            "UPDATE users SET is_active = FALSE, generation = generation + 1, session_floor = generation + 1 \
             WHERE id = $1 AND is_active AND (NOT ",
            $crate::sql::is_admin!("users"),
            " OR ",
            $crate::sql::has_other_admin!(),
            ")"
        )
    };
}

/// Gives the user `$1` the roles `$3` unless it has them, or would be no admin any more and is the last active one.
macro_rules! replace_roles {
    () => {
        concat!(
            "UPDATE users SET roles = $3, generation = generation + 1 WHERE id = $1 AND roles <> $3 \
             AND ((' ' || $3 || ' ') LIKE '% admin %' OR NOT is_active OR NOT ",
            $crate::sql::is_admin!("users"),
            " OR ",
            $crate::sql::has_other_admin!(),
            ")"
        )
    };
}
pub(crate) use {deactivate, has_other_admin, insert_user, is_admin, replace_password, replace_roles};

const CREATE: &str = concat!(insert_user!(), "RETURNING id");
const CREATE_FIRST_ADMIN: &str = concat!(
    insert_user!(concat!(
        "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 \
         WHERE NOT EXISTS (SELECT 1 FROM users AS other WHERE other.tenant_id = $2 AND ",
        is_admin!("other"),
        ")"
    )),
    "RETURNING id"
);
const FIND_ADMIN: &str =
    concat!("SELECT id AS user_id FROM users WHERE tenant_id = $1 AND ", is_admin!("users"), " LIMIT 1");
const FIND_CREDENTIALS: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", users.password_hash, users.password_version FROM users WHERE tenant_id = $1 AND email_canonical = $2"
);
const FIND: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");
const LIST: &str =
    concat!("SELECT ", user_columns!(), " FROM users WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3");
const ACTIVATE: &str = "UPDATE users SET is_active = TRUE WHERE id = $1 AND NOT is_active";
/// In the words of the index `users_bcrypt_cost`.
const HIGHEST_BCRYPT_COST: &str = "SELECT substr(password_hash, 5, 2) AS cost FROM users \
     WHERE substr(password_hash, 1, 4) IN ('$2a$', '$2b$', '$2y$') AND substr(password_hash, 5, 2) \
     IN ('04', '05', '06', '07', '08', '09', '10', '11', '12', '13', '14', '15') AND length(password_hash) = 60 \
     ORDER BY substr(password_hash, 5, 2) DESC LIMIT 1";

#[async_trait]
impl<D: Dialect> UserRepository for SqlStore<D> {
    async fn register(&self, new: NewUser, session: NewSession) -> StoreResult<RegisterOutcome> {
        let hash = new.password_hash.clone();
        let user = User { last_login_at: Some(session.created_at), ..new.into_user() };
        let session = session.open_for(&user);
        let values = with_session(user_values(&user, &hash), &session);
        let stored = self.write_all(values.for_each(D::REGISTER)).await.map(last)?;
        Ok(if stored.is_empty() {
            RegisterOutcome::EmailTaken
        } else {
            RegisterOutcome::Registered(user, session)
        })
    }

    async fn create(&self, new: NewUser) -> StoreResult<CreateOutcome> {
        let hash = new.password_hash.clone();
        let user = new.into_user();
        let stored = self.write(user_values(&user, &hash).for_one(CREATE)).await?;
        Ok(if stored.is_empty() { CreateOutcome::EmailTaken } else { CreateOutcome::Created(user) })
    }

    async fn create_first_admin(&self, admin: NewUser) -> StoreResult<FirstAdminOutcome> {
        let hash = admin.password_hash.clone();
        let user = admin.into_user();
        let lock = D::LOCK_TENANT.map(|sql| Statement::new(sql).bind(user.tenant));
        let create = user_values(&user, &hash).for_one(CREATE_FIRST_ADMIN);
        let find = Statement::new(FIND_ADMIN).bind(user.tenant);
        let admins = self.write_all(lock.into_iter().chain([create, find])).await.map(last)?;
        Ok(match first(&admins, rows::user_id)? {
            Some(id) if id == user.id => FirstAdminOutcome::Created(user),
            Some(_) => FirstAdminOutcome::AdminExists,
            None => FirstAdminOutcome::EmailTaken,
        })
    }

    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>> {
        let find = Statement::new(FIND_CREDENTIALS).bind(tenant).bind(email.canonical());
        first(&self.read(find).await?, rows::credentials)
    }

    async fn list(&self, tenant: TenantId, after: Option<UserId>, limit: u32) -> StoreResult<Vec<User>> {
        let after = after.unwrap_or(UserId::from_uuid(Uuid::nil()));
        let list = Statement::new(LIST).bind(tenant).bind(after).bind(limit);
        all(&self.read(list).await?, rows::user)
    }

    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
    ) -> StoreResult<SetPasswordOutcome> {
        let values = Values::default().bind(user).bind(when.until).bind(&hash);
        let changed = self.write_revoking(values.for_each(D::REPLACE_PASSWORD)).await.map(last)?;
        let generation = first(&changed, rows::min_generation)?;
        Ok(generation.map_or(SetPasswordOutcome::Unknown, SetPasswordOutcome::Changed))
    }

    async fn set_active(
        &self,
        user: UserId,
        active: bool,
        when: RevocationTime,
    ) -> StoreResult<SetActiveOutcome> {
        let change: Vec<_> = if active {
            vec![Statement::new(ACTIVATE).bind(user)]
        } else {
            Values::default().bind(user).bind(when.until).for_each(D::DEACTIVATE).collect()
        };
        Ok(match self.change_admins(user, change).await? {
            Some(user) if user.is_active == active => SetActiveOutcome::Done(user),
            Some(_) => SetActiveOutcome::LastAdmin,
            None => SetActiveOutcome::Unknown,
        })
    }

    async fn set_roles(
        &self,
        user: UserId,
        roles: Roles,
        when: RevocationTime,
    ) -> StoreResult<SetRolesOutcome> {
        let change = Values::default().bind(user).bind(when.until).bind(&roles).for_each(D::REPLACE_ROLES);
        Ok(match self.change_admins(user, change).await? {
            Some(user) if user.roles == roles => SetRolesOutcome::Done(user),
            Some(_) => SetRolesOutcome::LastAdmin,
            None => SetRolesOutcome::Unknown,
        })
    }

    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>> {
        first(&self.read(Statement::new(HIGHEST_BCRYPT_COST)).await?, rows::bcrypt_cost)
    }
}

impl<D: Dialect> SqlStore<D> {
    /// Changes a user who may be the last active admin, and gives the user as it is then.
    ///
    /// The lock decides which of two such changes comes first, so that the second one sees who is left.
    async fn change_admins(
        &self,
        user: UserId,
        change: impl IntoIterator<Item = Statement>,
    ) -> StoreResult<Option<User>> {
        let lock = D::LOCK_TENANT_OF_USER.map(|sql| Statement::new(sql).bind(user));
        let find = Statement::new(FIND).bind(user);
        let found = self.write_revoking(lock.into_iter().chain(change).chain([find])).await.map(last)?;
        first(&found, rows::user)
    }
}

/// The parameters of [`insert_user`].
fn user_values(user: &User, hash: &PasswordHash) -> Values {
    Values::default()
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
