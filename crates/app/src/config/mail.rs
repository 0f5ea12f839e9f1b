use std::path::PathBuf;

use super::Profile;
use super::reader::Reader;
use super::secret::SecretUrl;
use super::value::Value;

/// Where mail goes. Nothing is sent yet.
#[derive(Debug, Clone)]
pub struct MailSettings {
    pub url: Option<MailTarget>,
}

impl MailSettings {
    pub(super) fn read(reader: &mut Reader, profile: Profile) -> Self {
        Self {
            url: match profile {
                Profile::Development => Some(reader.secret_or("mail.url", MailTarget::Log)),
                Profile::Production => reader.secret("mail.url"),
            },
        }
    }
}

/// A way to send mail, by its URL.
#[derive(Debug, Clone)]
pub enum MailTarget {
    /// `log:`; into the log, for development.
    Log,
    /// `file:DIR`; a file each, for tests.
    Directory(PathBuf),
    /// `smtp://…` or `smtps://…`.
    Smtp(SecretUrl),
}

impl Value for MailTarget {
    const EXPECTED: &'static str = "smtp://…, smtps://…, file:DIR or log:";
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "log:" {
            return Some(Self::Log);
        }
        if let Some(directory) = text.strip_prefix("file:") {
            let directory = directory.strip_prefix("//").unwrap_or(directory);
            return (!directory.is_empty()).then(|| Self::Directory(PathBuf::from(directory)));
        }
        SecretUrl::parse(text, &["smtp", "smtps"]).map(Self::Smtp)
    }

    fn show(&self) -> String {
        match self {
            Self::Log => "log:".to_owned(),
            Self::Directory(path) => format!("file:{}", path.display()),
            Self::Smtp(url) => url.masked().to_owned(),
        }
    }
}
