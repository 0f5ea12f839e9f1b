//! What administrators do: the use cases behind `/api/v1/admin` and the operator's commands (api.md section 4).
//!
//! One rule holds in all of them: nobody grants what they do not hold, and nobody touches an account that holds more than they do
//! (SEC-88). It is judged by one catalogue of roles, and the store refuses what was judged by a catalogue that is no longer the
//! present one.

mod keys;
mod roles;
mod services;
mod users;

use maestro_auth_domain::{
    Action, CatalogueError, ClientId, Outcome, PermissionName, Permissions, RoleCatalogue, RoleName,
    Timestamp,
};
use maestro_auth_ports::{HashError, StoreError};
use thiserror::Error;

pub use self::keys::KeyState;
pub use self::users::{NewAccount, UserView};
use crate::audit::Event;
use crate::{AuthService, AuthenticateError, AuthorizeError, Caller};

/// Why an order was not carried out.
#[derive(Debug, Error)]
pub enum AdminError {
    #[error("the permission {0} is missing")]
    PermissionMissing(PermissionName),
    /// The caller may not act any more, or not in this way.
    #[error(transparent)]
    Caller(AuthorizeError),
    #[error("there is no role {0}")]
    UnknownRole(RoleName),
    #[error("that are more roles than one account may have")]
    TooManyRoles,
    #[error("there is no permission {0}")]
    UnknownPermission(PermissionName),
    #[error("there is none")]
    NotFound,
    #[error("the address belongs to another account")]
    EmailTaken,
    #[error("another service has the name")]
    NameTaken,
    #[error("this is the last active admin, who stays")]
    LastAdmin,
    #[error("the role still belongs to an account")]
    RoleHeld,
    #[error("the service {0} still has the permission")]
    PermissionHeld(ClientId),
    #[error(
        "the settings let strangers ask for the role {0}, which must hence exist and not permit everything"
    )]
    RoleAssignable(RoleName),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Others keep changing the same thing.
    #[error("it was changed by somebody else at the same time")]
    Overtaken,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AuthorizeError> for AdminError {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::PermissionMissing(name) => Self::PermissionMissing(name),
            AuthorizeError::Authenticate(AuthenticateError::Store(error)) => Self::Store(error),
            error => Self::Caller(error),
        }
    }
}

/// Names as the audit trail tells them.
fn words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" ")
}

/// How often an order is tried again when somebody else has changed what it rests on.
const MAX_TRIES: usize = 8;

impl AuthService {
    /// Refuses the caller who lacks one of `permissions`, and tells of it.
    fn demand_all(
        &self,
        by: &Caller,
        permissions: &Permissions,
        catalogue: &RoleCatalogue,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        match by.permissions(catalogue).first_missing(permissions) {
            None => Ok(()),
            Some(missing) => {
                self.tell_denied(by, missing, now);
                Err(AdminError::PermissionMissing(missing.clone()))
            }
        }
    }

    pub(crate) fn tell_denied(&self, by: &Caller, missing: &PermissionName, now: Timestamp) {
        let event = Event::new(Action::AccessDenied, by.actor(), by.origin());
        self.tell(now, event.ended(Outcome::Denied).with("permission", missing.as_str()));
    }
}
