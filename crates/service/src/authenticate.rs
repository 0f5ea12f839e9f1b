use maestro_auth_domain::User;
use maestro_auth_ports::StoreError;
use thiserror::Error;

use crate::tokens::Access;
use crate::{AuthService, TokenRejected};

/// Why a request is nobody's.
#[derive(Debug, Error)]
pub enum AuthenticateError {
    #[error("the access token is invalid")]
    Invalid,
    #[error("the access token has expired")]
    Expired,
    /// Its session has ended, or its user has changed since it was issued.
    #[error("the access token has been revoked")]
    Revoked,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the store says of a believed access token.
pub(crate) enum Standing {
    Good(Box<User>),
    /// The session has ended.
    Ended,
    /// The session lives, but the user has changed since the token was issued.
    Outdated,
}

impl AuthService {
    /// Tells whose access token this is, as of now. The acting user comes from here and nowhere else (SEC-86).
    #[tracing::instrument(skip_all)]
    pub async fn authenticate(&self, access_token: &str) -> Result<User, AuthenticateError> {
        let access = self.tokens.check_access(access_token, self.clock.now()).await?;
        match self.standing(&access).await? {
            Standing::Good(user) => Ok(*user),
            Standing::Ended | Standing::Outdated => Err(AuthenticateError::Revoked),
        }
    }

    pub(crate) async fn standing(&self, access: &Access) -> Result<Standing, StoreError> {
        let now = self.clock.now();
        let principal = self.stores.sessions.find_principal(access.session).await?;
        Ok(match principal {
            Some(principal)
                if principal.user.id == access.user && principal.session.is_live(&principal.user, now) =>
            {
                if access.generation == principal.user.generation {
                    Standing::Good(Box::new(principal.user))
                } else {
                    Standing::Outdated
                }
            }
            _ => Standing::Ended,
        })
    }
}

impl From<TokenRejected> for AuthenticateError {
    fn from(rejected: TokenRejected) -> Self {
        match rejected {
            TokenRejected::Invalid => Self::Invalid,
            TokenRejected::Expired => Self::Expired,
            TokenRejected::Store(error) => Self::Store(error),
        }
    }
}
