use maestro_auth_domain::{RevocableToken, Timestamp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What a verified access token says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    pub token: RevocableToken,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Access tokens whose signature was checked, so that it need not be checked at each request. Only tokens of this server get
/// in, so nobody can fill it with others.
pub(super) struct VerifiedTokens {
    /// By the whole text of a token, so that nothing but that very token is taken for it.
    cache: Cache<Box<str>, Entry, ByBytes>,
}

#[derive(Clone, Copy)]
struct Entry {
    verified: Verified,
    /// The keys that were accepted when it was verified.
    revision: u64,
}

impl VerifiedTokens {
    const BYTES: u64 = 8 * 1024 * 1024;
    const TOKENS: usize = 10_000;

    pub(super) fn new() -> Self {
        Self { cache: Cache::with_weighter(Self::TOKENS, Self::BYTES, ByBytes) }
    }

    /// What `token` says, if it was verified while the keys of `revision` were accepted.
    pub(super) fn find(&self, token: &str, revision: u64) -> Option<Verified> {
        let entry = self.cache.get(token)?;
        (entry.revision == revision).then_some(entry.verified)
    }

    pub(super) fn remember(&self, token: &str, revision: u64, verified: Verified) {
        self.cache.insert(token.into(), Entry { verified, revision });
    }
}

/// Roughly the memory that an entry takes.
#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<str>, Entry> for ByBytes {
    fn weight(&self, text: &Box<str>, _: &Entry) -> u64 {
        (text.len() + size_of::<Entry>() + 64) as u64
    }
}
