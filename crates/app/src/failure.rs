use std::error::Error as StdError;
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
        with_causes(self)
    }
}

/// An error and its causes in one line. Some errors tell their cause themselves, so each is told once.
pub(crate) fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut story = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !story.ends_with(&told) {
            story = format!("{story}: {told}");
        }
        source = cause.source();
    }
    story.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Runtime(error.into())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failure_is_one_line_that_tells_each_cause_once() {
        let told = anyhow!("no route").context("connecting: no route").context("the storage\n  is gone");
        assert_eq!(Failure::Runtime(told).line(), "the storage is gone: connecting: no route");
    }
}
