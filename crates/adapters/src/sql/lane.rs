use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maestro_auth_ports::{StoreError, StoreResult};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::dialect::Dialect;
use super::statement::{Statement, Step};

/// The result of a step: the rows of each of its statements.
pub(crate) type Rows<D> = Vec<Vec<<D as sqlx::Database>::Row>>;

type Options<D> = <<D as sqlx::Database>::Connection as Connection>::Options;

/// A bounded number of connections, and the rules by which steps run on them.
///
/// - Each step runs in a task of its own, which goes on to its end when the caller goes away: no connection is ever left
///   in the middle of something (REL-06).
/// - A step that fails or takes too long loses its connection, and with it any open transaction. So what comes back is
///   clean, and needs no test before it is used again: a healthy step is one round trip.
/// - When a connection is found dead, all idle ones are closed, since they are as old; and a step that only reads is
///   done once more, on a new one (REL-02).
/// - A step that lost against another one (deadlock, serialization) is done again, at most three times (REL-13).
///
/// sqlx's own pool does none of that: it leaves a cancelled `BEGIN` open, pings each connection on its way back without a
/// time limit, and waits out the limit when the database refuses connections.
pub(crate) struct Lane<D: Dialect> {
    options: Options<D>,
    limits: Limits,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle<D>>>,
    /// Where steps run and sockets are watched: the runtime that made the lane, since one of a web worker may end while
    /// another worker still waits for its step.
    runtime: Handle,
}

/// The bounds of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many steps run at once.
    pub(crate) connections: u32,
    /// How long a step waits for its turn.
    pub(crate) wait: Duration,
    /// How long a step takes, with its wait, however the database behaves.
    pub(crate) step: Duration,
}

struct Idle<D: Dialect> {
    connection: D::Connection,
    opened: Instant,
    used: Instant,
}

/// Firewalls forget idle connections, so we do before.
const MAX_IDLE: Duration = Duration::from_mins(5);
/// After a failover, the address may mean another machine.
const MAX_AGE: Duration = Duration::from_mins(30);
const MAX_RETRIES: u32 = 3;

impl<D: Dialect> Lane<D> {
    /// A lane of the present runtime, with no connection yet.
    pub(crate) fn new(options: Options<D>, limits: Limits) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(limits.connections as usize));
        Arc::new(Self { options, limits, permits, idle: Mutex::default(), runtime: Handle::current() })
    }

    /// Runs a step and gives the rows of each of its statements.
    pub(crate) async fn run(self: &Arc<Self>, step: Step) -> StoreResult<Rows<D>> {
        let deadline = Instant::now() + self.limits.step;
        let permit = timeout(self.limits.wait, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| StoreError::unavailable("no connection became free in time"))?
            .map_err(StoreError::unavailable)?;
        let lane = Arc::clone(self);
        let task = self.runtime.spawn(async move {
            let _held_to_the_end = permit;
            if let Ok(result) = timeout_at(deadline, lane.run_with_retries(&step)).await {
                return result.map_err(StoreError::unavailable);
            }
            lane.close_idle();
            Err(StoreError::unavailable("the database did not answer in time"))
        });
        task.await.unwrap_or_else(|gone| Err(StoreError::unavailable(gone)))
    }

    /// A connection of its own, beside the bounded ones, for work at start that takes its time. To be let in does not.
    pub(crate) async fn connect(&self) -> sqlx::Result<D::Connection> {
        let connected = timeout(self.limits.step, self.options.connect()).await;
        connected.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time").into())
        })
    }

    async fn run_with_retries(&self, step: &Step) -> sqlx::Result<Rows<D>> {
        let (mut conflicts, mut reconnects) = (0, 0);
        loop {
            match self.attempt(&step.statements).await {
                Err(error) if is_conflict(&error) && conflicts < MAX_RETRIES => {
                    conflicts += 1;
                    sleep(pause(conflicts)).await;
                }
                Err(error) if is_disconnect(&error) => {
                    self.close_idle();
                    if !step.only_reads || reconnects > 0 {
                        return Err(error);
                    }
                    reconnects += 1;
                }
                result => return result,
            }
        }
    }

    /// A connection that is not given back, for whatever reason, is closed when it is dropped here.
    async fn attempt(&self, statements: &[Statement]) -> sqlx::Result<Rows<D>> {
        let mut taken = match self.take_idle() {
            Some(idle) => idle,
            None => Idle::new(self.options.connect().await?),
        };
        let rows = run_all::<D>(&mut taken.connection, statements).await?;
        taken.used = Instant::now();
        self.idle().push(taken);
        Ok(rows)
    }

    /// The connection that was used last, so that the ones that are not needed grow old.
    fn take_idle(&self) -> Option<Idle<D>> {
        let mut idle = self.idle();
        idle.retain(|one| one.used.elapsed() < MAX_IDLE && one.opened.elapsed() < MAX_AGE);
        idle.pop()
    }

    fn close_idle(&self) {
        drop(mem::take(&mut *self.idle()));
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle<D>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Dialect> Idle<D> {
    fn new(connection: D::Connection) -> Self {
        let now = Instant::now();
        Self { connection, opened: now, used: now }
    }
}

async fn run_all<D: Dialect>(
    connection: &mut D::Connection,
    statements: &[Statement],
) -> sqlx::Result<Rows<D>> {
    if let [statement] = statements {
        return Ok(vec![D::fetch(connection, statement).await?]);
    }
    D::execute(connection, D::BEGIN).await?;
    let mut rows = Vec::with_capacity(statements.len());
    for statement in statements {
        rows.push(D::fetch(connection, statement).await?);
    }
    D::execute(connection, "COMMIT").await?;
    Ok(rows)
}

/// Grows, and differs from one loser to the other: the seed of a hash map is random enough for that.
fn pause(conflicts: u32) -> Duration {
    let jitter = RandomState::new().build_hasher().finish() % 8;
    Duration::from_millis((5 << conflicts) + jitter)
}

/// `serialization_failure` and `deadlock_detected`: the step was rolled back for another one's sake.
fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

/// The connection is gone (class 08), the server stops or starts (57P), or it has become a replica (25006).
fn is_disconnect(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        _ => code(error)
            .is_some_and(|code| code.starts_with("08") || code.starts_with("57P") || code == "25006"),
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}
