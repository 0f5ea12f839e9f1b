//! Starts the real binary and talks to it.

mod server;
mod storage;

pub use server::Server;
pub use storage::Storage;
