use std::sync::Arc;
use std::time::Duration;

use maestro_auth_service::AuthService;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::wire::KeyRing;

/// How soon a key that another instance made or retired is known here.
const RELOAD_KEYS: Duration = Duration::from_secs(30);
const FORGET: Duration = Duration::from_mins(1);
/// Sessions that one statement forgets, and statements that one round makes: no round takes long.
const BATCH: u32 = 1_000;
const BATCHES: usize = 10;

/// What has to be done now and then. A failure is logged and tried again at the next turn.
pub(crate) struct Worker {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Worker {
    #[must_use]
    pub(crate) fn start(auth: Arc<AuthService>, keys: Arc<KeyRing>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let rounds = async move {
            tokio::select! {
                () = work(&auth, &keys) => {}
                _ = stopped => {}
            }
        };
        Self { task: tokio::spawn(rounds), stop }
    }

    /// Waits until nothing is done any more.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn work(auth: &AuthService, keys: &KeyRing) {
    let (mut reload, mut forget) = (interval(RELOAD_KEYS), interval(FORGET));
    for timer in [&mut reload, &mut forget] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.reset(); // the start has done both, or needs neither
    }
    loop {
        tokio::select! {
            _ = reload.tick() => reload_keys(keys).await,
            _ = forget.tick() => {
                forget_sessions(auth).await;
                forget_keys(keys).await;
            }
        }
    }
}

async fn reload_keys(keys: &KeyRing) {
    if let Err(error) = keys.reload().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the signing keys were not reloaded");
    }
}

async fn forget_sessions(auth: &AuthService) {
    for _ in 0..BATCHES {
        match auth.forget_expired_sessions(BATCH).await {
            Ok(forgotten) if forgotten == u64::from(BATCH) => {} // there may be more
            Ok(_) => return,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::warn!(error, "expired sessions were not forgotten");
            }
        }
    }
}

async fn forget_keys(keys: &KeyRing) {
    if let Err(error) = keys.forget_retired().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "retired signing keys were not forgotten");
    }
}
