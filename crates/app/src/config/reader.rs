use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;

use super::ConfigError;
use super::layers::{Layers, Raw, Written, variable};
use super::value::Value;

/// Reads settings one by one, typed and within bounds, and keeps what it learns on the way: which keys exist, what was
/// wrong, and what came of it all.
///
/// A refused value is replaced by its default, so that the sections read without a branch; [`Reader::finish`] then
/// fails, and nothing of them is used.
#[derive(Default)]
pub(super) struct Reader {
    written: BTreeMap<String, Written>,
    effective: Vec<Effective>,
    problems: Vec<ConfigError>,
}

/// One setting as it counts.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    pub key: &'static str,
    /// As TOML, secrets masked; `None` when it is not set and has no default.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: String,
    /// Whether `KEY_file` exists.
    pub is_secret: bool,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self { written: layers.settings, effective: Vec::new(), problems: Vec::new() }
    }

    /// The value of `key`, or `default`.
    pub(super) fn get<T: Value>(&mut self, key: &'static str, default: T) -> T {
        let value = self.parsed(key).unwrap_or(default);
        self.note(key, Some(toml(&value)));
        value
    }

    /// The value of `key`, which must lie within `bounds`, or `default`.
    pub(super) fn within<T: Value + PartialOrd>(
        &mut self,
        key: &'static str,
        default: T,
        bounds: RangeInclusive<T>,
    ) -> T {
        let value = self.get(key, default);
        self.check_bounds(key, &value, &bounds);
        value
    }

    /// The value of `key`, which must lie within `bounds`, if it is set.
    pub(super) fn optional_within<T: Value + PartialOrd>(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<T>,
    ) -> Option<T> {
        let value = self.optional(key);
        if let Some(value) = &value {
            self.check_bounds(key, value, &bounds);
        }
        value
    }

    /// The value of `key`, if it is set.
    pub(super) fn optional<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let is_empty =
            matches!(self.written.get(key), Some(Written { value: Raw::Text(text), .. }) if text.is_empty());
        let value = if is_empty { None } else { self.parsed(key) };
        self.note(key, value.as_ref().map(toml));
        value
    }

    /// The values of `key`: an array in a file, separated by commas in the environment.
    pub(super) fn list<T: Value>(&mut self, key: &'static str, default: Vec<T>) -> Vec<T> {
        let items = match self.written.get(key).map(|written| written.value.clone()) {
            Some(Raw::List(items)) => Some(items),
            Some(Raw::Text(text)) => Some(
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
            ),
            None => None,
        };
        let values = match items {
            Some(items) => items.iter().filter_map(|item| self.parse(key, item)).collect(),
            None => default,
        };
        self.note(key, Some(format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", "))));
        values
    }

    /// The value of `key`, which `KEY_file` may name a file for; the stronger layer of the two counts.
    pub(super) fn secret<T: Value>(&mut self, key: &'static str) -> Option<T> {
        self.take_from_file(key);
        let value = self.optional(key);
        if let Some(noted) = self.effective.last_mut() {
            noted.is_secret = true;
        }
        value
    }

    /// As [`Reader::secret`], with a default.
    pub(super) fn secret_or<T: Value>(&mut self, key: &'static str, default: T) -> T {
        self.take_from_file(key);
        let value = self.get(key, default);
        if let Some(noted) = self.effective.last_mut() {
            noted.is_secret = true;
        }
        value
    }

    /// Notes that the value of `key` can't be used, and why.
    pub(super) fn refuse(&mut self, key: &str, why: &str) {
        let name = self.name(key);
        self.problems.push(ConfigError::new(&name, why));
    }

    /// Every setting as it counts; or the first thing that is wrong, unknown settings before bad values, since a
    /// misspelled name is often why another value is missing.
    pub(super) fn finish(self) -> Result<Vec<Effective>, ConfigError> {
        let known: Vec<String> = self
            .effective
            .iter()
            .flat_map(|setting| {
                let file = setting.is_secret.then(|| file_key(setting.key));
                std::iter::once(setting.key.to_owned()).chain(file)
            })
            .collect();
        let unknown = self.written.iter().find(|(key, _)| !known.contains(key));
        if let Some((key, written)) = unknown {
            return Err(ConfigError::new(&written.name, &unknown_setting(key, written, &known)));
        }
        match self.problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(self.effective),
        }
    }

    fn check_bounds<T: Value + PartialOrd>(&mut self, key: &str, value: &T, bounds: &RangeInclusive<T>) {
        if !bounds.contains(value) {
            let (least, most) = (bounds.start().show(), bounds.end().show());
            self.refuse(key, &format!("{} is outside {least} to {most}", value.show()));
        }
    }

    fn parsed<T: Value>(&mut self, key: &str) -> Option<T> {
        match self.written.get(key)?.value.clone() {
            Raw::Text(text) => self.parse(key, &text),
            Raw::List(_) => {
                self.refuse(key, &format!("a list is not {}", T::EXPECTED));
                None
            }
        }
    }

    fn parse<T: Value>(&mut self, key: &str, text: &str) -> Option<T> {
        let value = T::parse(if T::IS_SECRET { text } else { text.trim() });
        if value.is_none() {
            let why = if T::IS_SECRET {
                format!("the value is not {}", T::EXPECTED)
            } else {
                format!("{:?} is not {}", shortened(text), T::EXPECTED)
            };
            self.refuse(key, &why);
        }
        value
    }

    /// Puts the content of the file that `KEY_file` names in the place of `key`.
    fn take_from_file(&mut self, key: &str) {
        let Some(pointer) = self.written.get(&file_key(key)) else { return };
        let (path, name, layer) = match &pointer.value {
            Raw::Text(path) if !path.is_empty() => (path.clone(), pointer.name.clone(), pointer.layer),
            _ => return,
        };
        match self.written.get(key).map(|direct| direct.layer) {
            Some(direct) if direct > layer => return,
            Some(direct) if direct == layer => {
                return self.refuse(key, &format!("is set beside {name}; keep one of the two"));
            }
            _ => {}
        }
        match fs::read_to_string(&path) {
            Ok(content) => {
                let value = Raw::Text(content.trim_end_matches(['\r', '\n']).to_owned());
                self.written.insert(key.to_owned(), Written { value, name, layer });
            }
            Err(error) => {
                let why = format!("the file {path:?} can't be read: {error}");
                self.problems.push(ConfigError::new(&name, &why));
            }
        }
    }

    fn note(&mut self, key: &'static str, value: Option<String>) {
        let source =
            self.written.get(key).map_or_else(|| "default".to_owned(), |written| written.name.clone());
        self.effective.push(Effective { key, value, source, is_secret: false });
    }

    fn name(&self, key: &str) -> String {
        self.written.get(key).map_or_else(|| variable(key), |written| written.name.clone())
    }
}

fn file_key(key: &str) -> String {
    format!("{key}_file")
}

fn toml<T: Value>(value: &T) -> String {
    let text = value.show();
    let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_bare || text == "true" || text == "false" { text } else { format!("{text:?}") }
}

/// What an error line repeats of a value.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() > SHOWN {
        text.chars().take(SHOWN).chain(['…']).collect()
    } else {
        text.to_owned()
    }
}

fn unknown_setting(key: &str, written: &Written, known: &[String]) -> String {
    let nearest = known.iter().map(|candidate| (distance(key, candidate), candidate)).min();
    match nearest {
        Some((distance, candidate)) if distance <= 4 => {
            let is_variable = !written.name.contains(": ");
            let meant = if is_variable { variable(candidate) } else { candidate.clone() };
            format!("unknown setting; did you mean {meant}?")
        }
        _ => "unknown setting".to_owned(),
    }
}

/// How many letters must be inserted, deleted or replaced to turn one into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
