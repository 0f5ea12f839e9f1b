use std::sync::Arc;

use maestro_auth_domain::{Generation, RevocableToken, Timestamp, User};
use maestro_auth_ports::{Principal, StoreError, StoredCatalogue};
use thiserror::Error;

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
    Good(Box<Principal>),
    /// The session has ended, or the token was revoked by itself.
    Ended,
    /// The session has ended together with every other one that its user had: all that were opened below this generation.
    AllEnded(Generation),
    /// The session lives, but the user has changed since the token was issued.
    Outdated,
}

impl AuthService {
    /// Tells whose access token this is, as of now. The acting user comes from here and nowhere else (SEC-86).
    ///
    /// As long as this instance knows the blacklist well enough, a token that was seen before costs no signature check
    /// and no question to the store; else the store is asked, and an error is better than a guess (api.md section 8).
    pub async fn authenticate(&self, access_token: &str) -> Result<Arc<User>, AuthenticateError> {
        self.authenticate_token(access_token).await.map(|(user, _)| user)
    }

    /// As [`Self::authenticate`], with the roles by which to tell what the user may do.
    pub async fn show_account(
        &self,
        access_token: &str,
    ) -> Result<(Arc<User>, Arc<StoredCatalogue>), AuthenticateError> {
        let user = self.authenticate(access_token).await?;
        Ok((user, self.catalogue().await?))
    }

    /// As [`Self::authenticate`], with what the token can be revoked by.
    pub(crate) async fn authenticate_token(
        &self,
        access_token: &str,
    ) -> Result<(Arc<User>, RevocableToken), AuthenticateError> {
        let now = self.clock.now();
        let token = self.tokens.check_access(access_token, now).await?;
        Ok((self.holder_of(&token, now).await?, token))
    }

    /// The user of a believed access token, unless the token has been revoked.
    pub(crate) async fn holder_of(
        &self,
        token: &RevocableToken,
        now: Timestamp,
    ) -> Result<Arc<User>, AuthenticateError> {
        match self.revocations.covers(token) {
            Some(true) => {
                self.revocations.count_answer_from_memory();
                Err(AuthenticateError::Revoked)
            }
            Some(false) if let Some(user) = self.principals.find(token, now, self.clock.monotonic()) => {
                self.revocations.count_answer_from_memory();
                Ok(user)
            }
            Some(false) | None => self.ask_store(token, now).await,
        }
    }

    async fn ask_store(
        &self,
        token: &RevocableToken,
        now: Timestamp,
    ) -> Result<Arc<User>, AuthenticateError> {
        self.revocations.count_question_to_store();
        let asked = self.clock.monotonic();
        match self.standing(token, now).await? {
            Standing::Good(principal) => Ok(self.principals.remember(*principal, asked)),
            Standing::Ended | Standing::AllEnded(_) | Standing::Outdated => Err(AuthenticateError::Revoked),
        }
    }

    pub(crate) async fn standing(
        &self,
        token: &RevocableToken,
        now: Timestamp,
    ) -> Result<Standing, StoreError> {
        let found = self.stores.sessions.find_principal(token.session, token.id, token.key).await?;
        let Some(found) = found.filter(|found| found.user.id == token.user) else {
            return Ok(Standing::Ended);
        };
        let Principal { user, session } = &found;
        Ok(if session.has_ended_with_all(user) {
            Standing::AllEnded(user.session_floor)
        } else if !session.is_live(user, now) {
            Standing::Ended
        } else if token.generation != user.generation {
            Standing::Outdated
        } else {
            Standing::Good(Box::new(found))
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
