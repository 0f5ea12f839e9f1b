use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this instance still wants requests. It starts ready; once draining, it stays so.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
}

impl Readiness {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells load balancers to send nothing more. Requests that come nevertheless are served.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
