use std::error::Error;

use thiserror::Error;

/// What a storage call gives.
pub type StoreResult<T> = Result<T, StoreError>;

/// The storage could not do its work. Nothing that the caller asked for has been acknowledged.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The storage did not answer in time, refused the connection, or failed. Trying again later may help.
    #[error("the storage is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A stored value does not have the form that this version writes.
    #[error("the stored value {table}.{column} is corrupt")]
    Corrupt {
        /// The table that holds it.
        table: &'static str,
        /// The column that holds it.
        column: &'static str,
    },
}

impl StoreError {
    /// Wraps the failure of a driver.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}
