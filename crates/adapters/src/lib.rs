//! The adapters of Maestro Auth: each behind a feature of its own, each proven by the contract kit of the ports.
//!
//! **Invariant:** nothing here knows a use case or the web. Adapters meet each other only in `app/wire.rs`.

#[cfg(feature = "hashing")]
pub mod hashing;
#[cfg(feature = "jose")]
pub mod jose;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod log_name;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sql")]
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "system")]
pub mod system;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(any(feature = "memory", feature = "sql"))]
mod wakeups;
