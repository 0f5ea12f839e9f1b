//! Every storage passes the same cases: `maestro_auth_ports::storage_contract!`.

#[cfg(feature = "memory")]
mod broken;
#[cfg(feature = "memory")]
mod failing;
#[cfg(feature = "memory")]
pub(crate) mod memory;
mod page;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
