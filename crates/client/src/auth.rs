use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::builder::{Builder, StartError};
use crate::keys::{self, Keys};
use crate::revocations::{Follower, Revocations, Staleness};
use crate::roles::{self, Roles};
use crate::server::AuthServer;
use crate::tokens::{Expected, Verifier};
use crate::{Identity, Refusal, StalePolicy};

/// Checks access tokens. Clones are cheap and share everything.
#[derive(Clone)]
pub struct MaestroAuth {
    inner: Arc<Inner>,
}

struct Inner {
    verifier: Verifier,
    keys: Arc<Keys>,
    revocations: Arc<Revocations>,
    roles: Arc<Roles>,
    when_stale: StalePolicy,
    /// Follow the server, and are aborted when this is dropped.
    _followers: JoinSet<()>,
}

/// What is known at a moment, for a readiness check or a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether a good token is accepted now.
    pub ready: bool,
    /// How old the knowledge of revocations is; `None` until all of them were read for the first time.
    pub staleness: Option<Duration>,
    /// How many revocations are kept in memory.
    pub revocations: usize,
    /// How many public keys are known.
    pub keys: usize,
    /// Whether what the roles permit is known as it is now.
    pub roles_current: bool,
}

impl MaestroAuth {
    /// Begins with the settings for the server at `server_url`, such as `https://auth.example.com`.
    pub fn builder(server_url: impl Into<String>) -> Builder {
        Builder::new(server_url.into())
    }

    pub(crate) fn start(mut settings: Builder) -> Result<Self, StartError> {
        // Where the application has both of its backends enabled, jsonwebtoken can't choose by itself. An error means that
        // somebody has chosen already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let base = settings.base_url()?;
        let is_given = |given: &str| !given.is_empty();
        let credentials = settings
            .service
            .take()
            .filter(|service| is_given(&service.client_id) && is_given(&service.client_secret))
            .ok_or(StartError::NoService)?;

        let server = Arc::new(AuthServer::new(base, credentials)?);
        let keys = Arc::new(Keys::new(settings.key_cool_down));
        let roles = Arc::new(Roles::new());
        let staleness = Staleness { limit: settings.max_staleness, policy: settings.when_stale };
        let revocations = Arc::new(Revocations::new(staleness));

        let mut followers = JoinSet::new();
        followers.spawn_on(keys::follow(keys.clone(), server.clone()), &runtime);
        followers.spawn_on(roles::follow(roles.clone(), server.clone()), &runtime);
        let follower = Follower::new(server, revocations.clone(), keys.clone(), roles.clone());
        followers.spawn_on(follower.follow(), &runtime);

        let Builder { issuer, audience, leeway, when_stale, .. } = settings;
        let verifier = Verifier::new(keys.clone(), Expected { issuer, audience, leeway });
        let inner = Inner { verifier, keys, revocations, roles, when_stale, _followers: followers };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Says whose an access token is, or why it does not count.
    ///
    /// As a rule this asks nobody and waits for nothing. It waits at most some seconds: for the keys, when the token's is not
    /// known; and for the roles, just after they have changed.
    pub async fn verify(&self, token: &str) -> Result<Identity, Refusal> {
        let Inner { verifier, keys, revocations, roles, when_stale, .. } = &*self.inner;
        let revision = keys.revision();
        let verified = verifier.check(token).await?;
        let catalogue = roles.current(*when_stale).await;
        revocations.judge(&verified)?; // so late, since time may have passed
        if keys.revision() != revision {
            // Its key may be among those that were taken away meanwhile. What was revoked under the keys of a server that has
            // been set up anew is not in its feed any more, so those keys must not count beside this feed.
            verifier.check(token).await?;
        }
        Ok(Identity::new(verified, catalogue?))
    }

    /// What is known at the moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let Inner { keys, revocations, roles, when_stale, .. } = &*self.inner;
        Status {
            ready: keys.count() > 0 && revocations.can_tell() && roles.is_usable(*when_stale),
            staleness: revocations.age(),
            revocations: revocations.count(),
            keys: keys.count(),
            roles_current: roles.is_current(),
        }
    }

    /// Waits until keys, revocations and roles are known for the first time. Give it a time limit: without a server it waits for
    /// ever.
    pub async fn ready(&self) {
        let Inner { keys, revocations, roles, .. } = &*self.inner;
        keys.loaded().await;
        revocations.loaded().await;
        roles.loaded().await;
    }
}

impl fmt::Debug for MaestroAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("MaestroAuth").field(&self.status()).finish()
    }
}
