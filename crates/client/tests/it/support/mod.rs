mod server;
mod signer;

use std::time::Duration;

use maestro_auth_client::{Builder, MaestroAuth, Refusal};
use tokio::time::{self, Instant, sleep, timeout};

pub use server::{CLIENT_ID, CLIENT_SECRET, FakeServer, NEVER};
pub use signer::{Claims, Signer, id};

/// Everything here happens within milliseconds; a test that waits for this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A server with one key, and a client that has caught up with it.
pub struct Scene {
    pub server: FakeServer,
    pub signer: Signer,
    pub auth: MaestroAuth,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(|settings| settings).await
    }

    pub async fn with(adapt: impl FnOnce(Builder) -> Builder) -> Self {
        let signer = Signer::es256("key-1");
        let server = FakeServer::start(&[&signer]);
        let auth = adapt(settings(&server.url)).start().unwrap();
        timeout(PATIENCE, auth.ready()).await.expect("the client catches up");
        Self { server, signer, auth }
    }

    #[expect(clippy::needless_pass_by_value, reason = "claims are spoilt in place and used once")]
    pub fn token(&self, claims: Claims) -> String {
        self.signer.token(&claims)
    }

    /// What the client makes of a token.
    pub async fn verdict(&self, token: &str) -> &'static str {
        verdict(&self.auth, token).await
    }
}

pub fn settings(url: &str) -> Builder {
    MaestroAuth::builder(url).service(CLIENT_ID, CLIENT_SECRET)
}

/// `accepted`, or the code of the refusal.
pub async fn verdict(auth: &MaestroAuth, token: &str) -> &'static str {
    auth.verify(token).await.map_or_else(|refusal: Refusal| refusal.code(), |_| "accepted")
}

/// Waits until the client says this of the token.
pub async fn until_verdict(auth: &MaestroAuth, token: &str, awaited: &str) {
    let begun_at = Instant::now();
    loop {
        let verdict = verdict(auth, token).await;
        if verdict == awaited {
            return;
        }
        assert!(begun_at.elapsed() < PATIENCE, "the verdict is still {verdict} instead of {awaited}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Lets this much time pass at once for the client, which takes its request in flight for lost.
pub async fn jump(time: Duration) {
    time::pause();
    time::advance(time).await;
    time::resume();
}

/// Waits until the condition holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun_at = Instant::now();
    while !condition() {
        assert!(begun_at.elapsed() < PATIENCE, "still waiting until {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
