use maestro_auth_domain::{
    Action, Actor, DisplayName, Email, NewPassword, Origin, RoleCatalogue, RoleName, Roles, Subject, TokenId,
};
use maestro_auth_ports::{HashError, Principal, RegisterOutcome, StoreError, StoreResult};
use thiserror::Error;

use crate::admin::NewAccount;
use crate::audit::Event;
use crate::{AuthService, RegistrationMode, SignedIn};

/// How often a registration is tried again when the roles have changed meanwhile.
const MAX_TRIES: usize = 4;

/// What a stranger fills in.
#[derive(Debug)]
pub struct Register {
    pub email: Email,
    pub name: DisplayName,
    pub password: NewPassword,
    /// `None` asks for the role that new accounts get.
    pub role: Option<RoleName>,
}

/// Why a registration was refused.
#[derive(Debug, Error)]
pub enum RegisterError {
    #[error("registration is closed")]
    Closed,
    #[error("there is no such role")]
    UnknownRole,
    #[error("the role is not one that a registration may ask for")]
    RoleNotAssignable,
    #[error("the address is taken")]
    EmailTaken,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthService {
    /// Creates an account and signs it in. Nobody becomes more than the operator lets strangers be (SEC-82, SEC-83).
    pub async fn register(&self, request: Register, origin: &Origin) -> Result<SignedIn, RegisterError> {
        if self.registration.mode == RegistrationMode::Closed {
            return Err(RegisterError::Closed);
        }
        let role = self.assignable_role(request.role.as_ref(), &self.catalogue().await?.catalogue)?;
        let now = self.clock.now();
        let token_id = TokenId::generate(now, self.entropy.bytes());
        let session = self.new_session(now);

        let Register { email, name, password, role: asked_role } = request;
        let account = NewAccount { email, name, password, roles: Roles::single(role) };
        let user = self.new_user(account, now).await?;
        for _ in 0..MAX_TRIES {
            let catalogue = self.catalogue().await?;
            self.assignable_role(asked_role.as_ref(), &catalogue.catalogue)?;
            let event = Event::new(Action::UserRegistered, Actor::User(user.id), origin)
                .about(Subject::User(user.id))
                .with("session", session.id.to_string());
            let effects = self.effects(now, event);
            let asked = self.clock.monotonic();
            match self.stores.users.register(user.clone(), session, catalogue.revision, effects).await? {
                RegisterOutcome::Registered(user, session) => {
                    tracing::info!(user.id = %user.id, "user registered");
                    return Ok(self.sign_in(Principal { user, session }, asked, token_id, now).await?);
                }
                RegisterOutcome::EmailTaken => return Err(RegisterError::EmailTaken),
                RegisterOutcome::Overtaken => drop(self.load_catalogue().await?),
            }
        }
        Err(StoreError::unavailable("the roles kept changing").into())
    }

    /// The role that a stranger gets. One that permits everything is nobody's to take, whatever the settings say.
    fn assignable_role(
        &self,
        asked: Option<&RoleName>,
        catalogue: &RoleCatalogue,
    ) -> Result<RoleName, RegisterError> {
        let is_listed = asked.is_none_or(|role| self.registration.self_assignable_roles.contains(role));
        let role = asked.cloned().unwrap_or_else(RoleName::viewer);
        let defined = catalogue.role(&role).ok_or(RegisterError::UnknownRole)?;
        if !is_listed || defined.effective.permit_all() {
            return Err(RegisterError::RoleNotAssignable);
        }
        Ok(role)
    }

    /// The first of the roles which the settings let a stranger ask for, that nobody can be given: it does not exist, or permits
    /// everything.
    pub async fn first_unassignable_role(&self) -> StoreResult<Option<&RoleName>> {
        let stored = self.catalogue().await?;
        let is_assignable = |role: &RoleName| {
            stored.catalogue.role(role).is_some_and(|defined| !defined.effective.permit_all())
        };
        Ok(self.registration.self_assignable_roles.iter().find(|role| !is_assignable(role)))
    }
}
