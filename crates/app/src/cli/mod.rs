//! The command line. Each command is a function that writes what was asked for to `out` and fails with one line.

mod audit;
mod check_config;
mod healthcheck;
mod key;
mod migrate;
mod password_input;
mod permission;
mod role;
mod service;
mod user;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::application::Application;
use crate::config::Settings;
use crate::failure::Failure;
use crate::{http, telemetry};

/// The Maestro authentication server.
#[derive(Debug, Parser)]
#[command(name = "maestro-auth", version, about, max_term_width = 100)]
struct Cli {
    /// A TOML file with settings, read after config/default.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; this is also what happens without a command
    Serve,
    /// Bring the storage to the schema of this version
    Migrate {
        #[command(subcommand)]
        action: Option<migrate::Action>,
    },
    /// Check the settings and print them as they count, with secrets masked
    CheckConfig,
    /// Make and manage accounts
    #[command(subcommand)]
    User(user::Action),
    /// List, make and delete roles
    #[command(subcommand)]
    Role(role::Action),
    /// List, make and delete the permissions that roles and services can be given
    #[command(subcommand)]
    Permission(permission::Action),
    /// Register, list and delete the services that ask this server
    #[command(subcommand)]
    Service(service::Action),
    /// List, rotate and revoke signing keys
    #[command(subcommand)]
    Key(key::Action),
    /// Check and export the audit trail
    #[command(subcommand)]
    Audit(audit::Action),
    /// Print the description of the API that /openapi.json serves
    Openapi,
    /// Ask the server on the configured address whether it is ready
    Healthcheck,
}

/// Runs the program as its arguments say.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if is_closed_pipe(&failure) => ExitCode::SUCCESS, // as in `maestro-auth user list | head`
        Err(failure) => {
            let _ = writeln!(io::stderr().lock(), "{}", failure.line());
            failure.exit_code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_deref();
    let out = &mut io::stdout(); // not locked: while `serve` runs, every thread logs to it
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config),
        Command::Openapi => print(out, &http::openapi_json()),
        Command::CheckConfig => check_config::run(&Settings::load(config)?, out),
        Command::Healthcheck => healthcheck::run(&Settings::load(config)?, out),
        Command::Migrate { action } => {
            operate(config, async |settings| migrate::run(settings, action, out).await)
        }
        Command::User(action) => operate(config, async |settings| user::run(settings, action, out).await),
        Command::Permission(action) => {
            operate(config, async |settings| permission::run(settings, action, out).await)
        }
        Command::Role(action) => operate(config, async |settings| role::run(settings, action, out).await),
        Command::Service(action) => {
            operate(config, async |settings| service::run(settings, action, out).await)
        }
        Command::Audit(action) => operate(config, async |settings| audit::run(settings, action, out).await),
        Command::Key(action) => operate(config, async |settings| key::run(settings, action, out).await),
    }
}

fn serve(config: Option<&Path>) -> Result<(), Failure> {
    let settings = Settings::load(config)?;
    telemetry::log_to_stdout(&settings.log);
    runtime()?.block_on(async { Application::build(&settings).await?.run().await })
}

/// Runs a command that works on the storage.
fn operate(
    config: Option<&Path>,
    command: impl AsyncFnOnce(&Settings) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let settings = Settings::load(config)?;
    telemetry::log_warnings_to_stderr();
    runtime()?.block_on(command(&settings))
}

/// The runtime of what is not a request: the start, the worker, the end. Requests run on actix's own threads.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    Ok(runtime.context("the runtime did not start")?)
}

/// Writes a line.
fn print(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    write_text(out, &format!("{text}\n"))
}

/// Writes a text as it is.
fn write_text(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    let written = out.write_all(text.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => anyhow::Error::new(NobodyReads),
        _ => anyhow::Error::new(error).context("the output can't be written"),
    });
    Ok(written?)
}

/// Whoever was to read the output has gone; of any other pipe that is closed, this says nothing.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output")]
struct NobodyReads;

fn is_closed_pipe(failure: &Failure) -> bool {
    matches!(failure, Failure::Runtime(error) if error.is::<NobodyReads>())
}
