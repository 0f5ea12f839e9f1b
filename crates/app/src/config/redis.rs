use url::Url;

use super::reader::Reader;
use super::secret::SecretUrl;
use super::value::Value;

/// The relay of revocations beside the storage.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    pub url: Option<RedisUrl>,
}

impl RedisSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { url: reader.secret("redis.url") }
    }
}

/// A Redis server, by its URL, as its own tools take it.
#[derive(Debug, Clone)]
pub struct RedisUrl(SecretUrl);

impl RedisUrl {
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl Value for RedisUrl {
    const EXPECTED: &'static str =
        "redis://USER:PASSWORD@HOST:PORT/NUMBER, the same with rediss:// for TLS, or unix:///PATH";
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let url = Url::parse(text).ok()?;
        let is_server = match url.scheme() {
            "redis" | "rediss" => url.has_host() && names_database(url.path()),
            _ => !url.has_host() && url.path().len() > 1,
        };
        // To Redis clients the fragment `insecure` means that they verify no certificate.
        if !is_server || url.fragment().is_some() {
            return None;
        }
        SecretUrl::parse(text, &["redis", "rediss", "redis+unix", "unix"]).map(Self)
    }

    fn show(&self) -> String {
        self.0.masked().to_owned()
    }
}

/// Whether the path is the number of a database, or nothing.
fn names_database(path: &str) -> bool {
    let number = path.strip_prefix('/').unwrap_or(path);
    number.is_empty() || number.parse::<u16>().is_ok()
}
