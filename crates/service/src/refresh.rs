use maestro_auth_domain::{Action, Actor, Origin, Outcome, Revoked, Subject, TokenId};
use maestro_auth_ports::{RotateOutcome, StoreError};
use thiserror::Error;

use crate::audit::Event;
use crate::{AuthService, SignedIn, TokenRejected};

/// Why a refresh token bought nothing.
#[derive(Debug, Error)]
pub enum RefreshError {
    #[error("the refresh token is invalid")]
    Invalid,
    #[error("the refresh token has expired")]
    Expired,
    #[error("the session has ended")]
    Revoked,
    /// The token was spent before; its session has ended for it (RFC 9700 section 4.14.2).
    #[error("the refresh token was used twice")]
    Reused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthService {
    /// Buys the successor of a refresh token, and an access token for the user as it is now (SEC-49 to SEC-54).
    pub async fn refresh(&self, refresh_token: &str, origin: &Origin) -> Result<SignedIn, RefreshError> {
        let now = self.clock.now();
        let token_id = TokenId::generate(now, self.entropy.bytes());
        let presented = self.tokens.check_refresh(refresh_token, now).await?;

        let (policy, when) = (self.tokens.policy().refresh, self.tokens.revocation_time(now));
        let event = Event::new(Action::RefreshReused, Actor::User(presented.user), origin)
            .about(Subject::Session(presented.session))
            .ended(Outcome::Failure);
        let on_reuse = self.effects(now, event);
        let catalogue = self.catalogue().await?; // before the step, so that nothing can fail after it
        let asked = self.clock.monotonic();
        let (session, counter, key) = (presented.session, presented.counter, presented.key);
        match self.stores.sessions.rotate(session, counter, key, policy, when, on_reuse).await? {
            RotateOutcome::Rotated(principal) | RotateOutcome::Replayed(principal)
                if principal.user.id == presented.user =>
            {
                Ok(self.sign_in(principal, &catalogue, asked, token_id, now)?)
            }
            RotateOutcome::Reused(user) => {
                self.note(Revoked::Session(presented.session), when);
                tracing::warn!(user.id = %user, session.id = %presented.session, "spent refresh token presented again; session ended");
                Err(RefreshError::Reused)
            }
            RotateOutcome::Ended => Err(RefreshError::Revoked),
            RotateOutcome::Expired => Err(RefreshError::Expired),
            RotateOutcome::KeyRevoked
            | RotateOutcome::Unknown
            | RotateOutcome::Rotated(_)
            | RotateOutcome::Replayed(_) => Err(RefreshError::Invalid),
        }
    }
}

impl From<TokenRejected> for RefreshError {
    fn from(rejected: TokenRejected) -> Self {
        match rejected {
            TokenRejected::Invalid => Self::Invalid,
            TokenRejected::Expired => Self::Expired,
            TokenRejected::Store(error) => Self::Store(error),
        }
    }
}
