//! What an operator does while a server is in use.

use super::{Server, Storage, operated};

/// Runs a command in the way that the storage allows: beside the server on PostgreSQL, between two runs on SQLite.
#[track_caller]
pub fn operated_around(server: Server, storage: &Storage, arguments: &[&str], input: &str) -> Server {
    if storage.url().starts_with("postgres") {
        operated(storage, arguments, input);
        return server;
    }
    server.kill();
    operated(storage, arguments, input);
    Server::start(storage, &[])
}

/// Lets an account in or keeps it out.
#[track_caller]
pub fn set_active(server: Server, storage: &Storage, email: &str, active: bool) -> Server {
    let action = if active { "activate" } else { "deactivate" };
    operated_around(server, storage, &["user", action, "--email", email], "")
}
