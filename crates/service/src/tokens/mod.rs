//! Access and refresh tokens: what they say, and which are believed (api.md section 3; RFC 7519, RFC 8725, RFC 9068).

mod claims;
mod compact;
mod verified;

use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{
    KeyId, Permissions, RefreshCounter, RevocableToken, RevocationTime, SessionId, Timestamp, TokenId, User,
    UserId,
};
use maestro_auth_ports::{
    Principal, SignatureCheck, Signed, StoreError, StoreResult, TokenSigner, TokenType,
};
use thiserror::Error;

use self::claims::{AccessClaims, RefreshClaims};
use self::compact::CompactToken;
pub(crate) use self::verified::Verified;
use self::verified::VerifiedTokens;
use crate::TokenPolicy;

/// A user with fresh tokens.
#[derive(Clone)]
pub struct SignedIn {
    pub user: User,
    /// Everything that the user's roles permit.
    pub permissions: Permissions,
    pub access_token: String,
    pub refresh_token: String,
    /// How long the access token lives.
    pub expires_in: Duration,
}

/// Why a token is not believed.
#[derive(Debug, Error)]
pub enum TokenRejected {
    /// It is malformed, forged, of the other kind, or from another issuer.
    #[error("the token is invalid")]
    Invalid,
    /// It was good once, and its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its key could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a believed refresh token says.
#[derive(Clone, Copy)]
pub(crate) struct Refresh {
    pub user: UserId,
    pub session: SessionId,
    pub counter: RefreshCounter,
    pub key: KeyId,
}

/// Whether `token` has the form of a token of this server. Says nothing about its signature.
#[must_use]
pub fn is_well_formed_token(token: &str) -> bool {
    CompactToken::parse(token).is_some_and(|token| {
        AccessClaims::from_json(&token.payload).is_some()
            || RefreshClaims::from_json(&token.payload).is_some()
    })
}

/// Issues and checks tokens.
pub(crate) struct Tokens {
    signer: Arc<dyn TokenSigner>,
    policy: TokenPolicy,
    known_access: VerifiedTokens<RevocableToken>,
    /// Only those that were issued here.
    known_refresh: VerifiedTokens<Refresh>,
}

impl Tokens {
    pub(crate) fn new(signer: Arc<dyn TokenSigner>, policy: TokenPolicy) -> Self {
        Self { signer, policy, known_access: VerifiedTokens::new(), known_refresh: VerifiedTokens::new() }
    }

    pub(crate) const fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// Until when a revocation must be remembered: until every access token that a step of now or a little later may still
    /// have minted is refused for its age.
    pub(crate) fn revocation_time(&self, now: Timestamp) -> RevocationTime {
        const LATE_STEPS: Duration = Duration::from_mins(1);

        // Not the present lifetime: tokens that were issued under a former setting are still about.
        let longest = self.policy.access_ttl.max(TokenPolicy::LONGEST_ACCESS_TTL);
        RevocationTime { at: now, until: now + longest + self.policy.leeway + LATE_STEPS }
    }

    /// Until when the revocation of a key must be remembered: until every token of it, refresh tokens too, is refused for its age.
    pub(crate) fn key_revocation_time(&self, now: Timestamp) -> RevocationTime {
        let RevocationTime { at, until } = self.revocation_time(now);
        let longest = self.policy.refresh.idle_ttl.max(self.policy.access_ttl);
        RevocationTime { at, until: until + longest }
    }

    pub(crate) fn signer(&self) -> &dyn TokenSigner {
        &*self.signer
    }

    /// Signs an access token and the refresh token at the session's current counter, and remembers both: whoever signs a token
    /// need not check its signature.
    pub(crate) fn issue(
        &self,
        principal: Principal,
        permissions: Permissions,
        id: TokenId,
        now: Timestamp,
    ) -> StoreResult<SignedIn> {
        let revision = self.signer.revision();
        let expires_at = (now + self.policy.access_ttl).min(principal.session.expires_at);
        let access = AccessClaims::new(&self.policy, &principal, id, now, expires_at);
        let Signed { token: access_token, key } = self.signer.sign(TokenType::Access, &access.to_json())?;
        let Principal { user, session } = principal;
        let (user_id, generation) = (user.id, user.generation);
        let token = RevocableToken { id, session: session.id, user: user_id, generation, key };
        self.known_access.remember(&access_token, revision, verified(token, access.iat, access.exp));

        let refresh = RefreshClaims::new(&self.policy, &session);
        let Signed { token: refresh_token, key } =
            self.signer.sign(TokenType::Refresh, &refresh.to_json())?;
        let token = Refresh { user: user_id, session: session.id, counter: session.counter, key };
        self.known_refresh.remember(&refresh_token, revision, verified(token, refresh.iat, refresh.exp));
        Ok(SignedIn { access_token, refresh_token, expires_in: expires_at.since(now), user, permissions })
    }

