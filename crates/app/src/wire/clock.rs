use std::sync::Arc;
use std::time::Duration;

use maestro_auth_adapters::system::{Observation, StoreClock, SystemClock};
use maestro_auth_ports::{Clock, StoreHealth, StoreResult};

/// Keeps the clock of this instance with that of a storage which several instances share (REL-14).
pub struct ClockSync {
    clock: Arc<StoreClock>,
    store: Arc<dyn StoreHealth>,
}

impl ClockSync {
    /// Beyond this, the wall clock of this machine is so wrong that its operator should know.
    const REMARKABLE: Duration = Duration::from_secs(1);

    /// Looks at the storage's clock once.
    pub async fn look(&self) -> StoreResult<()> {
        let asked = self.clock.monotonic();
        let Some(shown) = self.store.time().await? else { return Ok(()) };
        match self.clock.observe(shown, asked, self.clock.monotonic()) {
            Observation::Set(by) if by > Self::REMARKABLE => tracing::warn!(
                off_by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX),
                "the clock of this machine differs from the storage's, which counts"
            ),
            Observation::TooSlow => {
                tracing::warn!("the storage took too long to tell its time, which is taken as it was");
            }
            Observation::Agreed | Observation::Set(_) => {}
        }
        Ok(())
    }
}

/// The clock that goes with a storage: its own where it has one, which somebody must then keep looking at.
pub(super) async fn of(store: &Arc<dyn StoreHealth>) -> StoreResult<(Arc<dyn Clock>, Option<ClockSync>)> {
    if store.time().await?.is_none() {
        return Ok((Arc::new(SystemClock), None));
    }
    let clock = Arc::new(StoreClock::new());
    let sync = ClockSync { clock: Arc::clone(&clock), store: Arc::clone(store) };
    sync.look().await?;
    Ok((clock, Some(sync)))
}
