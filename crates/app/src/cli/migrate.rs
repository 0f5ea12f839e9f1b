use std::io::Write;

use clap::Subcommand;

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::wire::{self, MigrationState, MigrationStatus};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the migrations and whether they are applied, and change nothing
    Status,
}

pub(super) async fn run(
    settings: &Settings,
    action: Option<Action>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let migrations = match action {
        None => wire::migrate(settings).await?,
        Some(Action::Status) => wire::migration_status(settings).await?,
    };
    if migrations.is_empty() {
        return print(out, "this storage has no schema");
    }
    for MigrationStatus { version, name, state } in migrations {
        let state = match state {
            MigrationState::Applied => "applied",
            MigrationState::Pending => "pending",
            MigrationState::Changed => "changed (applied with other content than this version has)",
            MigrationState::Unknown => "unknown (applied by a newer version)",
        };
        let name = if name.is_empty() { "?" } else { name };
        print(out, &format!("{version:04}  {name:24}  {state}"))?;
    }
    Ok(())
}
