//! What the two SQL dialects share, which is nearly everything: [`SqlStore`] implements the storage ports once, over a
//! [`Dialect`].
//!
//! - A port method is one [`Step`]: one guarded statement where the dialect permits it, else a short list of them in one
//!   transaction. A statement that changes a state names the state that it expects, and that alone is what a race
//!   is decided by.
//! - A [`Lane`] runs steps on its connections within a time limit, in tasks that outlive a caller who went away.
//! - Times and ids come in as values; no statement asks the database for them.
//! - A step that leaves an entry in the audit trail has that entry for its first parameters, `$1` to `$13`.

mod audit;
mod blacklist;
mod changes;
mod dialect;
mod keys;
mod lane;
mod migrations;
mod roles;
mod rows;
mod services;
mod sessions;
mod statement;
mod store;
mod users;

pub(crate) use audit::insert_audit;
pub use blacklist::LogCursor;
pub(crate) use blacklist::{Signal, blacklist_session, blacklist_token, blacklist_user};
pub(crate) use changes::{
    blacklist_deleted_user, delete_user, has_no_admin, has_other_admin, is_admin, is_as_seen,
    outdates_tokens, update_user,
};
pub use dialect::Dialect;
pub(crate) use keys::blacklist_key;
pub(crate) use lane::{Lane, Limits};
pub(crate) use migrations::{EmbeddedMigration, embedded_migrations};
pub use migrations::{MigrationError, MigrationState, MigrationStatus};
pub(crate) use roles::{
    blacklist_definitions, catalogue_is_at, is_held_by_nobody, put_permission, put_role, raise_revision,
};
pub use rows::Columns;
pub(crate) use rows::{blacklist_entry, principal_columns, user_columns};
pub(crate) use services::insert_service;
pub(crate) use sessions::{
    end_all_sessions, end_all_sessions_of, end_session, find_principal, insert_session, note_login,
    spend_counter,
};
pub use statement::Statement;
pub(crate) use statement::Step;
pub(crate) use store::Lanes;
pub use store::SqlStore;
pub(crate) use users::{insert_user, replace_password};
