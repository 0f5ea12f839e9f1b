use std::time::Duration;

use reqwest::Url;
use thiserror::Error;

use crate::MaestroAuth;
use crate::server::Credentials;

/// What happens to tokens that are not known to be revoked when the revocations have not been heard of for longer than
/// `max_staleness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StalePolicy {
    /// They are refused with 503 `feed_stale`: the service is as available as the auth server.
    #[default]
    Refuse,
    /// They are accepted until they expire: a logout may take the life of an access token to be heeded.
    AcceptUntilExpiry,
}

/// The settings of a [`MaestroAuth`], from [`MaestroAuth::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    server_url: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) leeway: Duration,
    pub(crate) service: Option<Credentials>,
    pub(crate) max_staleness: Duration,
    pub(crate) when_stale: StalePolicy,
    pub(crate) key_cool_down: Duration,
}

/// Why nothing could be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is not one that can be asked.
    #[error("the URL of the auth server must be http:// or https:// with nothing but a path behind the host")]
    ServerUrl,
    /// The address is `https://`, and this crate was built without its feature `tls`.
    #[error("an https:// URL needs the feature tls of maestro-auth-client")]
    NoTls,
    /// [`Builder::service`] was not called, or with nothing.
    #[error("the client id and the client secret of this service are missing")]
    NoService,
    /// A duration is out of its range.
    #[error("{name} must be between {least:?} and {most:?}")]
    OutOfRange {
        /// Which one.
        name: &'static str,
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// `start` was called outside of a tokio runtime.
    #[error("there is no tokio runtime to run in")]
    NoRuntime,
    /// No HTTP client could be made, for instance since the system has no certificates.
    #[error("the HTTP client can't be set up")]
    Http(#[from] reqwest::Error),
}

impl Builder {
    pub(crate) fn new(server_url: String) -> Self {
        Self {
            server_url,
            issuer: "maestro-auth".to_owned(),
            audience: "maestro-auth".to_owned(),
            leeway: Duration::from_secs(30),
            service: None,
            max_staleness: Duration::from_secs(30),
            when_stale: StalePolicy::default(),
            key_cool_down: Duration::from_secs(10),
        }
    }

    /// The `iss` of acceptable tokens (`maestro-auth`).
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), ..self }
    }

    /// The `aud` of acceptable tokens (`maestro-auth`).
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self { audience: audience.into(), ..self }
    }

    /// How much the clocks of the server and this service may differ (30 s, at most 60 s).
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// With what this service proves itself, as `POST /api/v1/admin/services` gave it. Must be called.
    pub fn service(self, client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        let credentials = Credentials { client_id: client_id.into(), client_secret: client_secret.into() };
        Self { service: Some(credentials), ..self }
    }

    /// For how long the revocations may not be heard of before [`Self::when_stale`] counts (30 s; 100 ms to one hour).
    pub fn max_staleness(self, max_staleness: Duration) -> Self {
        Self { max_staleness, ..self }
    }

    /// What happens then (tokens are refused).
    pub fn when_stale(self, policy: StalePolicy) -> Self {
        Self { when_stale: policy, ..self }
    }

    /// The least time between two fetches of the keys that tokens with an unknown key cause (10 s; 100 ms to one minute).
    pub fn key_cool_down(self, cool_down: Duration) -> Self {
        Self { key_cool_down: cool_down, ..self }
    }

    /// Starts to follow the server, in the background of the present tokio runtime. The server need not be up. Dropping the last
    /// clone of what this gives stops it.
    pub fn start(self) -> Result<MaestroAuth, StartError> {
        in_range("leeway", self.leeway, Duration::ZERO, Duration::from_mins(1))?;
        let shortest = Duration::from_millis(100);
        in_range("max_staleness", self.max_staleness, shortest, Duration::from_hours(1))?;
        in_range("key_cool_down", self.key_cool_down, shortest, Duration::from_mins(1))?;
        MaestroAuth::start(self)
    }

    /// The address of the server, with a slash at its end.
    pub(crate) fn base_url(&self) -> Result<Url, StartError> {
        let mut url = Url::parse(&self.server_url).map_err(|_| StartError::ServerUrl)?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_plain {
            return Err(StartError::ServerUrl);
        }
        if url.scheme() == "https" && !cfg!(feature = "tls") {
            return Err(StartError::NoTls);
        }
        url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
        Ok(url)
    }
}

fn in_range(name: &'static str, value: Duration, least: Duration, most: Duration) -> Result<(), StartError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(StartError::OutOfRange { name, least, most }) }
}
