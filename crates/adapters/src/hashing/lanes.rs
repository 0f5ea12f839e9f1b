use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use async_trait::async_trait;
use maestro_auth_domain::{Password, PasswordHash};
use maestro_auth_ports::{Entropy, HashError, PasswordHasher, Verification};
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::{self, Instant as AsyncInstant};

use super::engine::Engine;
use super::floor::thread_cpu_time;
use super::memory::BlockMemory;
use super::queue::{Job, Queue};
use super::stored::{self, StoredHash};
use super::{HashingSettings, SettingsError};

/// Hashes and verifies passwords on a fixed number of threads at the lowest priority.
///
/// The threads end when this is dropped, each after the hash that it is at.
pub struct HashingLanes {
    queue: Arc<Queue>,
    engine: Arc<Engine>,
    max_wait: Duration,
}

/// Why there are no lanes.
#[derive(Debug, Error)]
pub enum LaneError {
    /// A setting is out of bounds.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The system gave no thread.
    #[error("a hashing thread did not start")]
    Thread(#[from] io::Error),
}

impl HashingLanes {
    /// Starts the lanes. Takes no time: memory is taken when a lane first needs it.
    pub fn start(settings: HashingSettings, entropy: Arc<dyn Entropy>) -> Result<Self, LaneError> {
        settings.validate()?;
        let lanes = Self {
            queue: Arc::new(Queue::new(settings.queue)),
            engine: Arc::new(Engine::new(settings.scheme, entropy)),
            max_wait: settings.max_wait,
        };
        for number in 0..settings.lanes {
            let (queue, kept_blocks) = (lanes.queue.clone(), lanes.engine.kept_blocks());
            thread::Builder::new()
                .name(format!("hash-lane-{number}"))
                .spawn(move || run_lane(&queue, BlockMemory::new(kept_blocks)))?;
        }
        Ok(lanes)
    }

    /// Says that bcrypt hashes of up to this cost are stored, which raises [`PasswordHasher::failure_floor`] before the
    /// first of them is verified. Blocks for a few milliseconds: call it at the start.
    pub fn expect_bcrypt(&self, cost: u32) {
        self.engine.floor.expect_bcrypt(cost);
    }

    /// Lets a lane do `work`, within the bounds of queue and wait.
    async fn run<T: Send + 'static>(
        &self,
        is_oversized: bool,
        work: impl FnOnce(&Engine, &mut BlockMemory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let (reply, mut answer) = oneshot::channel();
        let engine = self.engine.clone();
        let asked_at = Instant::now();
        let deadline = asked_at + self.max_wait;
        let job = Job {
            work: Box::new(move |turn| {
                let (taken_at, computing) = (Instant::now(), thread_cpu_time());
                let result = turn.and_then(|memory| surviving_panics(|| work(&engine, memory)));
                let computing = thread_cpu_time().saturating_sub(computing);
                engine.floor.observe_turn(taken_at - asked_at, taken_at.elapsed(), computing);
                // Nobody listens any more when the caller has gone meanwhile.
                let _ = reply.send(result);
            }),
            deadline,
            is_oversized,
        };
        let ticket = self.queue.push(job)?;
        let answer = match time::timeout_at(AsyncInstant::from_std(deadline), &mut answer).await {
            Ok(answer) => answer,
            Err(_elapsed) if ticket.withdraw() => return Err(HashError::Overloaded),
            // A lane is at it: the wait is over, the rest is the hash itself.
            Err(_elapsed) => answer.await,
        };
        answer.unwrap_or(Err(HashError::Failed))
    }
}

#[async_trait]
impl PasswordHasher for HashingLanes {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        self.run(false, move |engine, memory| engine.hash(&password, memory)).await
    }

    async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, HashError> {
        let parsed = stored.map(StoredHash::parse).transpose();
        if let Err(error) = &parsed {
            tracing::warn!(hash_rejected = true, "{error}; the login fails");
        }
        let is_rejected = parsed.is_err();
        let stored = parsed.unwrap_or_default();
        let blocks = stored.as_ref().map(StoredHash::scheme).map_or(0, stored::block_count);
        let is_oversized = blocks > self.engine.kept_blocks();
        let verify = move |engine: &Engine, memory: &mut _| engine.verify(&password, stored.as_ref(), memory);
        let verification = self.run(is_oversized, verify).await?;
        Ok(if is_rejected { Verification::Rejected } else { verification })
    }

    fn failure_floor(&self) -> Duration {
        self.engine.floor.get()
    }
}

impl Drop for HashingLanes {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The life of one lane.
fn run_lane(queue: &Queue, mut memory: BlockMemory) {
    lower_priority();
    while let Some(job) = queue.next() {
        // The caller's timer sees to this, too; here it keeps a lane from computing what came too late.
        let turn = if job.deadline < Instant::now() { Err(HashError::Overloaded) } else { Ok(&mut memory) };
        (job.work)(turn);
        if job.is_oversized {
            queue.end_oversized();
        }
    }
}

/// Gives everything else on the machine precedence over this thread.
fn lower_priority() {
    // On Linux, niceness belongs to the thread; elsewhere this would slow the whole process down.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        static WARNED: std::sync::Once = std::sync::Once::new();
        WARNED.call_once(|| {
            tracing::warn!(%error, "hashing runs at normal priority and may delay other requests");
        });
    }
}

/// A panic would take the lane down and leave its caller without an answer.
fn surviving_panics<T>(work: impl FnOnce() -> Result<T, HashError>) -> Result<T, HashError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("hashing a password panicked");
        Err(HashError::Failed)
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
