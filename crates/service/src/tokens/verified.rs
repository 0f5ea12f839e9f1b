use maestro_auth_domain::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What a token of this server says of itself and of its times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verified<T> {
    pub token: T,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Tokens that this instance has issued, or whose signature it has checked, so that it need not be checked (again). Only tokens
/// of this server get in, so nobody can fill it with others.
pub(super) struct VerifiedTokens<T> {
    /// By the whole text of a token, so that nothing but that very token is taken for it.
    cache: Cache<Box<str>, Entry<T>, ByBytes>,
}

#[derive(Clone, Copy)]
struct Entry<T> {
    verified: Verified<T>,
    /// The keys that were accepted when it was verified.
    revision: u64,
}

impl<T: Copy> VerifiedTokens<T> {
    const BYTES: u64 = 4 * 1024 * 1024;
    const TOKENS: usize = 5_000;

    pub(super) fn new() -> Self {
        Self { cache: Cache::with_weighter(Self::TOKENS, Self::BYTES, ByBytes) }
    }

    /// What `token` says, if it was verified while the keys of `revision` were accepted.
    pub(super) fn find(&self, token: &str, revision: u64) -> Option<Verified<T>> {
        let entry = self.cache.get(token)?;
        (entry.revision == revision).then_some(entry.verified)
    }

    pub(super) fn remember(&self, token: &str, revision: u64, verified: Verified<T>) {
        self.cache.insert(token.into(), Entry { verified, revision });
    }
}

/// Roughly the memory that an entry takes.
#[derive(Clone)]
struct ByBytes;

impl<T> Weighter<Box<str>, Entry<T>> for ByBytes {
    fn weight(&self, text: &Box<str>, _: &Entry<T>) -> u64 {
        (text.len() + size_of::<Entry<T>>() + 64) as u64
    }
}
