//! The HTTP layer in process: what each endpoint answers, each error code once, and what holds for every answer.

mod errors;
mod every_answer;
mod happy_paths;
mod harness;
mod raw;
