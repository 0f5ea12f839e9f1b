//! Access and refresh tokens: what they say, and which are believed (api.md section 3; RFC 7519, RFC 8725, RFC 9068).

mod claims;
mod compact;
mod verified;

use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{
    RefreshCounter, RevocableToken, RevocationTime, SessionId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::{Principal, SignatureCheck, StoreError, StoreResult, TokenSigner, TokenType};
use thiserror::Error;

use self::claims::{AccessClaims, RefreshClaims};
use self::compact::CompactToken;
use self::verified::{Verified, VerifiedTokens};
use crate::TokenPolicy;

/// A user with fresh tokens.
#[derive(Clone)]
pub struct SignedIn {
    pub user: User,
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
pub(crate) struct Refresh {
    pub user: UserId,
    pub session: SessionId,
    pub counter: RefreshCounter,
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
    verified: VerifiedTokens,
}

impl Tokens {
    pub(crate) fn new(signer: Arc<dyn TokenSigner>, policy: TokenPolicy) -> Self {
        Self { signer, policy, verified: VerifiedTokens::new() }
    }

    pub(crate) const fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// Until when a revocation must be remembered: until every access token that a step of now or a little later may still
    /// have minted is refused for its age.
    pub(crate) fn revocation_time(&self, now: Timestamp) -> RevocationTime {
        const LATE_STEPS: Duration = Duration::from_mins(1);

        RevocationTime { at: now, until: now + self.policy.access_ttl + self.policy.leeway + LATE_STEPS }
    }

    /// Signs an access token and the refresh token at the session's current counter.
    pub(crate) fn issue(&self, principal: Principal, id: TokenId, now: Timestamp) -> StoreResult<SignedIn> {
        let expires_at = (now + self.policy.access_ttl).min(principal.session.expires_at);
        let access = AccessClaims::new(&self.policy, &principal, id, now, expires_at);
        let refresh = RefreshClaims::new(&self.policy, &principal.session);
        Ok(SignedIn {
            access_token: self.signer.sign(TokenType::Access, &access.to_json())?,
            refresh_token: self.signer.sign(TokenType::Refresh, &refresh.to_json())?,
            expires_in: expires_at.since(now),
            user: principal.user,
        })
    }

    /// Checks an access token. What was verified once is not verified again while its key is accepted.
    pub(crate) async fn check_access(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<RevocableToken, TokenRejected> {
        let revision = self.signer.revision();
        let verified = if let Some(verified) = self.verified.find(token, revision) {
            verified
        } else {
            let verified = self.verify_access(token).await?;
            self.verified.remember(token, revision, verified);
            verified
        };
        self.check_times(&verified, now)?;
        Ok(verified.token)
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

    pub(crate) async fn check_refresh(&self, token: &str, now: Timestamp) -> Result<Refresh, TokenRejected> {
        let payload = self.authentic_payload(token, TokenType::Refresh).await?;
        let claims = RefreshClaims::from_json(&payload).ok_or(TokenRejected::Invalid)?;
        if claims.iss != self.policy.issuer {
            return Err(TokenRejected::Invalid);
        }
        self.check_issued_at(Timestamp::from_unix_seconds(claims.iat), now)?;
        self.check_expiry(Timestamp::from_unix_seconds(claims.exp), now)?;
        claims.into_refresh().ok_or(TokenRejected::Invalid)
    }

    /// Checks all of an access token but its times.
    async fn verify_access(&self, token: &str) -> Result<Verified, TokenRejected> {
        let payload = self.authentic_payload(token, TokenType::Access).await?;
        let claims = AccessClaims::from_json(&payload).ok_or(TokenRejected::Invalid)?;
        if claims.iss != self.policy.issuer || claims.aud != self.policy.audience {
            return Err(TokenRejected::Invalid);
        }
        Ok(Verified {
            issued_at: Timestamp::from_unix_seconds(claims.iat),
            expires_at: Timestamp::from_unix_seconds(claims.exp),
            token: claims.into_token().ok_or(TokenRejected::Invalid)?,
        })
    }

    fn check_times(&self, verified: &Verified, now: Timestamp) -> Result<(), TokenRejected> {
        self.check_issued_at(verified.issued_at, now)?;
        self.check_expiry(verified.expires_at, now)
    }

    /// The payload of a token of the demanded type whose signature holds.
    async fn authentic_payload(&self, token: &str, demanded: TokenType) -> Result<Vec<u8>, TokenRejected> {
        let token = CompactToken::parse(token).ok_or(TokenRejected::Invalid)?;
        if token.header.typ != demanded.header() {
            return Err(TokenRejected::Invalid);
        }
        let (kid, alg) = (&token.header.kid, &token.header.alg);
        match self.signer.check(kid, alg, token.signing_input, &token.signature).await? {
            SignatureCheck::Valid => Ok(token.payload),
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
