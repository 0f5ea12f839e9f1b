use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use maestro_auth_domain::{Action, Actor, Origin, Outcome};
use maestro_auth_ports::StoreResult;
use tokio::time::{MissedTickBehavior, interval};

use super::Event;
use super::chain::Laid;
use super::repeats::Repeats;
use crate::AuthService;

impl AuthService {
    /// How long an entry waits for others that are written with it.
    const WRITE: Duration = Duration::from_millis(200);
    /// How long an entry hangs on no chain.
    const LAY: Duration = Duration::from_secs(1);
    /// How often it is told that entries were lost.
    const REPORT: Duration = Duration::from_mins(1);

    /// Writes what is told into the audit trail, and lays the chain over it, for as long as it is polled, whatever fails.
    pub async fn follow_audit(&self) -> Infallible {
        tokio::select! {
            never = self.keep_writing() => never,
            never = self.keep_laying() => never,
        }
    }

    /// Writes everything that was told until now. For who stops, or must see it.
    pub async fn flush_audit(&self) -> StoreResult<()> {
        self.soon.end_repeats(Duration::MAX);
        let written = self.soon.write(&*self.stores.audit).await;
        self.report_lost(); // now that there is room for what it tells
        written?;
        self.soon.write(&*self.stores.audit).await
    }

    async fn keep_writing(&self) -> Infallible {
        let (mut write, mut report) = (interval(Self::WRITE), interval(Self::REPORT));
        for timer in [&mut write, &mut report] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut works = Works::new("the audit trail is not written");
        loop {
            tokio::select! {
                _ = write.tick() => {
                    if let Some(until) = Repeats::over_at(self.clock.monotonic()) {
                        self.soon.end_repeats(until);
                    }
                    works.note(&self.soon.write(&*self.stores.audit).await);
                }
                _ = report.tick() => self.report_lost(),
            }
        }
    }

    async fn keep_laying(&self) -> Infallible {
        let mut lay = interval(Self::LAY);
        lay.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut works = Works::new("the chain of the audit trail is not laid");
        loop {
            lay.tick().await;
            works.note(&self.lay_while_first().await);
        }
    }

    /// Hangs what waits on the chain, and leaves it to another instance that is at it.
    async fn lay_while_first(&self) -> StoreResult<()> {
        while self.lay_links().await? == Laid::Some {}
        Ok(())
    }

    fn report_lost(&self) {
        let lost = self.soon.report_lost(|lost| {
            let server = Origin::default();
            let event = Event::new(Action::EntriesLost, Actor::Server, &server).ended(Outcome::Failure);
            self.entry(self.clock.now(), event.with("count", lost.to_string()))
        });
        if lost > 0 {
            tracing::warn!(lost, "entries of the audit trail found no room, and are lost");
        }
    }
}

/// Tells the log when something stops to work and when it works again, and not each time in between.
struct Works {
    otherwise: &'static str,
    did: bool,
}

impl Works {
    const fn new(otherwise: &'static str) -> Self {
        Self { otherwise, did: true }
    }

    fn note(&mut self, outcome: &StoreResult<()>) {
        match outcome {
            Err(error) if self.did => tracing::warn!(error = error as &dyn Error, "{}", self.otherwise),
            Ok(()) if !self.did => tracing::info!("no longer: {}", self.otherwise),
            _ => {}
        }
        self.did = outcome.is_ok();
    }
}
