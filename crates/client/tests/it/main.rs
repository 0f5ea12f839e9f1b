//! The client against a small auth server of its own: the wire contract and nothing else.

#![expect(unreachable_pub, reason = "nothing is outside of a test binary")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod actix;
mod keys;
mod places;
mod revocations;
mod roles;
mod staleness;
mod support;
mod tokens;
mod tower;
