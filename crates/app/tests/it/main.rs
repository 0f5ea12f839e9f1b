//! Black-box tests: the server as its users meet it, over HTTP, on every storage.

#![expect(unreachable_pub, reason = "nothing is outside of a test binary")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::large_futures, reason = "a test may be as large as its story")]

mod admin;
mod corpus;
mod crash;
mod endpoints;
mod faults;
mod feed;
mod gateways;
mod http_contract;
mod keys;
mod lifecycle;
mod operator;
mod production;
mod races;
mod services;
mod storms;
mod support;
