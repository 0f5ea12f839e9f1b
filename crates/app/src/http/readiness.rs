use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether this instance still wants requests. It starts ready; once draining, it stays so.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
    told: Notify,
}

impl Readiness {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells load balancers to send nothing more. Requests that come nevertheless are served.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits until it drains: for answers that are held open, which would keep it from stopping.
    pub async fn drained(&self) {
        let told = self.told.notified(); // before the look, so that nothing is missed in between
        if !self.is_draining() {
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_the_drain_hears_of_it_also_afterwards() {
        let readiness = Readiness::new();
        let mut waiting = Box::pin(readiness.drained());
        assert!(waiting.as_mut().now_or_never().is_none());
        readiness.drain();
        waiting.await;
        readiness.drained().await;
    }
}
