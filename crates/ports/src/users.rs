use async_trait::async_trait;
use maestro_auth_domain::{
    CatalogueRevision, Email, Generation, NewSession, NewUser, PasswordHash, PasswordVersion, RevocationTime,
    Session, TenantId, User, UserChange, UserFilter, UserId,
};

use crate::{Effects, StoreResult};

/// Users and their passwords.
///
/// Whatever raises the generation of a user MUST blacklist its tokens below that generation in the same step:
/// `every_end_is_blacklisted_with_its_cause`.
#[async_trait]
pub trait UserRepository: Send + Sync {
    /// Stores the user and its first session, both or neither, while the catalogue of roles is at the revision `checked`.
    ///
    /// MUST let exactly one of any number of concurrent callers have a canonical address, per tenant:
    /// `one_of_many_concurrent_registrations_wins`. MUST store nothing of the others:
    /// `a_refused_registration_leaves_nothing`. The first session counts as a login:
    /// `a_registered_user_is_found_by_any_spelling`. MUST be refused once the catalogue has changed, also in a race:
    /// `nobody_is_given_what_was_checked_against_another_catalogue`.
    async fn register(
        &self,
        user: NewUser,
        session: NewSession,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<RegisterOutcome>;

    /// Stores a user that somebody else made, without a session, while the catalogue is at the revision `checked`.
    ///
    /// MUST refuse a taken canonical address: `a_created_user_has_no_session_and_a_unique_address`. MUST be refused once the
    /// catalogue has changed: `nobody_is_given_what_was_checked_against_another_catalogue`.
    async fn create(
        &self,
        user: NewUser,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateOutcome>;

    /// Stores the first holder of the role `admin` of its tenant.
    ///
    /// MUST store nothing once the tenant has a user with that role, active or not:
    /// `the_first_admin_is_made_once`; also when many instances start at once.
    async fn create_first_admin(&self, admin: NewUser, effects: Effects) -> StoreResult<FirstAdminOutcome>;

    /// Finds a user of a tenant.
    ///
    /// MUST find nobody of another tenant: `tenants_do_not_see_each_other`.
    async fn find(&self, tenant: TenantId, user: UserId) -> StoreResult<Option<User>>;

    /// Finds a user and what verifies its password by canonical address.
    ///
    /// MUST find every spelling of the address, and nobody of another tenant:
    /// `a_registered_user_is_found_by_any_spelling`, `tenants_do_not_see_each_other`.
    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>>;

    /// Lists users of a tenant in the order of their ids, which is that of their creation: at most `limit` that come after
    /// `after` and [match](UserFilter::matches) the filter.
    ///
    /// MUST look at no more than [`UserPage::LOOKED_AT`] users for one page, so that its cost does not grow with the tenant, and
    /// list each user that matches exactly once over consecutive pages: `pages_of_users_are_complete_and_ordered`. A page may
    /// hence be short, or empty, and not the last.
    async fn list(
        &self,
        tenant: TenantId,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> StoreResult<UserPage>;

    /// Changes a user who is still as it was `seen`, but for the time of its last login, to what [`User::changed`] says. With
    /// `checked`, only while the catalogue of roles is at that revision.
    ///
    /// MUST do nothing for whoever has not seen the user as it is: `a_change_of_a_user_that_was_not_seen_is_refused`. MUST be
    /// refused once the catalogue has changed: `nobody_is_given_what_was_checked_against_another_catalogue`. Deactivation MUST
    /// end every session for good: `a_deactivated_user_is_out_and_stays_out`, `a_login_loses_against_a_deactivation`; and new
    /// roles leave the sessions alive: `new_roles_outdate_tokens_and_keep_sessions`. MUST be refused when the last active holder
    /// of the role `admin` would stop being one, also in a race: `the_last_active_admin_stays`. A change to what is already so
    /// MUST leave nothing: `setting_the_same_changes_nothing`.
    async fn update(
        &self,
        seen: &User,
        change: UserChange,
        checked: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<UpdateOutcome>;

    /// Deletes a user who is still as it was `seen`, but for the time of its last login, with its sessions.
    ///
    /// MUST blacklist its tokens, and free its address for somebody new: `a_deleted_user_is_gone_and_its_address_free`. MUST be
    /// refused for the last active admin, also in a race: `the_last_active_admin_stays`.
    async fn delete(&self, seen: &User, when: RevocationTime, effects: Effects)
    -> StoreResult<DeleteOutcome>;

    /// Replaces the password and ends every session of the user.
    ///
    /// MUST raise the password version and the generation, and the session floor to that generation, in the same step:
    /// `a_new_password_ends_every_session`, `a_login_with_the_old_password_loses_against_its_change`.
    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<SetPasswordOutcome>;

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
    /// The catalogue is another one than that which the roles were checked against.
    Overtaken,
}

/// What became of [`UserRepository::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The user is stored.
    Created(User),
    /// The canonical address belongs to another user of the tenant.
    EmailTaken,
    /// The catalogue is another one than that which the roles were checked against.
    Overtaken,
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

/// A page of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// Those that match.
    pub users: Vec<User>,
    /// The user after whom the next page begins; `None` when there is none.
    pub next: Option<UserId>,
}

impl UserPage {
    /// How many users are looked at for one page.
    pub const LOOKED_AT: u32 = 1_000;

    /// The page of at most `limit` users who match `filter`, out of the next ones in order: [`Self::LOOKED_AT`] of them, or all
    /// that are left.
    #[must_use]
    pub fn of(looked_at: Vec<User>, filter: &UserFilter, limit: u32) -> Self {
        let is_all = looked_at.len() < Self::LOOKED_AT as usize;
        let last = looked_at.last().map(|user| user.id);
        let mut users: Vec<User> = looked_at.into_iter().filter(|user| filter.matches(user)).collect();
        if users.len() > limit as usize {
            users.truncate(limit as usize);
            return Self { next: users.last().map(|user| user.id), users };
        }
        Self { users, next: if is_all { None } else { last } }
    }
}

/// What became of [`UserRepository::update`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The user is as demanded now, and may have been before.
    Done(User),
    /// Somebody else has changed the user or the catalogue in between.
    Overtaken,
    /// The last active admin stays one.
    LastAdmin,
    /// There is no such user.
    Unknown,
}

/// What became of [`UserRepository::delete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The user is gone. This was its generation, so no token below the next one is accepted any more.
    Deleted(Generation),
    /// Somebody else has changed the user in between.
    Overtaken,
    /// The last active admin stays.
    LastAdmin,
    /// There is no such user.
    Unknown,
}
