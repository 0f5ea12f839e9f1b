use tracing_subscriber::EnvFilter;

use super::Profile;
use super::reader::Reader;
use super::value::{Value, choice};

choice! {
    /// The form of a log line.
    LogFormat, "text or json", {
        /// For people.
        Text = "text",
        /// One JSON object a line, for machines.
        Json = "json",
    }
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    pub filter: LogFilter,
    pub format: LogFormat,
}

impl LogSettings {
    pub(super) fn read(reader: &mut Reader, profile: Profile) -> Self {
        Self {
            filter: reader.get("log.filter", LogFilter("info".to_owned())),
            format: reader.get("log.format", profile.pick(LogFormat::Text, LogFormat::Json)),
        }
    }
}

/// A level (`info`), or levels by module (`info,maestro_auth=debug`).
#[derive(Debug, Clone)]
pub struct LogFilter(String);

impl LogFilter {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for LogFilter {
    const EXPECTED: &'static str = "a log level, or directives such as info,maestro_auth=debug";

    fn parse(text: &str) -> Option<Self> {
        EnvFilter::try_new(text).ok().map(|_| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}
