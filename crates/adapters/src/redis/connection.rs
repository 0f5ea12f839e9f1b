use std::time::Duration;

use maestro_auth_ports::{StoreError, StoreResult};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long Redis may take for an answer, connecting included.
const LIMIT: Duration = Duration::from_secs(1);

/// A connection on which many can ask at once. It is made when it is first needed, and anew after a failure.
pub(super) struct SharedConnection {
    client: Client,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl SharedConnection {
    pub(super) fn to(url: &str) -> RedisResult<Self> {
        let server = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { client: Client::open(server)?, open: Mutex::new(None) })
    }

    /// Sends a command, which must not be one that blocks, and waits for its answer.
    ///
    /// It is sent once: a caller whose connection has broken meanwhile is told so, and the next one gets another.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> StoreResult<T> {
        let answer = within(LIMIT, async { command.query_async(&mut self.connection().await?).await }).await;
        if answer.is_err() {
            self.forget();
        }
        answer
    }

    /// A connection of the caller's own.
    pub(super) async fn another(&self) -> StoreResult<MultiplexedConnection> {
        within(LIMIT, self.connect()).await
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        let connection = self.connect().await?;
        *open = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Every wait is bounded as a whole, so no part of it needs a bound.
        let unbounded = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        self.client.get_multiplexed_async_connection_with_config(&unbounded).await
    }

    /// Whoever holds the lock is making a connection, or has just got the one that the next failure forgets.
    fn forget(&self) {
        if let Ok(mut open) = self.open.try_lock() {
            *open = None;
        }
    }
}

/// Waits for Redis no longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> StoreResult<T> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(StoreError::unavailable),
        Err(_) => Err(StoreError::unavailable(format!("Redis did not answer within {limit:?}"))),
    }
}
