use std::sync::Arc;

use maestro_auth_domain::{Origin, PermissionName, RoleName, User};
use thiserror::Error;

use crate::{AuthService, AuthenticateError, Caller};

/// What a caller must have beyond a good token. What is `None` is not demanded.
#[derive(Debug, Default)]
pub struct Demand {
    pub permission: Option<PermissionName>,
    pub role: Option<RoleName>,
}

/// Why a caller was not let through.
#[derive(Debug, Error)]
pub enum AuthorizeError {
    #[error(transparent)]
    Authenticate(#[from] AuthenticateError),
    #[error("the permission {} is missing", .0.as_str())]
    PermissionMissing(PermissionName),
    #[error("the role {0} is missing")]
    RoleMissing(RoleName),
    /// Which of id and secret is wrong, nobody learns.
    #[error("these are no credentials of a registered service")]
    InvalidClient,
}

impl AuthService {
    /// Tells whose access token this is, as [`Self::authenticate`] does, and refuses whoever lacks what is demanded.
    pub async fn authorize(&self, access_token: &str, demand: Demand) -> Result<Arc<User>, AuthorizeError> {
        let user = self.authenticate(access_token).await?;
        if let Some(permission) = demand.permission
            && !self
                .catalogue()
                .await
                .map_err(AuthenticateError::Store)?
                .catalogue
                .permit(&user.roles, &permission)
        {
            return Err(AuthorizeError::PermissionMissing(permission));
        }
        if let Some(role) = demand.role
            && !user.roles.contains(&role)
        {
            return Err(AuthorizeError::RoleMissing(role));
        }
        Ok(user)
    }

    /// Lets a signed-in user act, who has the permission if one is demanded. Whoever lacks it is told of in the audit trail.
    pub async fn admit_user(
        &self,
        access_token: &str,
        permission: Option<PermissionName>,
        origin: Origin,
    ) -> Result<Caller, AuthorizeError> {
        let user = self.authenticate(access_token).await?;
        let caller = Caller::user(user, origin);
        self.demand(caller, permission).await
    }

    /// Lets a registered service act by its client credentials (RFC 6749 section 2.3.1), likewise.
    pub async fn admit_service(
        &self,
        client_id: &str,
        client_secret: &str,
        permission: Option<PermissionName>,
        origin: Origin,
    ) -> Result<Caller, AuthorizeError> {
        let service = self.authenticate_service(client_id, client_secret, &origin).await?;
        let caller = Caller::service(service, origin);
        self.demand(caller, permission).await
    }

    async fn demand(
        &self,
        caller: Caller,
        permission: Option<PermissionName>,
    ) -> Result<Caller, AuthorizeError> {
        let Some(permission) = permission else { return Ok(caller) };
        let catalogue = self.catalogue().await.map_err(AuthenticateError::Store)?;
        if caller.permissions(&catalogue.catalogue).permit(&permission) {
            return Ok(caller);
        }
        self.tell_denied(&caller, &permission, self.clock.now());
        Err(AuthorizeError::PermissionMissing(permission))
    }
}
