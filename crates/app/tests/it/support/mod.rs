//! Starts the real binary and talks to it.

mod admins;
mod answer;
pub mod bounds;
mod claims;
mod cluster;
pub mod database;
pub mod forge;
mod limits;
mod operator;
mod people;
pub mod raw;
mod say;
mod server;
mod storage;
mod turns;
mod upkeep;
pub mod wire;

pub use admins::{Client, admin, patch_user, service, user_id};
pub use answer::{Answer, OPENAPI};
pub use claims::{claims, key_id, token_header};
pub use cluster::Cluster;
pub use limits::{allow_open_files, memory_mib};
pub use operator::{operate, operated, refused};
pub use people::{PASSWORD, SignedIn, code, logged_in, patiently, registered};
pub use say::say;
pub use server::{Server, command};
pub use storage::Storage;
pub use upkeep::{operated_around, set_active};
