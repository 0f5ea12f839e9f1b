use maestro_auth_domain::{
    Action, Actor, Generation, Origin, RevocableToken, RevocationTime, Revoked, Subject, Timestamp,
};
use maestro_auth_ports::RevokeAllOutcome;

use crate::audit::Event;
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
    pub async fn logout(
        &self,
        access_token: &str,
        scope: LogoutScope,
        origin: &Origin,
    ) -> Result<(), LogoutError> {
        match scope {
            LogoutScope::ThisSession => self.logout_here(access_token, origin).await,
            LogoutScope::Everywhere => self.logout_everywhere(access_token, origin).await,
        }
    }

    async fn logout_here(&self, access_token: &str, origin: &Origin) -> Result<(), LogoutError> {
        let now = self.clock.now();
        let access = self.tokens.check_access_of_any_age(access_token, now).await?;
        let when = self.tokens.revocation_time(now);
        let event = Event::new(Action::LoggedOut, Actor::User(access.user), origin)
            .about(Subject::Session(access.session));
        self.stores.sessions.revoke(access.session, when, self.effects(now, event)).await?;
        self.note(Revoked::Session(access.session), when);
        tracing::info!(user.id = %access.user, session.id = %access.session, "user logged out");
        Ok(())
    }

    async fn logout_everywhere(&self, access_token: &str, origin: &Origin) -> Result<(), LogoutError> {
        let now = self.clock.now();
        let access = self.tokens.check_access(access_token, now).await?;
        let when = self.tokens.revocation_time(now);
        let min_generation = match self.standing(&access, now).await? {
            Standing::Good(_) => self.end_all_sessions(&access, now, when, origin).await?,
            Standing::AllEnded(floor) => floor,
            Standing::Ended | Standing::Outdated => return Err(LogoutError::Revoked),
        };
        // Also when it was another instance that ended them: this one need not have heard of it yet.
        self.note(Revoked::User { user: access.user, min_generation }, when);
        tracing::info!(user.id = %access.user, "user logged out everywhere");
        Ok(())
    }

    /// Ends all sessions, and gives the generation below which none lives.
    async fn end_all_sessions(
        &self,
        by: &RevocableToken,
        now: Timestamp,
        when: RevocationTime,
        origin: &Origin,
    ) -> Result<Generation, LogoutError> {
        let event = Event::new(Action::LoggedOutEverywhere, Actor::User(by.user), origin)
            .about(Subject::User(by.user));
        match self.stores.sessions.revoke_all(by.session, when, self.effects(now, event)).await? {
            RevokeAllOutcome::Revoked(generation) => Ok(generation),
            // The session ended just now, alone or with all others: what is promised must be true.
            RevokeAllOutcome::Powerless => match self.standing(by, now).await? {
                Standing::AllEnded(floor) => Ok(floor),
                _ => Err(LogoutError::Revoked),
            },
        }
    }
}
