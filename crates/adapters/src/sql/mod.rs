//! What the two SQL dialects share, which is nearly everything: [`SqlStore`] implements the storage ports once, over a
//! [`Dialect`].
//!
//! - A port method is one [`Step`]: one guarded statement where the dialect permits it, else a short list of them in one
//!   transaction. A statement that changes a state names the state that it expects, and that alone is what a race
//!   is decided by.
//! - A [`Lane`] runs steps on its connections within a time limit, in tasks that outlive a caller who went away.
//! - Times and ids come in as values; no statement asks the database for them.

mod blacklist;
mod dialect;
mod keys;
mod lane;
mod migrations;
mod rows;
mod sessions;
mod statement;
mod store;
mod users;

pub use blacklist::LogCursor;
pub(crate) use blacklist::{Signal, blacklist_session, blacklist_user};
pub use dialect::Dialect;
pub(crate) use lane::{Lane, Limits};
pub(crate) use migrations::{EmbeddedMigration, embedded_migrations};
pub use migrations::{MigrationError, MigrationState, MigrationStatus};
pub use rows::Columns;
pub(crate) use rows::{blacklist_entry, principal_columns, user_columns};
pub(crate) use sessions::{
    end_all_sessions, end_session, find_principal, insert_session, note_login, spend_counter,
};
pub use statement::Statement;
pub(crate) use statement::Step;
pub(crate) use store::Lanes;
pub use store::SqlStore;
pub(crate) use users::{deactivate, has_other_admin, insert_user, is_admin, replace_password, replace_roles};
