use async_trait::async_trait;
use maestro_auth_domain::{Password, PasswordHash};
use std::time::Duration;
use thiserror::Error;

/// Hashes passwords and verifies them, on threads of its own and within bounds of its own.
///
/// However many callers there are: memory and threads MUST stay fixed, nobody MUST wait longer than the adapter's
/// limit (1 s by default), and whoever is over it gets [`HashError::Overloaded`] (SEC section 0, REL-30, REL-31).
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a new password with the configured scheme and a fresh salt.
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError>;

    /// Verifies `password` against `stored`.
    ///
    /// MUST cost what a real verification costs when there is no `stored` hash or it is rejected, so that an
    /// unknown account can't be told from a known one (SEC-16). MUST refuse, without computing it, a stored hash that is
    /// malformed or beyond the permitted cost (SEC-10), and bcrypt for passwords over 72 bytes (SEC-06).
    async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, HashError>;

    /// The least time from the start of a login to the answer of a *failed* one, asked for after its verification: at
    /// least 1.25 × what the slowest scheme that a stored hash may need takes under the present load, so that failures
    /// tell nothing about the scheme of an account either (SEC-17).
    fn failure_floor(&self) -> Duration;
}

/// What became of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// The password is right. `upgrade` is a new hash of it when the stored one is weaker than the configured scheme.
    Match {
        /// The hash to store in place of the verified one.
        upgrade: Option<PasswordHash>,
    },
    /// The password is wrong, or there is nothing to verify it against.
    Mismatch,
    /// The stored hash is malformed or beyond the permitted cost, so that nothing was verified against it (SEC-10).
    Rejected,
}

/// Why nothing was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HashError {
    /// The queue is full, or the wait in it was too long. Nothing was computed.
    #[error("password hashing is overloaded")]
    Overloaded,
    /// The hashing threads are gone or the library refused the parameters: a defect, not a load.
    #[error("password hashing failed")]
    Failed,
}
