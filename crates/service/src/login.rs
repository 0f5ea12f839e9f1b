use maestro_auth_domain::{Action, Actor, Email, Origin, Outcome, Password, Subject, TokenId, UserId};
use maestro_auth_ports::{HashError, OpenOutcome, StoreError, Verification};
use thiserror::Error;
use tokio::time::Instant;

use crate::audit::Event;
use crate::{AuthService, SignedIn, TENANT};

/// What a user presents to sign in.
#[derive(Debug)]
pub struct Login {
    pub email: Email,
    pub password: Password,
}

/// Why nobody was signed in.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The address is unknown, the password wrong, or the account inactive: nobody learns which (SEC-15).
    #[error("the address or the password is wrong")]
    InvalidCredentials,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthService {
    /// Signs a user in with a new session (SEC-22).
    ///
    /// Every refusal does the same work and takes the same time, whatever its reason (SEC-15 to SEC-17): one look-up, one
    /// verification, then the floor that hides which scheme an old hash was made with.
    pub async fn login(&self, request: Login, origin: &Origin) -> Result<SignedIn, LoginError> {
        let started = Instant::now();
        let outcome = self.verify_and_open(request, origin).await;
        if matches!(outcome, Err(LoginError::InvalidCredentials)) {
            tokio::time::sleep_until(started + self.hasher.failure_floor()).await;
        }
        outcome
    }

    async fn verify_and_open(&self, request: Login, origin: &Origin) -> Result<SignedIn, LoginError> {
        let found = self.stores.users.find_credentials(TENANT, &request.email).await?;
        let stored_hash = found.as_ref().map(|credentials| credentials.password_hash.clone());
        let verification = self.hasher.verify(request.password, stored_hash).await?;
        let known = found.as_ref().map(|credentials| credentials.user.id);
        if verification == Verification::Rejected {
            return Err(self.refuse_login(Action::HashRejected, known, origin));
        }
        let (Some(credentials), Verification::Match { upgrade }) = (found, verification) else {
            return Err(self.refuse_login(Action::LoginFailed, known, origin));
        };

        let now = self.clock.now();
        let token_id = TokenId::generate(now, self.entropy.bytes());
        let session = self.new_session(now);
        let (user, verified) = (credentials.user.id, credentials.password_version);
        let event = Event::new(Action::LoginSucceeded, Actor::User(user), origin)
            .about(Subject::User(user))
            .with("session", session.id.to_string());
        let effects = self.effects(now, event);
        let catalogue = self.catalogue().await?; // before the step, so that nothing can fail after it
        let asked = self.clock.monotonic();
        match self.stores.sessions.open(user, verified, upgrade, session, effects).await? {
            OpenOutcome::Opened(principal) => {
                tracing::info!(user.id = %user, session.id = %session.id, "user logged in");
                Ok(self.sign_in(principal, &catalogue, asked, token_id, now)?)
            }
            OpenOutcome::Refused => Err(self.refuse_login(Action::LoginFailed, Some(user), origin)),
        }
    }

    /// Tells the trail, and nobody else, whose account it was.
    fn refuse_login(&self, what: Action, user: Option<UserId>, origin: &Origin) -> LoginError {
        let event = Event::new(what, Actor::Anonymous, origin).ended(Outcome::Failure);
        let event = match user {
            Some(user) => event.about(Subject::User(user)),
            None => event,
        };
        self.tell(self.clock.now(), event);
        LoginError::InvalidCredentials
    }
}
