use maestro_auth_domain::{
    Action, DisplayName, Email, NewPassword, NewUser, Permissions, Revoked, RoleCatalogue, RoleName, Roles,
    Subject, Timestamp, User, UserChange, UserFilter, UserId,
};
use maestro_auth_ports::{
    CreateOutcome, DeleteOutcome, HashError, SetPasswordOutcome, StoreResult, StoredCatalogue, UpdateOutcome,
};

use super::{AdminError, MAX_TRIES};
use crate::audit::Event;
use crate::{AuthService, Caller, TENANT};

/// An account that somebody makes for another.
#[derive(Debug)]
pub struct NewAccount {
    pub email: Email,
    pub name: DisplayName,
    pub password: NewPassword,
    pub roles: Roles,
}

/// A user with everything that its roles permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    pub user: User,
    pub permissions: Permissions,
}

impl UserView {
    fn of(user: User, catalogue: &RoleCatalogue) -> Self {
        Self { permissions: catalogue.permissions_of(&user.roles), user }
    }
}

impl AuthService {
    /// Lists users in the order of their creation, and says after whom the next page begins. A page may be short, or empty, and
    /// not the last.
    pub async fn list_users(
        &self,
        by: &Caller,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> StoreResult<(Vec<UserView>, Option<UserId>)> {
        let catalogue = self.catalogue().await?;
        let page = self.stores.users.list(TENANT, filter, after, limit).await?;
        self.tell(self.clock.now(), Event::new(Action::UserListed, by.actor(), by.origin()));
        let views = page.users.into_iter().map(|user| UserView::of(user, &catalogue.catalogue));
        Ok((views.collect(), page.next))
    }

    /// Whether there is any account.
    pub async fn has_users(&self) -> StoreResult<bool> {
        let page = self.stores.users.list(TENANT, &UserFilter::default(), None, 1).await?;
        Ok(!page.users.is_empty())
    }

    /// Shows a user.
    pub async fn find_user(&self, by: &Caller, user: UserId) -> Result<UserView, AdminError> {
        let catalogue = self.catalogue().await?;
        let user = self.stores.users.find(TENANT, user).await?.ok_or(AdminError::NotFound)?;
        let event = Event::new(Action::UserViewed, by.actor(), by.origin()).about(Subject::User(user.id));
        self.tell(self.clock.now(), event);
        Ok(UserView::of(user, &catalogue.catalogue))
    }

    /// Finds an account by its address.
    pub async fn find_account(&self, email: &Email) -> Result<User, AdminError> {
        let found = self.stores.users.find_credentials(TENANT, email).await?;
        Ok(found.ok_or(AdminError::NotFound)?.user)
    }

    /// Makes an account without signing it in.
    pub async fn create_user(&self, by: &Caller, account: NewAccount) -> Result<UserView, AdminError> {
        let now = self.clock.now();
        let (caller, catalogue) = self.as_of_now(by).await?;
        self.may_have_roles(&caller, &account.roles, &catalogue, now)?;
        let user = self.new_user(account, now).await?;
        for _ in 0..MAX_TRIES {
            let (by, catalogue) = self.as_of_now(by).await?; // hashing has taken its time
            self.may_have_roles(&by, &user.roles, &catalogue, now)?;
            let event = Event::new(Action::UserCreated, by.actor(), by.origin())
                .about(Subject::User(user.id))
                .with("roles", names(&user.roles));
            let effects = self.effects(now, event);
            match self.stores.users.create(user.clone(), catalogue.revision, effects).await? {
                CreateOutcome::Created(user) => return Ok(UserView::of(user, &catalogue.catalogue)),
                CreateOutcome::EmailTaken => return Err(AdminError::EmailTaken),
                CreateOutcome::Overtaken => {}
            }
        }
        Err(AdminError::Overtaken)
    }

    /// Changes an account. What its older tokens must not say any more, they do not: a lost role or a deactivation ends them
    /// everywhere (api.md section 8).
    pub async fn update_user(
        &self,
        by: &Caller,
        user: UserId,
        change: UserChange,
    ) -> Result<UserView, AdminError> {
        let when = self.tokens.revocation_time(self.clock.now());
        for _ in 0..MAX_TRIES {
            let (by, catalogue) = self.as_of_now(by).await?;
            let seen = self.touchable(&by, user, &catalogue, when.at).await?;
            if let Some(roles) = &change.roles {
                self.may_have_roles(&by, roles, &catalogue, when.at)?;
            }
            let effects = self.effects(when.at, updated(&by, &seen, &change));
            let checked = Some(catalogue.revision);
            let asked = self.clock.monotonic();
            match self.stores.users.update(&seen, change.clone(), checked, when, effects).await? {
                UpdateOutcome::Done(user) => {
                    // What is older was refused before if nothing has changed.
                    self.note(Revoked::User { user: user.id, min_generation: user.generation }, when);
                    self.principals.remember_user(user.clone(), asked);
                    return Ok(UserView::of(user, &catalogue.catalogue));
                }
                UpdateOutcome::LastAdmin => return Err(AdminError::LastAdmin),
                UpdateOutcome::Unknown => return Err(AdminError::NotFound),
                UpdateOutcome::Overtaken => {}
            }
        }
        Err(AdminError::Overtaken)
    }

    /// Deletes an account with its sessions. Its address is free for somebody new (SEC-93).
    pub async fn delete_user(&self, by: &Caller, user: UserId) -> Result<(), AdminError> {
        let when = self.tokens.revocation_time(self.clock.now());
        for _ in 0..MAX_TRIES {
            let (by, catalogue) = self.as_of_now(by).await?;
            let seen = self.touchable(&by, user, &catalogue, when.at).await?;
            let event = Event::new(Action::UserDeleted, by.actor(), by.origin())
                .about(Subject::User(user))
                .with("email", seen.email.canonical());
            match self.stores.users.delete(&seen, when, self.effects(when.at, event)).await? {
                DeleteOutcome::Deleted(generation) => {
                    self.note(Revoked::User { user, min_generation: generation.next() }, when);
                    return Ok(());
                }
                DeleteOutcome::LastAdmin => return Err(AdminError::LastAdmin),
                DeleteOutcome::Unknown => return Err(AdminError::NotFound),
                DeleteOutcome::Overtaken => {}
            }
        }
        Err(AdminError::Overtaken)
    }

    /// Ends every session of an account (SEC-64).
    pub async fn end_sessions_of(&self, by: &Caller, user: UserId) -> Result<(), AdminError> {
        let when = self.tokens.revocation_time(self.clock.now());
        let (by, catalogue) = self.as_of_now(by).await?;
        self.touchable(&by, user, &catalogue, when.at).await?;
        let event =
            Event::new(Action::LoggedOutEverywhere, by.actor(), by.origin()).about(Subject::User(user));
        let effects = self.effects(when.at, event);
        let ended = self.stores.sessions.revoke_all_of(TENANT, user, when, effects).await?;
        let min_generation = ended.ok_or(AdminError::NotFound)?;
        self.note(Revoked::User { user, min_generation }, when);
        Ok(())
    }

    /// Replaces the password of an account and ends all its sessions. For operators alone: an administrator neither reads nor
    /// chooses a password (SEC-92).
    pub async fn set_password(&self, user: UserId, password: NewPassword) -> Result<(), AdminError> {
        let hash = self.hasher.hash(password.into_password()).await?;
        let when = self.tokens.revocation_time(self.clock.now());
        let by = Caller::operator();
        let event = Event::new(Action::PasswordSet, by.actor(), by.origin()).about(Subject::User(user));
        let effects = self.effects(when.at, event);
        match self.stores.users.set_password(user, hash, when, effects).await? {
            SetPasswordOutcome::Changed(min_generation) => {
                self.note(Revoked::User { user, min_generation }, when);
                Ok(())
            }
            SetPasswordOutcome::Unknown => Err(AdminError::NotFound),
        }
    }

    /// The user, if the caller holds everything that it does.
    async fn touchable(
        &self,
        by: &Caller,
        user: UserId,
        catalogue: &StoredCatalogue,
        now: Timestamp,
    ) -> Result<User, AdminError> {
        let user = self.stores.users.find(TENANT, user).await?.ok_or(AdminError::NotFound)?;
        self.demand_all(by, &catalogue.catalogue.permissions_of(&user.roles), &catalogue.catalogue, now)?;
        Ok(user)
    }

    /// Refuses roles that do not exist, and those that permit more than the caller may do.
    fn may_have_roles(
        &self,
        by: &Caller,
        roles: &Roles,
        catalogue: &StoredCatalogue,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let catalogue = &catalogue.catalogue;
        if let Some(unknown) = roles.iter().find(|role| catalogue.role(role).is_none()) {
            return Err(AdminError::UnknownRole(unknown.clone()));
        }
        if !roles.is_within_bounds() {
            return Err(AdminError::TooManyRoles);
        }
        self.demand_all(by, &catalogue.permissions_of(roles), catalogue, now)
    }

    /// The user that comes of an account made at `now`. Hashes its password.
    pub(crate) async fn new_user(&self, account: NewAccount, now: Timestamp) -> Result<NewUser, HashError> {
        Ok(NewUser {
            id: UserId::generate(now, self.entropy.bytes()),
            tenant: TENANT,
            email: account.email,
            name: account.name,
            roles: account.roles,
            password_hash: self.hasher.hash(account.password.into_password()).await?,
            created_at: now,
        })
    }
}

/// What is told of a change: each part with what it was and what it is.
fn updated<'a>(by: &'a Caller, seen: &User, change: &UserChange) -> Event<'a> {
    let mut event = Event::new(Action::UserUpdated, by.actor(), by.origin()).about(Subject::User(seen.id));
    if let Some(name) = change.name.as_ref().filter(|name| **name != seen.name) {
        event = event.with("name.from", seen.name.as_str()).with("name.to", name.as_str());
    }
    if let Some(roles) = change.roles.as_ref().filter(|roles| **roles != seen.roles) {
        event = event.with("roles.from", names(&seen.roles)).with("roles.to", names(roles));
    }
    if let Some(is_active) = change.is_active.filter(|is_active| *is_active != seen.is_active) {
        event =
            event.with("active.from", seen.is_active.to_string()).with("active.to", is_active.to_string());
    }
    event
}

fn names(roles: &Roles) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(",")
}
