//! Logs: one line an event, without a secret and without a character that could forge a line (SEC-117, SEC-119).

use std::fmt;
use std::io::{self, IsTerminal};
use std::panic;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{LogFormat, LogSettings};

/// Logs to stdout from now on, panics too: what a server does.
pub(crate) fn log_to_stdout(settings: &LogSettings) {
    start(layer(settings.format, io::stdout, io::stdout().is_terminal()), settings.filter.as_str());
}

/// Logs warnings to stderr from now on, since stdout is for what a command was asked for.
pub(crate) fn log_warnings_to_stderr() {
    start(layer(LogFormat::Text, io::stderr, io::stderr().is_terminal()), "warn");
}

fn start(layer: Box<dyn Layer<Registry> + Send + Sync>, directives: &str) {
    let chosen = EnvFilter::new(directives).and(filter_fn(may_be_logged));
    // It fails when there is a subscriber already, which then goes on.
    let _ = tracing_subscriber::registry().with(layer.with_filter(chosen)).try_init();
    log_panics();
}

/// The details of libraries may hold headers, tokens and SQL values, so they stay out whatever the filter says.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN || metadata.target().starts_with("maestro_auth")
}

fn layer<W>(format: LogFormat, writer: W, is_terminal: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        // The library looks at NO_COLOR by itself.
        LogFormat::Text if is_terminal => layer.fmt_fields(SafeFields::default()).boxed(),
        LogFormat::Text => layer.fmt_fields(SafeFields::default()).with_ansi(false).boxed(),
    }
}

/// Prints fields as the library does, with control characters escaped. JSON does that by itself.
#[derive(Default)]
struct SafeFields(DefaultFields);

impl<'writer> FormatFields<'writer> for SafeFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        for character in text.chars() {
            match character {
                character if character.is_control() => write!(writer, "{}", character.escape_default())?,
                character => writer.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// A panic is a line of the log like any other, with its place and its message.
fn log_panics() {
    panic::set_hook(Box::new(|panicked| {
        let location = panicked.location().map(ToString::to_string).unwrap_or_default();
        let message = panicked.payload_as_str().unwrap_or("no message");
        tracing::error!(panic.location = location, panic.message = message, "a thread panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let layer = layer(format, move || writer.clone(), false).with_filter(filter_fn(may_be_logged));
        with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn sec_119_an_event_is_one_line_whatever_its_fields_hold() {
        let poison = "a\r\n2026-01-01T00:00:00Z  INFO all is well \u{1b}[31m\u{85}\0";
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = logged(format, || {
                let _span = tracing::info_span!("request", agent = %poison).entered();
                tracing::warn!(agent = %poison, quoted = poison, "said {poison}");
            });
            assert_eq!(lines.matches('\n').count(), 1, "{lines:?}");
            let content = lines.trim_end_matches('\n');
            assert!(!content.chars().any(|character| character.is_ascii_control()), "{lines:?}");
        }
    }

    #[test]
    fn sec_117_details_of_libraries_stay_out() {
        let lines = logged(LogFormat::Text, || {
            tracing::trace!(target: "actix_http::h1", "Authorization: Bearer canary");
            tracing::warn!(target: "actix_http::h1", "a warning");
            tracing::trace!(target: "maestro_auth::http", "our own detail");
        });
        assert!(!lines.contains("canary"));
        assert!(lines.contains("a warning") && lines.contains("our own detail"));
    }
}
