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
                    let principal = Principal { user, session };
                    return Ok(self.sign_in(principal, &catalogue, asked, token_id, now)?);
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
        let role = asked.cloned().unwrap_or_else(RoleName::viewer);
        let is_listed = self.registration.self_assignable_roles.contains(&role);
        if catalogue.role(&role).is_none() {
            Err(RegisterError::UnknownRole)
        } else if !is_listed || !is_assignable(catalogue, &role) {
            Err(RegisterError::RoleNotAssignable)
        } else {
            Ok(role)
        }
    }

    /// The first of the roles which the settings let a stranger ask for, that nobody can be given.
    pub async fn first_unassignable_role(&self) -> StoreResult<Option<RoleName>> {
        let stored = self.catalogue().await?;
        let mut listed = self.registration.self_assignable_roles.iter();
        Ok(listed.find(|role| !is_assignable(&stored.catalogue, role)).cloned())
    }
}

/// Whether the role can be a stranger's: it exists, and does not permit everything.
pub(crate) fn is_assignable(catalogue: &RoleCatalogue, role: &RoleName) -> bool {
    catalogue.role(role).is_some_and(|defined| !defined.effective.permit_all())
}