    /// Checks an access token. What was verified once is not verified again while its key is accepted.
    pub(crate) async fn check_access(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<RevocableToken, TokenRejected> {
        self.inspect_access(token, now).await.map(|verified| verified.token)
    }

    /// The same, for who wants to know its times as well.
    pub(crate) async fn inspect_access(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<RevocableToken>, TokenRejected> {
        let revision = self.signer.revision();
        let verified = if let Some(verified) = self.known_access.find(token, revision) {
            verified
        } else {
            let verified = self.verify_access(token).await?;
            self.known_access.remember(token, revision, verified);
            verified
        };
        self.check_times(&verified, now)?;
        Ok(verified)
    }

    /// Checks all of an access token but its expiry: enough to end its own session, which harms nobody.
    pub(crate) async fn check_access_of_any_age(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<RevocableToken, TokenRejected> {
        let verified = self.verify_access(token).await?;
        self.check_issued_at(verified.issued_at, now)?;
        Ok(verified.token)
    }

    /// Checks a refresh token. It is presented once as a rule, so only those issued here are remembered.
    pub(crate) async fn check_refresh(&self, token: &str, now: Timestamp) -> Result<Refresh, TokenRejected> {
        self.inspect_refresh(token, now).await.map(|verified| verified.token)
    }

    /// The same, for who wants to know its times as well.
    pub(crate) async fn inspect_refresh(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<Refresh>, TokenRejected> {
        let verified = match self.known_refresh.find(token, self.signer.revision()) {
            Some(verified) => verified,
            None => self.verify_refresh(token).await?,
        };
        self.check_times(&verified, now)?;
        Ok(verified)
    }

    /// Checks all of a refresh token but its times.
    async fn verify_refresh(&self, token: &str) -> Result<Verified<Refresh>, TokenRejected> {
        let (payload, key) = self.authentic_payload(token, TokenType::Refresh).await?;
        let claims = RefreshClaims::from_json(&payload).ok_or(TokenRejected::Invalid)?;
        if claims.iss != self.policy.issuer {
            return Err(TokenRejected::Invalid);
        }
        let (iat, exp) = (claims.iat, claims.exp);
        Ok(verified(claims.into_refresh(key).ok_or(TokenRejected::Invalid)?, iat, exp))
    }

    /// Checks all of an access token but its times.
    async fn verify_access(&self, token: &str) -> Result<Verified<RevocableToken>, TokenRejected> {
        let (payload, key) = self.authentic_payload(token, TokenType::Access).await?;
        let claims = AccessClaims::from_json(&payload).ok_or(TokenRejected::Invalid)?;
        if claims.iss != self.policy.issuer || claims.aud != self.policy.audience {
            return Err(TokenRejected::Invalid);
        }
        let (iat, exp) = (claims.iat, claims.exp);
        Ok(verified(claims.into_token(key).ok_or(TokenRejected::Invalid)?, iat, exp))
    }

    fn check_times<T>(&self, verified: &Verified<T>, now: Timestamp) -> Result<(), TokenRejected> {
        self.check_issued_at(verified.issued_at, now)?;
        self.check_expiry(verified.expires_at, now)
    }

    /// The payload of a token of the demanded type whose signature holds, and the key that made it.
    async fn authentic_payload(
        &self,
        token: &str,
        demanded: TokenType,
    ) -> Result<(Vec<u8>, KeyId), TokenRejected> {
        let token = CompactToken::parse(token).ok_or(TokenRejected::Invalid)?;
        if token.header.typ != demanded.header() {
            return Err(TokenRejected::Invalid);
        }
        let (kid, alg) = (&token.header.kid, &token.header.alg);
        let key = KeyId::parse(kid).ok_or(TokenRejected::Invalid)?;
        match self.signer.check(kid, alg, token.signing_input, &token.signature).await? {
            SignatureCheck::Valid => Ok((token.payload, key)),
            SignatureCheck::Invalid | SignatureCheck::UnknownKey => Err(TokenRejected::Invalid),
        }
    }

    fn check_issued_at(&self, issued_at: Timestamp, now: Timestamp) -> Result<(), TokenRejected> {
        if issued_at > now + self.policy.leeway {
            return Err(TokenRejected::Invalid);
        }
        Ok(())
    }

    fn check_expiry(&self, expires_at: Timestamp, now: Timestamp) -> Result<(), TokenRejected> {
        if now >= expires_at + self.policy.leeway {
            return Err(TokenRejected::Expired);
        }
        Ok(())
    }
}

/// A token with its times, given as in its claims.
fn verified<T>(token: T, iat: i64, exp: i64) -> Verified<T> {
    let [issued_at, expires_at] = [iat, exp].map(Timestamp::from_unix_seconds);
    Verified { token, issued_at, expires_at }
}
