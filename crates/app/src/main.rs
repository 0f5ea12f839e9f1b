//! The `maestro-auth` program. Everything is in the library, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    maestro_auth::cli::run()
}
