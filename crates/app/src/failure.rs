use std::process::ExitCode;

use maestro_auth_ports::StoreError;
use thiserror::Error;

use crate::config::ConfigError;

/// Why the program ends without having done what it was asked for.
#[derive(Debug, Error)]
pub enum Failure {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The world is not as it must be.
    #[error(transparent)]
    Runtime(#[from] anyhow::Error),
}

impl Failure {
    /// 2 for what the operator must set otherwise, 1 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Runtime(_) => ExitCode::from(1),
        }
    }

    /// The whole story in one line, from what was tried down to the cause.
    #[must_use]
    pub fn line(&self) -> String {
        let story = match self {
            Self::Config(error) => error.to_string(),
            Self::Runtime(error) => format!("{error:#}"),
        };
        story.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Runtime(error.into())
    }
}
