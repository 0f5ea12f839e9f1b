use async_trait::async_trait;
use maestro_auth_ports::{BlacklistWakeups, StoreError, StoreResult};
use tokio::sync::watch;

/// Wakes the subscribers of this process. Once it is dropped, they are told that nothing will wake them any more.
pub(crate) struct LocalWakeups(watch::Sender<()>);

impl Default for LocalWakeups {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl LocalWakeups {
    /// Wakes every subscriber, now or when it waits next.
    pub(crate) fn wake(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> Box<dyn BlacklistWakeups> {
        Box::new(LocalSubscription(self.0.subscribe()))
    }
}

struct LocalSubscription(watch::Receiver<()>);

#[async_trait]
impl BlacklistWakeups for LocalSubscription {
    async fn next(&mut self) -> StoreResult<()> {
        self.0.changed().await.map_err(StoreError::unavailable)
    }
}
