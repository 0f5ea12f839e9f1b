use std::fmt;
use std::time::Duration;

use reqwest::header::{CACHE_CONTROL, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::keys::KeySet;
use crate::revocations::Page;
use crate::roles::Catalogue;

/// The auth server, as a service sees it. Every answer is bounded in size and in time.
pub(crate) struct AuthServer {
    http: Client,
    /// With a slash at its end.
    base: Url,
    credentials: Credentials,
}

/// With what a service proves itself to the server.
pub(crate) struct Credentials {
    pub client_id: String,
    pub client_secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({}, ***)", self.client_id)
    }
}

/// Why the server gave no usable answer.
#[derive(Debug, Error)]
pub(crate) enum ServerError {
    #[error("the auth server can't be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the auth server answers {status}")]
    Refused { status: StatusCode, retry_after: Option<Duration> },
    #[error("the auth server no longer knows the cursor")]
    CursorExpired,
    #[error("the answer of the auth server is over {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the answer of the auth server is not understood")]
    NotJson(#[from] serde_json::Error),
    #[error("the answer of the auth server is not understood: {0}")]
    NotUnderstood(&'static str),
    #[error("there are more revocations than are kept in memory")]
    TooManyRevocations,
}

impl ServerError {
    /// How long the server wants to be left alone, within reason.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => retry_after.map(|wait| wait.min(Duration::from_secs(30))),
            _ => None,
        }
    }

    /// Whether the server can't do this at the moment, or not for so many.
    pub(crate) const fn is_overload(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. })
    }
}

impl AuthServer {
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
    const TIMEOUT: Duration = Duration::from_secs(5);
    const MAX_KEYS_BYTES: usize = 64 * 1024;
    const MAX_ROLES_BYTES: usize = 1024 * 1024;
    /// A page has at most 1000 entries, of fewer than 300 bytes each.
    const MAX_PAGE_BYTES: usize = 512 * 1024;

    pub(crate) fn new(base: Url, credentials: Credentials) -> Result<Self, reqwest::Error> {
        if is_readable_on_the_way(&base) {
            tracing::warn!(
                "the client secret travels to the auth server unencrypted; use https:// outside of a private network"
            );
        }
        let http = Client::builder()
            .connect_timeout(Self::CONNECT_TIMEOUT)
            .redirect(Policy::none()) // the credentials go to nobody else
            .no_proxy();
        // Plain HTTP must work where no certificates are installed.
        #[cfg(feature = "tls")]
        let http = if base.scheme() == "http" { http.tls_certs_only([]) } else { http };
        Ok(Self { http: http.build()?, base, credentials })
    }

    /// The public keys, and how long they may be kept without asking again.
    pub(crate) async fn keys(&self) -> Result<(KeySet, Option<Duration>), ServerError> {
        let request = self.http.get(self.at(".well-known/jwks.json")).timeout(Self::TIMEOUT);
        let response = send(request).await?;
        let max_age = max_age(response.headers());
        let keys: KeySet = json(response, Self::MAX_KEYS_BYTES).await?;
        Ok((keys, max_age))
    }

    /// What has been revoked since `cursor`; everything, without one. The server holds the request open for up to `wait` while
    /// there is nothing new.
    pub(crate) async fn revocations(
        &self,
        cursor: Option<&str>,
        wait: Duration,
    ) -> Result<Page, ServerError> {
        let mut url = self.at("api/v1/auth/revocations");
        url.query_pairs_mut().append_pair("wait", &wait.as_secs().to_string());
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let response = send(self.authenticated(url).timeout(wait + Self::TIMEOUT)).await;
        let response = response.map_err(|error| match error {
            // A server that was set up anew does not take its predecessor's cursor for one of its own.
            ServerError::Refused { status: StatusCode::BAD_REQUEST, .. } if cursor.is_some() => {
                ServerError::CursorExpired
            }
            error => error,
        })?;
        json(response, Self::MAX_PAGE_BYTES).await
    }

    /// What each role permits.
    pub(crate) async fn roles(&self) -> Result<Catalogue, ServerError> {
        let request = self.authenticated(self.at("api/v1/auth/roles")).timeout(Self::TIMEOUT);
        json(send(request).await?, Self::MAX_ROLES_BYTES).await
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    fn authenticated(&self, url: Url) -> RequestBuilder {
        let Credentials { client_id, client_secret } = &self.credentials;
        self.http.get(url).basic_auth(client_id, Some(client_secret))
    }
}

fn is_readable_on_the_way(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let is_local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    base.scheme() == "http" && !is_local
}

async fn send(request: RequestBuilder) -> Result<Response, ServerError> {
    let response = request.send().await.map_err(unreachable)?;
    match response.status() {
        StatusCode::OK => Ok(response),
        StatusCode::GONE => Err(ServerError::CursorExpired),
        status => Err(ServerError::Refused { status, retry_after: retry_after(response.headers()) }),
    }
}

/// Reads a JSON object of limited size.
async fn json<T: DeserializeOwned>(mut response: Response, limit: usize) -> Result<T, ServerError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > limit {
            return Err(ServerError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&body)?)
}

/// Without the URL, which holds the cursor.
fn unreachable(error: reqwest::Error) -> ServerError {
    ServerError::Unreachable(error.without_url())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// The `max-age` of `Cache-Control`; none at all for what must not be cached.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?;
    let mut directives = directives.split(',').map(|directive| directive.trim().to_ascii_lowercase());
    if directives.clone().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(Duration::ZERO);
    }
    let seconds = directives.find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_long_an_answer_may_be_kept() {
        let read =
            |value: &'static str| max_age(&HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())]));
        assert_eq!(read("public, max-age=300"), Some(Duration::from_mins(5)));
        assert_eq!(read("Max-Age=0"), Some(Duration::ZERO));
        assert_eq!(read("max-age=9, no-cache"), Some(Duration::ZERO));
        assert_eq!(read("public"), None);
        assert_eq!(read("max-age=-1"), None);
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
