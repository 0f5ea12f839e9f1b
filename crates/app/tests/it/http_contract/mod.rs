//! The HTTP layer in process: what each endpoint answers, each error code once, and what holds for every answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod errors;
mod every_answer;
mod happy_paths;
mod harness;
mod raw;
