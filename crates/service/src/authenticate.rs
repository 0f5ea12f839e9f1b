use maestro_auth_domain::User;
use maestro_auth_ports::{Principal, StoreError};
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
    /// The session has ended together with every other one that its user had.
    AllEnded,
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
            Standing::Ended | Standing::AllEnded | Standing::Outdated => Err(AuthenticateError::Revoked),
        }
    }

    pub(crate) async fn standing(&self, access: &Access) -> Result<Standing, StoreError> {
        let now = self.clock.now();
        let found = self.stores.sessions.find_principal(access.session).await?;
        let Some(Principal { user, session }) = found.filter(|found| found.user.id == access.user) else {
            return Ok(Standing::Ended);
        };
        Ok(if session.has_ended_with_all(&user) {
            Standing::AllEnded
        } else if !session.is_live(&user, now) {
            Standing::Ended
        } else if access.generation != user.generation {
            Standing::Outdated
        } else {
            Standing::Good(Box::new(user))
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
