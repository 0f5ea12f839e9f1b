use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_ports::{BlacklistWakeups, StoreError, StoreResult};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor, Postgres};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::STEP;
use crate::sql::{Lane, Signal, Statement, Step};
use crate::wakeups::LocalWakeups;

const CHANNEL: &str = "maestro_auth_revocations";
const NOTIFY: &str = "SELECT pg_notify('maestro_auth_revocations', '')";
/// A connection that has been silent for so long is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(10);

/// Wakes the followers of every instance, by `LISTEN` and `NOTIFY`.
///
/// A `NOTIFY` is sent after the commit of what it tells of, never in the same transaction: it takes a lock on the whole
/// database until its own commit is done, so one commit would wait for the other. One that is lost costs little, since the
/// log is read now and then all the same.
pub(super) struct PgSignal {
    options: PgConnectOptions,
    /// Where the connections live: that of a web worker may end while another worker still waits.
    runtime: Handle,
    /// Has room for one: whoever comes while a notification is about to be sent needs no other one.
    pending: mpsc::Sender<()>,
}

impl PgSignal {
    /// Sends over `lane`, and listens on connections of its own, in the present runtime.
    pub(super) fn new(options: PgConnectOptions, lane: Arc<Lane<Postgres>>) -> Self {
        let (pending, due) = mpsc::channel(1);
        let runtime = Handle::current();
        runtime.spawn(send_all(lane, due));
        Self { options, runtime, pending }
    }
}

#[async_trait]
impl Signal for PgSignal {
    fn wake(&self) {
        let _one_is_pending_already = self.pending.try_send(());
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        let options = self.options.clone();
        let listening = self.runtime.spawn(async { timeout(STEP, listen(options)).await });
        let late = |_| StoreError::unavailable("the database did not answer in time");
        let listener = listening.await.map_err(StoreError::unavailable)?.map_err(late)?;
        let listener = listener.map_err(StoreError::unavailable)?;
        let wakeups = LocalWakeups::default();
        let woken = wakeups.subscribe();
        let task = self.runtime.spawn(forward(listener, wakeups)).abort_handle();
        Ok(Box::new(Subscription { woken, task }))
    }
}

/// Ends with the store, once all is sent.
async fn send_all(lane: Arc<Lane<Postgres>>, mut due: mpsc::Receiver<()>) {
    while due.recv().await.is_some() {
        // As good as a read: to notify twice does no harm.
        if let Err(error) = lane.run(Step::read(Statement::new(NOTIFY))).await {
            tracing::debug!(%error, "a notification of revocations was not sent");
        }
    }
}

async fn listen(options: PgConnectOptions) -> sqlx::Result<PgListener> {
    let one = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let mut listener = PgListener::connect_with(&one.connect_lazy_with(options)).await?;
    // Notifications are lost between two connections, so a follower must know of it.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Passes on what comes, until the connection is lost; that ends the subscription.
async fn forward(mut listener: PgListener, wakeups: LocalWakeups) {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => wakeups.wake(),
            Ok(Ok(None) | Err(_)) => return,
            Err(_silence) => {
                if !matches!(timeout(STEP, listener.execute("SELECT 1")).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

struct Subscription {
    woken: Box<dyn BlacklistWakeups>,
    task: AbortHandle,
}

#[async_trait]
impl BlacklistWakeups for Subscription {
    async fn next(&mut self) -> StoreResult<()> {
        self.woken.next().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}
