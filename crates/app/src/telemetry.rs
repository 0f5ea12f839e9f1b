//! Logs: one line an event, without a secret and without a character that could forge a line (SEC-117, SEC-119).

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::panic;

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::fmt::format::{DefaultFields, Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{LogFormat, LogSettings};
use crate::http::LoggedRequest;

/// Logs to stdout from now on, panics too: what a server does.
pub(crate) fn log_to_stdout(settings: &LogSettings) {
    start(layer(settings.format, io::stdout, io::stdout().is_terminal()), settings.filter.as_str());
}

/// Logs warnings to stderr from now on, since stdout is for what a command was asked for.
pub(crate) fn log_warnings_to_stderr() {
    start(layer(LogFormat::Text, io::stderr, io::stderr().is_terminal()), "warn");
}

fn start(layer: Box<dyn Layer<Registry> + Send + Sync>, directives: &str) {
    // It fails when there is a subscriber already, which then goes on.
    let _ = subscriber(layer, directives).try_init();
    log_panics();
}

/// Filters for all, not for the layer alone: with those, a library that asks whether an event would be logged, and is told
/// that it would not, takes the next event of its thread along (tracing-subscriber 0.3).
fn subscriber(
    layer: Box<dyn Layer<Registry> + Send + Sync>,
    directives: &str,
) -> impl Subscriber + Send + Sync + 'static {
    tracing_subscriber::registry().with(layer).with(permitted()).with(EnvFilter::new(directives))
}

/// What may be logged, whatever the settings choose from it.
fn permitted() -> FilterFn {
    // With the hint, what the settings leave out is left out before anything else is looked at.
    FilterFn::new(may_be_logged as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::TRACE)
}

/// The details of libraries may hold headers, tokens and SQL values, so they stay out. Spans do, too: keeping one for each
/// request costs as much as answering it, and a line tells of its request without ([`LoggedRequest`]).
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let is_harmless = *metadata.level() <= Level::WARN || metadata.target().starts_with("maestro_auth");
    is_harmless && metadata.is_event()
}

fn layer<W>(format: LogFormat, writer: W, is_terminal: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().map_event_format(|json| JsonLine(json.flatten_event(true))).boxed(),
        // The library looks at NO_COLOR by itself.
        LogFormat::Text if is_terminal => layer.fmt_fields(SafeFields::default()).boxed(),
        LogFormat::Text => layer.fmt_fields(SafeFields::default()).with_ansi(false).boxed(),
    }
}

/// Writes an event as the library does, and what tells of its request as further members.
struct JsonLine(Format<Json>);

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let unclosed = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        writer.write_str(unclosed)?;
        for_fields_of_request(|name, value| {
            write!(writer, ",\"{name}\":{}", serde_json::Value::from(value))
        })?;
        writer.write_str("}\n")
    }
}

/// Writes fields as the library does, and those of the request after them, with control characters escaped. JSON does that
/// by itself.
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
        for_fields_of_request(|name, value| write!(text, " {name}={value:?}"))?;
        for character in text.chars() {
            match character {
                character if character.is_control() => write!(writer, "{}", character.escape_default())?,
                character => writer.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Writes what tells of the request that the current task handles, if it handles one.
fn for_fields_of_request(mut write: impl FnMut(&str, &str) -> fmt::Result) -> fmt::Result {
    let write_all = |request: &LoggedRequest| {
        request.fields().into_iter().try_for_each(|(name, value)| write(name, value))
    };
    LoggedRequest::with_current(write_all).unwrap_or(Ok(()))
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
pub(crate) mod tests {
    use std::sync::{Arc, Mutex, OnceLock};

    use tracing::Dispatch;
    use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};

    use super::*;

    /// What this thread logs while the log is captured.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn start(format: LogFormat) -> (Self, DefaultGuard) {
            // As long as there is one subscriber alone, the library lets the thread that comes to a line first decide for
            // all threads whether it is logged; and that may be another test's.
            static SECOND: OnceLock<Dispatch> = OnceLock::new();
            SECOND.get_or_init(|| Dispatch::new(NoSubscriber::new()));

            let captured = Self::default();
            let writer = captured.clone();
            let layer = layer(format, move || writer.clone(), false);
            (captured, set_default(subscriber(layer, "trace")))
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

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
        let (captured, _guard) = Captured::start(format);
        log();
        captured.text()
    }

    #[test]
    fn sec_119_an_event_is_one_line_whatever_its_fields_hold() {
        let poison = "a\r\n2026-01-01T00:00:00Z  INFO all is well \u{1b}[31m\u{85}\0";
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = logged(format, || {
                tracing::warn!(agent = %poison, quoted = poison, "said {poison}");
            });
            assert_eq!(lines.matches('\n').count(), 1, "{lines:?}");
            let content = lines.trim_end_matches('\n');
            assert!(!content.chars().any(|character| character.is_ascii_control()), "{lines:?}");
        }
    }

    #[test]
    fn an_event_is_logged_after_a_library_has_asked_for_another() {
        let (captured, _logging) = Captured::start(LogFormat::Text);
        assert!(!tracing::enabled!(target: "sqlx::query", Level::DEBUG));
        tracing::warn!("this is not lost");
        assert!(captured.text().contains("this is not lost"));
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
