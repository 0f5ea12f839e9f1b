//! What an operator sets: one struct a section, read once at the start.
//!
//! Built-in defaults < `config/default.toml` < `--config FILE` < short names (`PORT`) < `MAESTRO_AUTH__SECTION__KEY`.
//! Each section lists its keys where it reads them; docs/CONFIG.md explains them. Nothing else in the workspace reads the
//! environment.

mod database;
mod layers;
mod log;
mod mail;
mod passwords;
mod profile;
mod reader;
mod redis;
mod registration;
mod secret;
mod security;
mod server;
mod tokens;
mod value;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use thiserror::Error;

pub use self::database::{DatabaseSettings, StorageUrl};
pub use self::log::{LogFormat, LogSettings};
pub use self::mail::{MailSettings, MailTarget};
pub use self::passwords::{HashAlgorithm, HashingSettings, PasswordSettings};
pub use self::profile::Profile;
pub use self::redis::{RedisSettings, RedisUrl};
pub use self::registration::{RateLimitSettings, RegistrationMode, RegistrationSettings};
pub use self::secret::{EncryptionKey, Secret, SecretUrl};
pub use self::security::{BootstrapSettings, SecuritySettings};
pub use self::server::{PublicUrl, ServerSettings};
pub use self::tokens::{KeySettings, TokenSettings};
pub use self::value::Network;

use self::layers::{Layers, variable};
use self::reader::{Effective, Reader};

/// The file that is read when it exists.
const DEFAULT_FILE: &str = "config/default.toml";

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub profile: Profile,
    pub server: ServerSettings,
    pub database: DatabaseSettings,
    pub redis: RedisSettings,
    pub tokens: TokenSettings,
    pub keys: KeySettings,
    pub hashing: HashingSettings,
    pub password: PasswordSettings,
    pub registration: RegistrationSettings,
    pub rate_limit: RateLimitSettings,
    pub mail: MailSettings,
    pub security: SecuritySettings,
    pub bootstrap: BootstrapSettings,
    pub log: LogSettings,
    effective: Vec<Effective>,
}

/// A setting that can't be used, in one line that names it as the user wrote it and never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name}: {why}")]
pub struct ConfigError {
    name: String,
    why: String,
}

impl ConfigError {
    pub(crate) fn new(name: &str, why: &str) -> Self {
        Self { name: name.to_owned(), why: why.to_owned() }
    }

    /// An error about a setting that only showed to be wrong after the settings were read.
    pub(crate) fn about(key: &str, why: &str) -> Self {
        Self::new(&variable(key), why)
    }
}

impl Settings {
    /// Reads the settings of this process, with `file` over the default one.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut files = Vec::new();
        match fs::read_to_string(DEFAULT_FILE) {
            Ok(text) => files.push((DEFAULT_FILE.to_owned(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(DEFAULT_FILE, &error)),
        }
        if let Some(file) = file {
            let name = file.display().to_string();
            let text = fs::read_to_string(file).map_err(|error| unreadable(&name, &error))?;
            files.push((name, text));
        }
        Self::from_sources(&files, &environment()?)
    }

    /// Reads settings from files, given as name and text, and from variables over them.
    pub fn from_sources(
        files: &[(String, String)],
        variables: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        for (name, text) in files {
            layers.add_file(name, text)?;
        }
        layers.add_environment(variables);
        Self::read(Reader::new(layers))
    }

    fn read(mut reader: Reader) -> Result<Self, ConfigError> {
        let reader = &mut reader;
        let profile = reader.get("profile", Profile::Development);
        let server = ServerSettings::read(reader, profile);
        let mut settings = Self {
            profile,
            database: DatabaseSettings::read(reader),
            redis: RedisSettings::read(reader),
            tokens: TokenSettings::read(reader, server.public_url.as_ref()),
            keys: KeySettings::read(reader),
            hashing: HashingSettings::read(reader),
            password: PasswordSettings::read(reader, profile),
            registration: RegistrationSettings::read(reader, profile),
            rate_limit: RateLimitSettings::read(reader),
            mail: MailSettings::read(reader, profile),
            security: SecuritySettings::read(reader),
            bootstrap: BootstrapSettings::read(reader),
            log: LogSettings::read(reader, profile),
            effective: Vec::new(),
            server,
        };
        profile.check(&settings, reader);
        settings.effective = std::mem::take(reader).finish()?;
        Ok(settings)
    }

    /// The settings as they count, as a TOML file with secrets masked and the source of each value beside it.
    #[must_use]
    pub fn effective_toml(&self) -> String {
        let mut text = String::new();
        let mut current = "";
        for Effective { key, value, source, .. } in &self.effective {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            if section != current {
                let _ = write!(text, "\n[{section}]\n");
                current = section;
            }
            let _ = match value {
                Some(value) => writeln!(text, "{name} = {value}  # {source}"),
                None => writeln!(text, "# {name} is not set"),
            };
        }
        text
    }

    /// The variable and the key of every setting.
    pub fn keys(&self) -> impl Iterator<Item = (String, String)> {
        self.effective.iter().flat_map(|setting| {
            let file = setting.is_secret.then(|| format!("{}_file", setting.key));
            let keys = std::iter::once(setting.key.to_owned()).chain(file);
            keys.map(|key| (variable(&key), key))
        })
    }
}

/// The variables of this process. Those of other programs may be anything; ours must be text.
fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if name.starts_with(layers::PREFIX) => {
                return Err(ConfigError::new(&name, "the value is not UTF-8"));
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

fn unreadable(file: &str, error: &io::Error) -> ConfigError {
    ConfigError::new(file, &format!("the file can't be read: {error}"))
}
