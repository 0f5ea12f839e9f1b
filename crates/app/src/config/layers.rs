use std::collections::BTreeMap;

use config::{FileFormat, Source, Value as TomlValue, ValueKind};

use super::ConfigError;

pub(super) const PREFIX: &str = "MAESTRO_AUTH__";

/// Customary variables that are read as well, weaker than the long names and stronger than files.
const SHORT_NAMES: [(&str, &str); 5] = [
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("HOST", "server.host"),
    ("PORT", "server.port"),
    ("RUST_LOG", "log.filter"),
];

/// What the user wrote, layer over layer: for each key the strongest value, and where it stands.
#[derive(Default)]
pub(super) struct Layers {
    pub settings: BTreeMap<String, Written>,
    added: usize,
}

/// One setting as the user wrote it.
pub(super) struct Written {
    pub value: Raw,
    /// How an error line calls it: the variable, or the file and the key in it.
    pub name: String,
    /// Which layer it comes from; a higher one is stronger.
    pub layer: usize,
}

/// A value before anybody knows its type.
#[derive(Clone)]
pub(super) enum Raw {
    Text(String),
    /// An array of a TOML file.
    List(Vec<String>),
}

/// The variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

impl Layers {
    /// Adds the settings of a TOML file over those so far.
    pub(super) fn add_file(&mut self, file: &str, text: &str) -> Result<(), ConfigError> {
        let table = config::File::from_str(text, FileFormat::Toml)
            .collect()
            .map_err(|error| ConfigError::new(file, &without_excerpt(&error)))?;
        self.added += 1;
        self.add_table(file, "", table)
    }

    /// Adds the settings of the environment over those so far: the short names, then the long ones.
    pub(super) fn add_environment(&mut self, variables: &[(String, String)]) {
        self.added += 1;
        for (name, key) in SHORT_NAMES {
            let value = variables.iter().find(|(variable, _)| variable == name).map(|(_, value)| value);
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                self.set(key, Raw::Text(value.clone()), name.to_owned());
            }
        }
        self.added += 1;
        for (name, value) in variables {
            if let Some(path) = name.strip_prefix(PREFIX) {
                self.set(&path.to_lowercase().replace("__", "."), Raw::Text(value.clone()), name.clone());
            }
        }
    }

    fn add_table(
        &mut self,
        file: &str,
        parent: &str,
        table: config::Map<String, TomlValue>,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = if parent.is_empty() { name } else { format!("{parent}.{name}") };
            let written_as = format!("{file}: {key}");
            match value.kind {
                ValueKind::Table(inner) => self.add_table(file, &key, inner)?,
                ValueKind::Array(items) => {
                    let items: Result<_, _> = items.into_iter().map(TomlValue::into_string).collect();
                    let items =
                        items.map_err(|_| ConfigError::new(&written_as, "is not a list of plain values"))?;
                    self.set(&key, Raw::List(items), written_as);
                }
                kind => self.set(&key, Raw::Text(kind.to_string()), written_as),
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Raw, name: String) {
        self.settings.insert(key.to_owned(), Written { value, name, layer: self.added });
    }
}

/// The place and the reason of a TOML error, without the excerpt in between, which may show a secret.
fn without_excerpt(error: &config::ConfigError) -> String {
    let text = match error {
        config::ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let mut lines = text.lines();
    let place = lines.next().unwrap_or("TOML parse error").to_owned();
    match lines.next_back() {
        Some(reason) => format!("{place}: {reason}"),
        None => place,
    }
}
