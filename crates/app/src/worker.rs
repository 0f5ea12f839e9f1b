use std::sync::Arc;
use std::time::Duration;

use maestro_auth_ports::StoreResult;
use maestro_auth_service::AuthService;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::wire::{ClockSync, KeyRing};

/// How soon a key that another instance made or retired is known here.
const RELOAD_KEYS: Duration = Duration::from_secs(5);
/// How far a clock strays in between is far below anything that counts.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(5);
const FORGET: Duration = Duration::from_mins(1);
/// Rows that one statement forgets, and statements that one round makes: no round takes long.
const BATCH: u32 = 1_000;
const BATCHES: usize = 100;

/// What has to be done beside the requests: all the time, or now and then. A failure is logged and tried again at the next
/// turn.
pub(crate) struct Worker {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Worker {
    #[must_use]
    pub(crate) fn start(auth: Arc<AuthService>, keys: Arc<KeyRing>, clock: Option<ClockSync>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let rounds = async move {
            tokio::select! {
                () = work(&auth, &keys, clock.as_ref()) => {}
                never = auth.revocations().follow() => match never {},
                never = auth.follow_audit() => match never {},
                never = keys.replace_dropped() => match never {},
                _ = stopped => {}
            }
            // What was told in the last moments, and how often the rest was repeated.
            if let Err(error) = auth.flush_audit().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the last entries of the audit trail are not written");
            }
        };
        Self { task: tokio::spawn(rounds), stop }
    }

    /// Waits until the worker has ended by itself, which only a panic makes it do.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }

    /// Waits until nothing is done any more.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn work(auth: &AuthService, keys: &KeyRing, clock: Option<&ClockSync>) {
    let [mut reload, mut look, mut tidy] = [RELOAD_KEYS, LOOK_AT_CLOCK, FORGET].map(interval);
    for timer in [&mut reload, &mut look, &mut tidy] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.reset(); // the start has done all of it, or needs none
    }
    loop {
        tokio::select! {
            _ = reload.tick() => reload_keys(keys).await,
            _ = look.tick() => look_at_clock(clock).await,
            _ = tidy.tick() => {
                forget("sessions", || auth.forget_expired_sessions(BATCH)).await;
                forget("revocations", || auth.forget_expired_revocations(BATCH)).await;
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

async fn look_at_clock(clock: Option<&ClockSync>) {
    if let Some(clock) = clock
        && let Err(error) = clock.look().await
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "the storage's clock was not looked at");
    }
}

/// Forgets batch after batch of what has expired, up to a bound.
async fn forget<F>(what: &'static str, mut forget_batch: impl FnMut() -> F)
where
    F: Future<Output = StoreResult<u64>>,
{
    for _ in 0..BATCHES {
        match forget_batch().await {
            Ok(forgotten) if forgotten == u64::from(BATCH) => {} // there may be more
            Ok(_) => return,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::warn!(error, "expired {what} were not forgotten");
            }
        }
    }
}

async fn forget_keys(keys: &KeyRing) {
    if let Err(error) = keys.forget_retired().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "retired signing keys were not forgotten");
    }
}
