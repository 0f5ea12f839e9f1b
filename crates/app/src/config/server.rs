use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use url::Url;

use super::Profile;
use super::reader::Reader;
use super::value::{Network, Value};

/// Where and how the server listens.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    pub host: IpAddr,
    /// 0 takes a free one.
    pub port: u16,
    /// `None` when it follows from the address that the server listens on.
    pub public_url: Option<PublicUrl>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// How long requests in flight may take after the server was told to stop.
    pub shutdown_grace: Duration,
    /// How long readiness answers 503 before the server stops listening.
    pub drain_delay: Duration,
    pub workers: usize,
}

impl ServerSettings {
    pub(super) fn read(reader: &mut Reader, profile: Profile) -> Self {
        let drain_delay = profile.pick(Duration::ZERO, Duration::from_secs(2));
        Self {
            host: reader.get("server.host", IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port: reader.get("server.port", 8000),
            public_url: reader.optional("server.public_url"),
            trusted_proxies: reader.list("server.trusted_proxies", Vec::new()),
            shutdown_grace: reader.within(
                "server.shutdown_grace",
                Duration::from_secs(30),
                Duration::ZERO..=Duration::from_mins(10),
            ),
            drain_delay: reader.within(
                "server.drain_delay",
                drain_delay,
                Duration::ZERO..=Duration::from_mins(1),
            ),
            workers: reader.within("server.workers", cores(), 1..=256),
        }
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// How many threads this process can run at once.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The URL that users reach the server under, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL of a server that is reached where it listens.
    #[must_use]
    pub fn of_listener(address: SocketAddr) -> Self {
        Self(format!("http://{address}"))
    }

    /// Takes an `http://` or `https://` URL without credentials, query and fragment.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        (is_web && is_plain).then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl Value for PublicUrl {
    const EXPECTED: &'static str = "an http:// or https:// URL without credentials, query and fragment";
    /// A refused one may hold a password.
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}
