use aws_lc_rs::error::Unspecified;
use maestro_auth_domain::KeyId;
use maestro_auth_ports::StoreError;
use thiserror::Error;
use tokio::task::JoinError;

/// Why keys could not be loaded or made.
#[derive(Debug, Error)]
pub enum KeyRingError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored key was sealed under another encryption key, belongs to another row, or was changed (SEC-116).
    #[error("the encryption key does not open signing key {kid}")]
    CannotOpen {
        /// Which key.
        kid: KeyId,
    },
    /// The cryptographic library made no key.
    #[error("no signing key could be made")]
    Generate(#[from] Unspecified),
    /// The cryptographic library does not take the key that it made.
    #[error("the new signing key is unusable")]
    Unusable(#[from] jsonwebtoken::errors::Error),
    /// The process is stopping.
    #[error("the making of a signing key was interrupted")]
    Interrupted(#[from] JoinError),
}

impl KeyRingError {
    /// What it is to those who ask by the port, and need keys rather than reasons.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::CannotOpen { kid } => {
                tracing::error!(%kid, "the encryption key does not open a stored signing key");
                StoreError::Corrupt { table: "signing_keys", column: "sealed_private_key" }
            }
            error => StoreError::unavailable(error),
        }
    }
}
