use std::sync::Arc;

use maestro_auth_domain::{PermissionName, RoleName, User};
use thiserror::Error;

use crate::{AuthService, AuthenticateError};

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
}

impl AuthService {
    /// Tells whose access token this is, as [`Self::authenticate`] does, and refuses whoever lacks what is demanded.
    pub async fn authorize(&self, access_token: &str, demand: Demand) -> Result<Arc<User>, AuthorizeError> {
        let user = self.authenticate(access_token).await?;
        if let Some(permission) = demand.permission
            && !user.roles.permit(&permission)
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
}
