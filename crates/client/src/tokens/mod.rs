//! Which access tokens are believed (api.md section 3; RFC 8725, RFC 9068).

mod claims;
mod compact;

use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use self::claims::AccessClaims;
use self::compact::CompactToken;
use crate::clock::unix_now;
use crate::keys::Keys;
use crate::{Refusal, SessionId, TokenId, UserId};

/// What a believed access token says.
pub(crate) struct AccessToken {
    pub id: TokenId,
    pub user: UserId,
    pub session: SessionId,
    /// The user's token generation.
    pub generation: i64,
    pub roles: Vec<String>,
    pub email: Option<String>,
    /// In seconds since 1970, as are the others.
    pub expires_at: i64,
    issued_at: i64,
    not_before: Option<i64>,
}

/// What a token must say of itself.
pub(crate) struct Expected {
    pub issuer: String,
    pub audience: String,
    pub leeway: Duration,
}

/// Checks tokens: everything but revocations.
pub(crate) struct Verifier {
    keys: Arc<Keys>,
    expected: Expected,
    known: VerifiedTokens,
}

impl Verifier {
    pub(crate) fn new(keys: Arc<Keys>, expected: Expected) -> Self {
        Self { keys, expected, known: VerifiedTokens::new() }
    }

    /// What was verified once is not verified again while its key is accepted.
    pub(crate) async fn check(&self, token: &str) -> Result<Arc<AccessToken>, Refusal> {
        let revision = self.keys.revision();
        let verified = if let Some(known) = self.known.find(token, revision) {
            known
        } else {
            let verified = Arc::new(self.verify(token).await?);
            self.known.remember(token, revision, Arc::clone(&verified));
            verified
        };
        self.check_times(&verified)?;
        Ok(verified)
    }

    /// Checks all of a token but its times.
    async fn verify(&self, token: &str) -> Result<AccessToken, Refusal> {
        let token = CompactToken::parse(token).ok_or(Refusal::InvalidToken)?;
        if token.header.typ != "at+jwt" {
            return Err(Refusal::InvalidToken);
        }
        let key = self.keys.find_or_look_up(&token.header.kid).await?.ok_or(Refusal::InvalidToken)?;
        if !key.has_signed(&token.header.alg, token.signing_input, token.signature) {
            return Err(Refusal::InvalidToken);
        }
        let claims = AccessClaims::from_json(&token.payload).ok_or(Refusal::InvalidToken)?;
        if claims.iss != self.expected.issuer || claims.aud != self.expected.audience {
            return Err(Refusal::InvalidToken);
        }
        Ok(claims.into_token())
    }

    fn check_times(&self, token: &AccessToken) -> Result<(), Refusal> {
        let now = unix_now();
        let leeway = i64::try_from(self.expected.leeway.as_secs()).unwrap_or(0);
        let begins_at = token.not_before.unwrap_or(token.issued_at).max(token.issued_at);
        if begins_at > now.saturating_add(leeway) {
            return Err(Refusal::InvalidToken);
        }
        if now >= token.expires_at.saturating_add(leeway) {
            return Err(Refusal::TokenExpired);
        }
        Ok(())
    }
}

/// Tokens whose signature was checked, so that it need not be checked again. Only tokens of the server get in, so nobody can
/// fill it with others.
struct VerifiedTokens {
    /// By the whole text of a token, so that nothing but that very token is taken for it.
    cache: Cache<Box<str>, Known, ByBytes>,
}

#[derive(Clone)]
struct Known {
    token: Arc<AccessToken>,
    /// The keys that were accepted when it was verified.
    revision: u64,
}

impl VerifiedTokens {
    const BYTES: u64 = 16 * 1024 * 1024;
    const TOKENS: usize = 10_000;

    fn new() -> Self {
        Self { cache: Cache::with_weighter(Self::TOKENS, Self::BYTES, ByBytes) }
    }

    fn find(&self, token: &str, revision: u64) -> Option<Arc<AccessToken>> {
        let known = self.cache.get(token)?;
        (known.revision == revision).then_some(known.token)
    }

    fn remember(&self, text: &str, revision: u64, token: Arc<AccessToken>) {
        self.cache.insert(text.into(), Known { token, revision });
    }
}

/// Roughly the memory that an entry takes: what the token says is less than its text.
#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<str>, Known> for ByBytes {
    fn weight(&self, text: &Box<str>, _: &Known) -> u64 {
        (2 * text.len() + size_of::<AccessToken>() + 128) as u64
    }
}
