use std::sync::Arc;

use maestro_auth_domain::{Origin, PermissionName, RoleCatalogue, RoleName, User};
use maestro_auth_ports::StoredCatalogue;
use thiserror::Error;

use crate::authenticate::Standing;
use crate::caller::Identity;
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
        let (user, token) = self.authenticate_token(access_token).await?;
        let catalogue = self.catalogue().await.map_err(AuthenticateError::Store)?;
        let caller = Caller::new(Identity::User(user, token), permission, origin);
        self.demand(&caller, &catalogue.catalogue)?;
        Ok(caller)
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
        let catalogue = self.catalogue().await.map_err(AuthenticateError::Store)?;
        let caller = Caller::new(Identity::Service(service), permission, origin);
        self.demand(&caller, &catalogue.catalogue)?;
        Ok(caller)
    }

    /// The caller as it is now, and the roles by which that is judged. A request may have been under way for long, and whoever
    /// changes something must still be who may (SEC-63, SEC-91): so the store is asked, not memory.
    pub(crate) async fn as_of_now(
        &self,
        caller: &Caller,
    ) -> Result<(Caller, Arc<StoredCatalogue>), AuthorizeError> {
        let catalogue = self.load_catalogue().await.map_err(AuthenticateError::Store)?;
        let identity = match caller.identity() {
            Identity::User(_, token) => match self.standing(token, self.clock.now()).await {
                Ok(Standing::Good(principal)) => Identity::User(Arc::new(principal.user), *token),
                Ok(_) => return Err(AuthenticateError::Revoked.into()),
                Err(error) => return Err(AuthenticateError::Store(error).into()),
            },
            Identity::Service(service) => {
                let found = self.stores.services.find_service(service.id).await;
                let found = found.map_err(AuthenticateError::Store)?;
                let (service, _) = found.ok_or(AuthorizeError::InvalidClient)?;
                Identity::Service(Arc::new(service))
            }
            Identity::Operator => Identity::Operator,
        };
        let caller = caller.now(identity);
        self.demand(&caller, &catalogue.catalogue)?;
        Ok((caller, catalogue))
    }

    /// Makes sure that the caller still may do what it was admitted for; for answers that take long.
    pub async fn confirm(&self, caller: &Caller) -> Result<(), AuthorizeError> {
        self.as_of_now(caller).await.map(drop)
    }

    fn demand(&self, caller: &Caller, catalogue: &RoleCatalogue) -> Result<(), AuthorizeError> {
        match caller.demanded() {
            Some(permission) if !caller.permissions(catalogue).permit(permission) => {
                self.tell_denied(caller, permission, self.clock.now());
                Err(AuthorizeError::PermissionMissing(permission.clone()))
            }
            _ => Ok(()),
        }
    }
}
