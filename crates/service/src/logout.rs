use maestro_auth_domain::Revoked;
use maestro_auth_ports::RevokeAllOutcome;

use crate::authenticate::Standing;
use crate::{AuthService, AuthenticateError};

/// What a logout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutScope {
    /// The session of the presented token.
    ThisSession,
    /// Every session of the user.
    Everywhere,
}

/// Why a logout was refused: as any other request that a token must stand for.
pub type LogoutError = AuthenticateError;

impl AuthService {
    /// Ends the session of an access token, or all sessions of its user, before it returns (SEC-61, SEC-62, SEC-64).
    ///
    /// Logging out again with the same token succeeds and ends nothing more. An expired token still ends its own session.
    /// A token whose session alone has ended ends no other: whoever asks it to is told so.
    #[tracing::instrument(skip_all)]
    pub async fn logout(&self, access_token: &str, scope: LogoutScope) -> Result<(), LogoutError> {
        match scope {
            LogoutScope::ThisSession => self.logout_here(access_token).await,
            LogoutScope::Everywhere => self.logout_everywhere(access_token).await,
        }
    }

    async fn logout_here(&self, access_token: &str) -> Result<(), LogoutError> {
        let now = self.clock.now();
        let access = self.tokens.check_access_of_any_age(access_token, now).await?;
        let when = self.tokens.revocation_time(now);
        self.stores.sessions.revoke(access.session, when).await?;
        self.note(Revoked::Session(access.session), when);
        tracing::info!(user.id = %access.user, session.id = %access.session, "user logged out");
        Ok(())
    }

    async fn logout_everywhere(&self, access_token: &str) -> Result<(), LogoutError> {
        let now = self.clock.now();
        let access = self.tokens.check_access(access_token, now).await?;
        match self.standing(&access, now).await? {
            Standing::Good(_) => {}
            Standing::AllEnded => return Ok(()),
            Standing::Ended | Standing::Outdated => return Err(LogoutError::Revoked),
        }
        let when = self.tokens.revocation_time(now);
        match self.stores.sessions.revoke_all(access.session, when).await? {
            RevokeAllOutcome::Revoked(min_generation) => {
                self.note(Revoked::User { user: access.user, min_generation }, when);
                tracing::info!(user.id = %access.user, "user logged out everywhere");
                Ok(())
            }
            // The session ended just now, alone or with all others: what was promised must be true.
            RevokeAllOutcome::Powerless => match self.standing(&access, now).await? {
                Standing::AllEnded => Ok(()),
                _ => Err(LogoutError::Revoked),
            },
        }
    }
}
