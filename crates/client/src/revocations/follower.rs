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
    /// Until then no poll is held, since the server had no place for one more.
    crowded_out_until: Option<Instant>,
    backoff: Backoff,
}

impl Follower {
    /// How long the server is asked to hold a poll at most.
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    /// The least time from one poll to the next: it gathers a burst into one answer…
    const SPACING: Duration = Duration::from_millis(10);
    /// … and bounds the load from polls that the server does not hold.
    const IDLE_SPACING: Duration = Duration::from_millis(200);
    /// How long it is content with polls that are not held after the server had no place to hold one…
    const CROWDED_OUT_FOR: Duration = Duration::from_secs(30);
    /// … and the least time from one of these to the next: what was revoked is known well within a second.
    const CROWDED_OUT_SPACING: Duration = Duration::from_millis(250);
    /// The feed tells of a change of roles for longer than this, but not for ever. Whoever comes back later may have missed one.
    const ROLES_LIMIT: Duration = Duration::from_mins(1);
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
            crowded_out_until: None,
            backoff: Backoff::default(),
        }
    }

    pub(crate) async fn follow(mut self) {
        loop {
            let asked_at = Instant::now();
            let wait = self.wait(asked_at);
            match self.poll(asked_at, wait).await {
                Ok(spacing) => {
                    self.recovered();
                    sleep_until(asked_at + spacing).await;
                }
                // The server need not be in trouble: it holds so many polls of a service, and this one was not among them.
                Err(error) if !wait.is_zero() && error.is_overload() => {
                    tracing::debug!("the auth server has no place to wait at; it is asked often instead");
                    self.crowded_out_until = Some(asked_at + Self::CROWDED_OUT_FOR);
                    sleep_until(asked_at + Self::CROWDED_OUT_SPACING).await;
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
    async fn poll(&mut self, asked_at: Instant, wait: Duration) -> Result<Duration, ServerError> {
        let page = self.server.revocations(self.cursor.as_deref(), wait).await?;
        self.check(&page)?;
        self.take_over(&page.entries)?;
        let is_idle = page.entries.is_empty();
        self.cursor = Some(page.cursor);
        let as_of = self.round_asked_at.take().unwrap_or(asked_at);
        if !page.complete {
            self.round_asked_at = Some(as_of);
            return Ok(Duration::ZERO);
        }
        if !self.keys.are_refetched() {
            return Ok(self.idle_spacing()); // what was known before keeps refusing
        }
        // Before this counts as complete, so that no request finds the old roles beside fresh revocations.
        if self.revocations.age().is_none_or(|age| age > Self::ROLES_LIMIT) {
            self.roles.invalidate();
        }
        if let Some(snapshot) = self.snapshot.take() {
            self.revocations.replace(snapshot);
        }
        self.revocations.complete_as_of(as_of);
        Ok(if self.is_crowded_out(asked_at) {
            Self::CROWDED_OUT_SPACING
        } else if is_idle {
            self.idle_spacing()
        } else {
            Self::SPACING
        })
    }

    /// How long the server may hold the next poll: not at all while there is something to catch up with, or no place. With a third
    /// of the permitted staleness, one that is lost on the way can be made up for.
    fn wait(&self, now: Instant) -> Duration {
        let third = self.revocations.staleness.limit / 3;
        let is_behind = self.backoff.is_failing() || self.revocations.age().is_none_or(|age| age > third);
        let catches_up = is_behind || self.snapshot.is_some() || self.round_asked_at.is_some();
        if catches_up || self.is_crowded_out(now) {
            return Duration::ZERO;
        }
        Self::LONGEST_WAIT.min(Duration::from_secs(third.as_secs()))
    }

    fn is_crowded_out(&self, now: Instant) -> bool {
        self.crowded_out_until.is_some_and(|until| now < until)
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
        // A server that was set up anew knows nothing of what had been revoked under its former keys, so those must be gone
        // before its feed replaces what is known.
        self.keys.refetch();
    }

    fn recovered(&mut self) {
        if self.backoff.is_failing() {
            tracing::info!("the auth server's revocations are followed again");
        }
        self.backoff.reset();
    }

    async fn failed(&mut self, error: &ServerError) {
        // A server that answers no poll at all is in trouble, and not short of places.
        self.crowded_out_until = None;
        let pause = self.backoff.after_failure(error.retry_after());
        if self.backoff.just_began() {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, "the auth server's revocations can't be followed");
        }
        sleep(pause).await;
    }
}
