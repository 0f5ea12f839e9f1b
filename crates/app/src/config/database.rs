use std::path::PathBuf;

use super::reader::Reader;
use super::secret::SecretUrl;
use super::value::Value;

/// Where everything is stored.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    pub url: StorageUrl,
    pub max_connections: u32,
}

impl DatabaseSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = StorageUrl::Sqlite(PathBuf::from("data/maestro-auth.db"));
        Self {
            url: reader.secret_or("database.url", default),
            max_connections: reader.within("database.max_connections", 10, 1..=1_000),
        }
    }
}

/// A storage, by its URL.
#[derive(Debug, Clone)]
pub enum StorageUrl {
    /// `memory:`; nothing survives the process.
    Memory,
    /// `sqlite://PATH`.
    Sqlite(PathBuf),
    /// `postgres://…`, as its own tools take it.
    Postgres(SecretUrl),
}

impl Value for StorageUrl {
    const EXPECTED: &'static str = "memory:, sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE";
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if matches!(text, "memory:" | "memory://") {
            return Some(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_path = !path.is_empty() && !path.ends_with('/') && !path.contains([':', '?', '\0']);
            return is_path.then(|| Self::Sqlite(PathBuf::from(path)));
        }
        SecretUrl::parse(text, &["postgres", "postgresql"]).map(Self::Postgres)
    }

    fn show(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => url.masked().to_owned(),
        }
    }
}
