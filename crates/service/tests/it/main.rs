//! The use cases over the memory store, with a clock and randomness that repeat: no database, no HTTP, no waiting.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test tells by panicking")]

mod admin;
mod audit;
mod feed;
mod introspect;
mod login;
mod logout;
mod refresh;
mod register;
mod revocations;
mod revoke;
mod simulation;
mod storage_failures;
mod support;
mod tokens;
