use std::time::Duration;

use super::layers::variable;
use super::mail::MailTarget;
use super::reader::Reader;
use super::value::choice;
use super::{Settings, StorageUrl};

/// How long verifiers may keep the published keys (SEC-55). A new one is published for twice as long before it signs.
const LONGEST_CACHED: Duration = Duration::from_mins(5);

choice! {
    /// What the server is for (api.md section 7).
    Profile, "development or production", {
        /// One machine, convenient, loopback only.
        Development = "development",
        /// Refuses every unsafe default.
        Production = "production",
    }
}

impl Profile {
    /// The one of two values that belongs to this profile.
    pub(super) fn pick<T>(self, development: T, production: T) -> T {
        match self {
            Self::Development => development,
            Self::Production => production,
        }
    }

    /// Refuses settings that are well-formed each, but not together or not in this profile.
    pub(super) fn check(self, settings: &Settings, reader: &mut Reader) {
        match self {
            Self::Development => check_development(settings, reader),
            Self::Production => check_production(settings, reader),
        }
        settings.hashing.check(reader);
        settings.bootstrap.check(reader);
        settings.registration.check(reader);
    }
}

fn check_development(settings: &Settings, reader: &mut Reader) {
    if !settings.server.host.is_loopback() {
        let production = format!("{}=production", variable("profile"));
        reader.refuse(
            "server.host",
            &format!(
                "the development profile listens on loopback only, such as 127.0.0.1; or set {production}"
            ),
        );
    }
}

/// SEC-114: what an installation that others reach must not be started with.
fn check_production(settings: &Settings, reader: &mut Reader) {
    match &settings.server.public_url {
        None => reader.refuse("server.public_url", "the production profile needs the URL that users reach"),
        Some(url) if !url.is_https() => {
            reader.refuse("server.public_url", "the production profile needs an https:// URL");
        }
        Some(_) => {}
    }
    match &settings.security.encryption_key {
        None => reader.refuse(
            "security.encryption_key",
            "the production profile needs a key; `openssl rand -base64 32` makes one",
        ),
        Some(key) if key.is_guessable() => {
            reader.refuse("security.encryption_key", "the key is an example or a pattern, not random bytes");
        }
        Some(_) => {}
    }
    if matches!(settings.database.url, StorageUrl::Memory) {
        reader.refuse("database.url", "the production profile does not keep its data in memory");
    }
    if settings.keys.publish_ahead < LONGEST_CACHED * 2 {
        reader.refuse(
            "keys.publish_ahead",
            "the production profile publishes a key 10m or longer before it signs, since verifiers keep the keys for 5m",
        );
    }
    if matches!(settings.mail.url, Some(MailTarget::Log | MailTarget::Directory(_))) {
        reader.refuse("mail.url", "the production profile sends mail by smtp:// or smtps:// only");
    }
}
