//! The server of Maestro Auth: configuration, wiring, the HTTP layer and the command line.
//!
//! **Invariant:** [`wire`] alone names adapters; [`config`] alone reads the environment; [`http`] holds no rule of the domain.

pub mod application;
mod audit_text;
pub mod cli;
pub mod config;
pub mod failure;
pub mod http;
mod seed;
mod telemetry;
pub mod wire;
mod worker;
