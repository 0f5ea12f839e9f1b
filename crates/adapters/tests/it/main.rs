//! The adapters against the contract of the ports, and against what only they can meet.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod audit;
mod contract;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_log;
#[cfg(feature = "redis")]
mod redis;
mod refresh_families;
#[cfg(feature = "sqlite")]
mod sqlite;
