use async_trait::async_trait;
use maestro_auth_domain::{
    Email, Generation, NewSession, NewUser, PasswordHash, PasswordVersion, RevocationTime, Roles, Session,
    TenantId, User, UserId,
};

use crate::StoreResult;

/// Users and their passwords.
///
/// Whatever raises the generation of a user MUST blacklist its tokens below that generation in the same step:
/// `every_end_is_blacklisted_with_its_cause`.
#[async_trait]
pub trait UserRepository: Send + Sync {
    /// Stores the user and its first session, both or neither.
    ///
    /// MUST let exactly one of any number of concurrent callers have a canonical address, per tenant:
    /// `one_of_many_concurrent_registrations_wins`. MUST store nothing of the others:
    /// `a_refused_registration_leaves_nothing`. The first session counts as a login:
    /// `a_registered_user_is_found_by_any_spelling`.
    async fn register(&self, user: NewUser, session: NewSession) -> StoreResult<RegisterOutcome>;

    /// Stores a user that somebody else made, without a session.
    ///
    /// MUST refuse a taken canonical address: `a_created_user_has_no_session_and_a_unique_address`.
    async fn create(&self, user: NewUser) -> StoreResult<CreateOutcome>;

    /// Stores the first holder of the role `admin` of its tenant.
    ///
    /// MUST store nothing once the tenant has a user with that role, active or not:
    /// `the_first_admin_is_made_once`; also when many instances start at once.
    async fn create_first_admin(&self, admin: NewUser) -> StoreResult<FirstAdminOutcome>;

    /// Finds a user and what verifies its password by canonical address.
    ///
    /// MUST find every spelling of the address, and nobody of another tenant:
    /// `a_registered_user_is_found_by_any_spelling`, `tenants_do_not_see_each_other`.
    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>>;

    /// Lists the users of a tenant in the order of their ids, which is that of their creation: at most `limit` that
    /// come after `after`.
    ///
    /// MUST list each user exactly once over consecutive pages: `pages_of_users_are_complete_and_ordered`.
    async fn list(&self, tenant: TenantId, after: Option<UserId>, limit: u32) -> StoreResult<Vec<User>>;

    /// Replaces the password and ends every session of the user.
    ///
    /// MUST raise the password version and the generation, and the session floor to that generation, in the same step:
    /// `a_new_password_ends_every_session`, `a_login_with_the_old_password_loses_against_its_change`.
    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
    ) -> StoreResult<SetPasswordOutcome>;

    /// Activates or deactivates a user.
    ///
    /// Deactivation MUST end every session for good, by raising the generation and the session floor to it:
    /// `a_deactivated_user_is_out_and_stays_out`, `a_login_loses_against_a_deactivation`. It MUST be refused for the
    /// last active holder of the role `admin`, also in a race: `the_last_active_admin_stays`. Setting what is already so
    /// MUST change nothing: `setting_the_same_activity_changes_nothing`.
    async fn set_active(
        &self,
        user: UserId,
        active: bool,
        when: RevocationTime,
    ) -> StoreResult<SetActiveOutcome>;

    /// Gives a user other roles.
    ///
    /// MUST raise the generation in the same step, so that tokens which tell of the former roles are refused, and leave
    /// the sessions alive: `new_roles_outdate_tokens_and_keep_sessions`. MUST be refused when it takes the role `admin`
    /// from its last active holder, also in a race: `the_last_active_admin_stays`. Setting the same roles MUST change
    /// nothing: `setting_the_same_roles_changes_nothing`.
    async fn set_roles(
        &self,
        user: UserId,
        roles: Roles,
        when: RevocationTime,
    ) -> StoreResult<SetRolesOutcome>;

    /// The highest cost among the stored bcrypt hashes, if there are any; it decides how long a failed login takes.
    ///
    /// MUST be cheap at a million users: `the_highest_bcrypt_cost_is_known`.
    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>>;
}

/// A user with what verifies its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: User,
    /// The stored hash.
    pub password_hash: PasswordHash,
    /// Which of the user's passwords that is.
    pub password_version: PasswordVersion,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a call, and looked at at once")]
pub enum RegisterOutcome {
    /// User and session are stored.
    Registered(User, Session),
    /// The canonical address belongs to another user of the tenant.
    EmailTaken,
}

/// What became of [`UserRepository::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The user is stored.
    Created(User),
    /// The canonical address belongs to another user of the tenant.
    EmailTaken,
}

/// What became of [`UserRepository::create_first_admin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstAdminOutcome {
    /// The admin is stored.
    Created(User),
    /// The tenant has an admin already.
    AdminExists,
    /// The tenant has no admin, but a user with this address.
    EmailTaken,
}

/// What became of [`UserRepository::set_password`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetPasswordOutcome {
    /// The password is replaced. This is the user's generation now.
    Changed(Generation),
    /// There is no such user.
    Unknown,
}

/// What became of [`UserRepository::set_roles`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetRolesOutcome {
    /// The user has these roles now, and may have had them before.
    Done(User),
    /// The role `admin` stays with its last active holder.
    LastAdmin,
    /// There is no such user.
    Unknown,
}

/// What became of [`UserRepository::set_active`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetActiveOutcome {
    /// The user is as demanded now, and may have been before.
    Done(User),
    /// This is the last active admin.
    LastAdmin,
    /// There is no such user.
    Unknown,
}
