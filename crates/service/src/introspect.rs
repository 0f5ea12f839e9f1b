use std::sync::Arc;

use maestro_auth_domain::{
    Permissions, RefreshVerdict, RevocableToken, Roles, SessionId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::StoreResult;

use crate::tokens::{Refresh, Verified};
use crate::{AuthService, AuthenticateError, Caller, TENANT, TokenRejected};

/// What a registered service learns of a token (RFC 7662 section 2.2).
#[derive(Debug)]
pub enum Introspection {
    /// It is good for nothing, and why is nobody's business (SEC-59).
    Inactive,
    /// It is good at this moment.
    Active(Box<ActiveToken>),
}

/// A token that is good at the moment, and what whoever holds it may do.
#[derive(Debug)]
pub struct ActiveToken {
    pub kind: TokenKind,
    pub user: UserId,
    pub session: SessionId,
    /// The issuer (RFC 7519 section 4.1.1).
    pub issuer: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub roles: Roles,
    /// Everything that the roles permit.
    pub permissions: Permissions,
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// It opens the API.
    Access { id: TokenId, audience: String },
    /// It buys the next pair of tokens, once.
    Refresh,
}

impl AuthService {
    /// Tells a registered service whether a token is good at this moment, and whose it is (RFC 7662). It may be of either kind.
    ///
    /// An access token is judged as [`Self::authenticate`] does, and a refresh token by the store. Nothing is spent or changed by
    /// it. `Err` means that the store could not be asked: then nothing is said of the token, which may well be good.
    pub async fn introspect(&self, by: &Caller, token: &str) -> StoreResult<Introspection> {
        let now = self.clock.now();
        let introspection = match believed(self.tokens.inspect_access(token, now).await)? {
            Some(access) => self.introspect_access(access, now).await?,
            None => match believed(self.tokens.inspect_refresh(token, now).await)? {
                Some(refresh) => self.introspect_refresh(refresh, now).await?,
                None => Introspection::Inactive,
            },
        };
        tracing::debug!(
            actor = by.actor().to_text(),
            active = matches!(introspection, Introspection::Active(_)),
            "token introspected"
        );
        Ok(introspection)
    }

    async fn introspect_access(
        &self,
        access: Verified<RevocableToken>,
        now: Timestamp,
    ) -> StoreResult<Introspection> {
        let user = match self.holder_of(&access.token, now).await {
            Ok(user) => user,
            Err(AuthenticateError::Store(error)) => return Err(error),
            Err(AuthenticateError::Invalid | AuthenticateError::Expired | AuthenticateError::Revoked) => {
                return Ok(Introspection::Inactive);
            }
        };
        let audience = self.tokens.policy().audience.clone();
        let kind = TokenKind::Access { id: access.token.id, audience };
        self.active(kind, &user, access.token.session, (access.issued_at, access.expires_at)).await
    }

    async fn introspect_refresh(
        &self,
        refresh: Verified<Refresh>,
        now: Timestamp,
    ) -> StoreResult<Introspection> {
        let Refresh { user, session, counter, key } = refresh.token;
        // A refresh token has no `jti`, and nobody has revoked this one.
        let no_token = TokenId::generate(now, self.entropy.bytes());
        self.revocations.count_question_to_store();
        let found = self.stores.sessions.find_principal(session, no_token, key).await?;
        let Some(found) = found.filter(|found| found.user.id == user && found.user.tenant == TENANT) else {
            return Ok(Introspection::Inactive);
        };
        // The predecessor is spent, though a client that races with itself is still answered for a moment.
        match found.session.judge(&found.user, counter, &self.tokens.policy().refresh, now) {
            RefreshVerdict::Rotate => {
                let times = (refresh.issued_at, refresh.expires_at);
                self.active(TokenKind::Refresh, &Arc::new(found.user), session, times).await
            }
            RefreshVerdict::Replay
            | RefreshVerdict::Reuse
            | RefreshVerdict::Ended
            | RefreshVerdict::Expired => Ok(Introspection::Inactive),
        }
    }

    async fn active(
        &self,
        kind: TokenKind,
        user: &User,
        session: SessionId,
        (issued_at, expires_at): (Timestamp, Timestamp),
    ) -> StoreResult<Introspection> {
        Ok(Introspection::Active(Box::new(ActiveToken {
            kind,
            user: user.id,
            session,
            issuer: self.issuer().to_owned(),
            issued_at,
            expires_at,
            permissions: self.permissions_of(&user.roles).await?,
            roles: user.roles.clone(),
        })))
    }

    /// The `iss` of the tokens of this server.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.tokens.policy().issuer
    }
}

/// What was believed; `None` for what never will be (again). What could not be looked up is an error.
pub(crate) fn believed<T>(checked: Result<T, TokenRejected>) -> StoreResult<Option<T>> {
    match checked {
        Ok(believed) => Ok(Some(believed)),
        Err(TokenRejected::Invalid | TokenRejected::Expired) => Ok(None),
        Err(TokenRejected::Store(error)) => Err(error),
    }
}
