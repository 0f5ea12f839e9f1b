use maestro_auth_domain::{DisplayName, Email, NewPassword, RoleName, Roles, TokenId};
use maestro_auth_ports::{HashError, Principal, RegisterOutcome, StoreError};
use thiserror::Error;

use crate::{AuthService, NewAccount, RegistrationMode, SignedIn};

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
    pub async fn register(&self, request: Register) -> Result<SignedIn, RegisterError> {
        if self.registration.mode == RegistrationMode::Closed {
            return Err(RegisterError::Closed);
        }
        let role = self.assignable_role(request.role)?;
        let now = self.clock.now();
        let token_id = TokenId::generate(now, self.entropy.bytes());
        let session = self.new_session(now);

        let Register { email, name, password, .. } = request;
        let account = NewAccount { email, name, password, roles: Roles::single(role) };
        let user = self.new_user(account, now).await?;
        let asked = self.clock.monotonic();
        match self.stores.users.register(user, session).await? {
            RegisterOutcome::Registered(user, session) => {
                tracing::info!(user.id = %user.id, "user registered");
                Ok(self.sign_in(Principal { user, session }, asked, token_id, now)?)
            }
            RegisterOutcome::EmailTaken => Err(RegisterError::EmailTaken),
        }
    }

    fn assignable_role(&self, asked: Option<RoleName>) -> Result<RoleName, RegisterError> {
        let Some(role) = asked else { return Ok(RoleName::viewer()) };
        if !role.exists() {
            Err(RegisterError::UnknownRole)
        } else if !self.registration.self_assignable_roles.contains(&role) {
            Err(RegisterError::RoleNotAssignable)
        } else {
            Ok(role)
        }
    }
}
