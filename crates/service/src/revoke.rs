use maestro_auth_domain::{Action, RevocableToken, Revoked, Subject, Timestamp};
use maestro_auth_ports::StoreResult;

use crate::audit::Event;
use crate::introspect::believed;
use crate::tokens::Refresh;
use crate::{AuthService, Caller, TENANT};

impl AuthService {
    /// Ends a token on behalf of a registered service (RFC 7009): an access token alone, or the whole session of a refresh token.
    ///
    /// It is refused everywhere from then on, on this instance before this returns (SEC-62). Junk, and what has expired, is no
    /// error: nobody can use it as it is. `Err` means that the store could not be asked, and that nothing is promised.
    pub async fn revoke_token(&self, by: &Caller, token: &str) -> StoreResult<()> {
        let now = self.clock.now();
        if let Some(access) = believed(self.tokens.check_access(token, now).await)? {
            return self.revoke_access(by, access, now).await;
        }
        match believed(self.tokens.check_refresh(token, now).await)? {
            Some(refresh) => self.revoke_refresh(by, refresh, now).await,
            None => Ok(()),
        }
    }

    async fn revoke_access(&self, by: &Caller, access: RevocableToken, now: Timestamp) -> StoreResult<()> {
        let when = self.tokens.revocation_time(now);
        let event = Event::new(Action::TokenRevoked, by.actor(), by.origin())
            .about(Subject::Session(access.session))
            .with("token", "access")
            .with("jti", access.id.to_string());
        self.stores.sessions.revoke_token(TENANT, access.id, when, self.effects(now, event)).await?;
        self.note(Revoked::Token(access.id), when);
        tracing::info!(user.id = %access.user, session.id = %access.session, token.id = %access.id, "access token revoked");
        Ok(())
    }

    /// A spent one, too: whoever has it ends the session by it anyhow (SEC-50).
    async fn revoke_refresh(&self, by: &Caller, refresh: Refresh, now: Timestamp) -> StoreResult<()> {
        let when = self.tokens.revocation_time(now);
        let event = Event::new(Action::TokenRevoked, by.actor(), by.origin())
            .about(Subject::Session(refresh.session))
            .with("token", "refresh")
            .with("user", refresh.user.to_string());
        self.stores.sessions.revoke(refresh.session, when, self.effects(now, event)).await?;
        self.note(Revoked::Session(refresh.session), when);
        tracing::info!(user.id = %refresh.user, session.id = %refresh.session, "session revoked by its refresh token");
        Ok(())
    }
}
