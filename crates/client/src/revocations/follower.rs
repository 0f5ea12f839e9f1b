use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::page::{Entry, Page};
use super::{Image, Revocations};
use crate::backoff::Backoff;
use crate::clock::unix_now;
use crate::keys::Keys;
use crate::roles::Roles;
use crate::server::{AuthServer, ServerError};

/// Follows the feed.
pub(crate) struct Follower {
    server: Arc<AuthServer>,
    revocations: Arc<Revocations>,
    keys: Arc<Keys>,
    roles: Arc<Roles>,
    cursor: Option<String>,
    /// What is read anew from the beginning. Until it is complete, what was known before keeps refusing.
    snapshot: Option<Image>,
    /// When the first of several pages was asked for. The last of them completes what had been revoked by then.
    round_asked_at: Option<Instant>,
    backoff: Backoff,
}

impl Follower {
    /// How long the server is asked to hold a poll at most.
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    /// The least time from one poll to the next: it gathers a burst into one answer…
    const SPACING: Duration = Duration::from_millis(10);
    /// … and bounds the load from polls that the server does not hold.
    const IDLE_SPACING: Duration = Duration::from_millis(200);
    const MAX_CURSOR_BYTES: usize = 16 * 1024;

    pub(crate) fn new(
        server: Arc<AuthServer>,
        revocations: Arc<Revocations>,
        keys: Arc<Keys>,
        roles: Arc<Roles>,
    ) -> Self {
        Self {
            server,
            revocations,
            keys,
            roles,
            cursor: None,
            snapshot: Some(Image::default()),
            round_asked_at: None,
            backoff: Backoff::default(),
        }
    }

    pub(crate) async fn follow(mut self) {
        loop {
            let asked_at = Instant::now();
            match self.poll(asked_at).await {
                Ok(spacing) => {
                    self.recovered();
                    sleep_until(asked_at + spacing).await;
                }
                Err(error) => {
                    if matches!(error, ServerError::CursorExpired) {
                        self.start_over();
                    }
                    self.failed(&error).await;
                }
            }
        }
    }

    /// Asks once, and gives the least time from this question to the next.
    async fn poll(&mut self, asked_at: Instant) -> Result<Duration, ServerError> {
        let page = self.server.revocations(self.cursor.as_deref(), self.wait()).await?;
        self.check(&page)?;
        self.take_over(&page.entries)?;
        let is_idle = page.entries.is_empty();
        self.cursor = Some(page.cursor);
        let as_of = self.round_asked_at.take().unwrap_or(asked_at);
        if !page.complete {
            self.round_asked_at = Some(as_of);
            return Ok(Duration::ZERO);
        }
        if let Some(snapshot) = self.snapshot.take() {
            self.revocations.replace(snapshot);
        }
        self.revocations.complete_as_of(as_of);
        Ok(if is_idle { self.idle_spacing() } else { Self::SPACING })
    }

    /// How long the server may hold the next poll: not at all while there is something to catch up with. With a third of the
    /// permitted staleness, one that is lost on the way can be made up for.
    fn wait(&self) -> Duration {
        let third = self.revocations.staleness.limit / 3;
        let is_behind = self.backoff.is_failing() || self.revocations.age().is_none_or(|age| age > third);
        if is_behind || self.snapshot.is_some() || self.round_asked_at.is_some() {
            return Duration::ZERO;
        }
        Self::LONGEST_WAIT.min(Duration::from_secs(third.as_secs()))
    }

    fn idle_spacing(&self) -> Duration {
        Self::IDLE_SPACING.min(self.revocations.staleness.limit / 3)
    }

    /// Refuses answers that would have this ask for ever.
    fn check(&self, page: &Page) -> Result<(), ServerError> {
        if page.cursor.is_empty() || page.cursor.len() > Self::MAX_CURSOR_BYTES {
            return Err(ServerError::NotUnderstood("the cursor is empty or too long"));
        }
        if !page.complete && self.cursor.as_ref() == Some(&page.cursor) {
            return Err(ServerError::NotUnderstood("there is more, at the same cursor"));
        }
        Ok(())
    }

    fn take_over(&mut self, entries: &[Entry]) -> Result<(), ServerError> {
        for entry in entries {
            match entry {
                Entry::Key { id } => self.keys.revoke(id)?,
                Entry::Roles => self.roles.invalidate(),
                _ => {}
            }
        }
        self.revocations.add(entries)?;
        self.snapshot.as_mut().map_or(Ok(()), |snapshot| snapshot.add(entries, unix_now()))
    }

    fn start_over(&mut self) {
        self.cursor = None;
        self.round_asked_at = None;
        self.snapshot = Some(Image::default());
        // What changed in the gap may be in no entry any more.
        self.roles.invalidate();
    }

    fn recovered(&mut self) {
        if self.backoff.is_failing() {
            tracing::info!("the auth server's revocations are followed again");
        }
        self.backoff.reset();
    }

    async fn failed(&mut self, error: &ServerError) {
        let pause = self.backoff.after_failure(error.retry_after());
        if self.backoff.just_began() {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, "the auth server's revocations can't be followed");
        }
        sleep(pause).await;
    }
}
