use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_ports::{BlacklistWakeups, StoreResult};
use redis::aio::MultiplexedConnection;

use super::connection::within;
use super::{Found, START};

/// How long Redis holds a question that nothing answers. It is asked again, so that a connection which is dead without a
/// sign of it is noticed.
const HOLD: Duration = Duration::from_secs(1);
/// How long the answer may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks for what comes after the last position, on a connection of its own.
pub(super) struct Subscription {
    connection: MultiplexedConnection,
    log: String,
    position: String,
    /// The question that is being asked. It outlives a caller who stops waiting, since Redis goes on holding it.
    question: Option<Question>,
}

/// Becomes the position of the last entry that has come, if there is one.
type Question = Pin<Box<dyn Future<Output = StoreResult<Option<String>>> + Send>>;

impl Subscription {
    pub(super) async fn start(mut connection: MultiplexedConnection, log: String) -> StoreResult<Self> {
        let mut last = redis::cmd("XREVRANGE");
        last.arg(&log).arg("+").arg("-").arg("COUNT").arg(1);
        let found: Vec<Found> = within(LIMIT, last.query_async(&mut connection)).await?;
        let position = last_position(found).unwrap_or_else(|| START.to_owned());
        Ok(Self { connection, log, position, question: None })
    }
}

#[async_trait]
impl BlacklistWakeups for Subscription {
    async fn next(&mut self) -> StoreResult<()> {
        let Self { connection, log, position, question } = self;
        loop {
            let asked = question
                .get_or_insert_with(|| Box::pin(ask(connection.clone(), log.clone(), position.clone())));
            let answer = asked.await;
            *question = None;
            if let Some(last) = answer? {
                *position = last;
                return Ok(());
            }
        }
    }
}

async fn ask(
    mut connection: MultiplexedConnection,
    log: String,
    after: String,
) -> StoreResult<Option<String>> {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(100).arg("BLOCK").arg(HOLD.as_millis()).arg("STREAMS").arg(log).arg(after);
    let streams: Option<Vec<(String, Vec<Found>)>> = within(LIMIT, read.query_async(&mut connection)).await?;
    Ok(streams.into_iter().flatten().find_map(|(_, found)| last_position(found)))
}

fn last_position(found: Vec<Found>) -> Option<String> {
    found.into_iter().next_back().map(|(position, _)| position)
}
