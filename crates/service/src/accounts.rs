use maestro_auth_domain::{
    DisplayName, Email, Generation, NewPassword, NewUser, RevocationTime, Revoked, RoleName, Roles,
    Timestamp, User, UserId,
};
use maestro_auth_ports::{
    CreateOutcome, HashError, SetActiveOutcome, SetPasswordOutcome, SetRolesOutcome, StoreError, StoreResult,
};
use thiserror::Error;

use crate::{AuthService, TENANT};

/// An account that an operator makes.
#[derive(Debug)]
pub struct NewAccount {
    pub email: Email,
    pub name: DisplayName,
    pub password: NewPassword,
    pub roles: Roles,
}

/// Why an operator's order was not carried out.
#[derive(Debug, Error)]
pub enum AccountError {
    #[error("there is no role of that name")]
    UnknownRole,
    #[error("the address belongs to another account")]
    EmailTaken,
    #[error("there is no account with that address")]
    UnknownAccount,
    #[error("this is the last active admin, who stays")]
    LastAdmin,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthService {
    /// Makes an account with any roles that exist, without signing it in.
    pub async fn create_account(&self, account: NewAccount) -> Result<User, AccountError> {
        if !account.roles.iter().all(RoleName::exists) {
            return Err(AccountError::UnknownRole);
        }
        let user = self.new_user(account, self.clock.now()).await?;
        match self.stores.users.create(user).await? {
            CreateOutcome::Created(user) => Ok(user),
            CreateOutcome::EmailTaken => Err(AccountError::EmailTaken),
        }
    }

    /// Lists accounts in the order of their creation, `limit` after the account `after`.
    pub async fn list_accounts(&self, after: Option<UserId>, limit: u32) -> StoreResult<Vec<User>> {
        self.stores.users.list(TENANT, after, limit).await
    }

    /// Finds an account by its address.
    pub async fn find_account(&self, email: &Email) -> Result<User, AccountError> {
        let found = self.stores.users.find_credentials(TENANT, email).await?;
        Ok(found.ok_or(AccountError::UnknownAccount)?.user)
    }

    /// Replaces the password of an account and ends all its sessions.
    pub async fn set_password(&self, user: UserId, password: NewPassword) -> Result<(), AccountError> {
        let hash = self.hasher.hash(password.into_password()).await?;
        let when = self.tokens.revocation_time(self.clock.now());
        match self.stores.users.set_password(user, hash, when).await? {
            SetPasswordOutcome::Changed(generation) => {
                self.note_generation(user, generation, when);
                Ok(())
            }
            SetPasswordOutcome::Unknown => Err(AccountError::UnknownAccount),
        }
    }

    /// Lets an account sign in again, or ends all its sessions and keeps it out.
    pub async fn set_active(&self, user: UserId, active: bool) -> Result<User, AccountError> {
        let when = self.tokens.revocation_time(self.clock.now());
        match self.stores.users.set_active(user, active, when).await? {
            SetActiveOutcome::Done(user) => {
                self.note_generation(user.id, user.generation, when);
                Ok(user)
            }
            SetActiveOutcome::LastAdmin => Err(AccountError::LastAdmin),
            SetActiveOutcome::Unknown => Err(AccountError::UnknownAccount),
        }
    }

    /// Gives an account other roles. Its older access tokens are refused from then on; a refresh brings new ones.
    pub async fn set_roles(&self, user: UserId, roles: Roles) -> Result<User, AccountError> {
        if !roles.iter().all(RoleName::exists) {
            return Err(AccountError::UnknownRole);
        }
        let when = self.tokens.revocation_time(self.clock.now());
        match self.stores.users.set_roles(user, roles, when).await? {
            SetRolesOutcome::Done(user) => {
                self.note_generation(user.id, user.generation, when);
                Ok(user)
            }
            SetRolesOutcome::LastAdmin => Err(AccountError::LastAdmin),
            SetRolesOutcome::Unknown => Err(AccountError::UnknownAccount),
        }
    }

    /// Refuses what is older than the user's present generation. That was refused before if nothing has changed.
    fn note_generation(&self, user: UserId, min_generation: Generation, when: RevocationTime) {
        self.note(Revoked::User { user, min_generation }, when);
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
