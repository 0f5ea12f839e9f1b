//! Starts the real binary and talks to it.

mod claims;
mod cluster;
mod limits;
mod operator;
mod people;
pub mod raw;
mod server;
mod storage;
mod turns;

pub use claims::{claims, key_id};
pub use cluster::Cluster;
pub use limits::{allow_open_files, memory_mib};
pub use operator::{operate, operated, refused};
pub use people::{PASSWORD, SignedIn, code, logged_in, patiently, registered};
pub use server::{Server, command};
pub use storage::Storage;
