//! The token blacklist in Redis: a relay between instances, beside a storage that keeps the truth.
//!
//! The log is a stream. Scripts, which Redis runs one after the other, add to it and read from it, so a cursor is the
//! position of the last entry that was read. A Redis that lost its data, or another one in its place, has another
//! history: there every cursor starts over.

mod connection;
mod entry;
mod subscription;

use async_trait::async_trait;
use maestro_auth_domain::{BlacklistEntry, Timestamp};
use maestro_auth_ports::{BlacklistCursor, BlacklistPage, BlacklistWakeups, StoreResult, TokenBlacklist};
use redis::Cmd;
use thiserror::Error;

use connection::SharedConnection;
use subscription::Subscription;

/// The position before all others.
const START: &str = "0-0";

/// An entry of a stream: its position, and its fields with their names before them.
type Found = (String, Vec<Vec<u8>>);

/// A token blacklist in Redis 5 or newer, or what speaks like it.
pub struct RedisBlacklist {
    connection: SharedConnection,
    keys: Keys,
}

/// The keys of one blacklist.
struct Keys {
    /// The stream of entries.
    log: String,
    /// The sorted set of positions in the log, by when their entries end.
    ends: String,
    /// What the history of the log is called.
    history: String,
}

/// The URL of a Redis server that makes no sense. It is not repeated, since it may hold a password.
#[derive(Debug, Error)]
#[error(
    "the URL of the Redis server is not valid; it is redis://USER:PASSWORD@HOST:PORT/NUMBER or unix:///PATH"
)]
pub struct InvalidRedisUrl;

impl RedisBlacklist {
    /// The blacklist under the keys that begin with `prefix`. Redis is connected to when it is needed: it need not be up
    /// yet, and may go away and come back.
    pub fn at(url: &str, prefix: &str) -> Result<Self, InvalidRedisUrl> {
        let connection = SharedConnection::to(url).map_err(|_| InvalidRedisUrl)?;
        let key = |name| format!("{prefix}revocations:{name}");
        let keys = Keys { log: key("log"), ends: key("ends"), history: key("history") };
        Ok(Self { connection, keys })
    }

    /// Runs a script with the three keys. Redis keeps what it compiled by the text.
    fn script(&self, script: &str) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(3).arg(&[&self.keys.log, &self.keys.ends, &self.keys.history]);
        command
    }
}

#[async_trait]
impl TokenBlacklist for RedisBlacklist {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut script = self.script(include_str!("add.lua"));
        for entry in entries {
            script.arg(entry.until.unix_micros()).arg(entry::to_text(entry));
        }
        self.connection.ask(&script).await
    }

    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        let cursor = after.and_then(|cursor| cursor.as_str().split_once(' '));
        let (known, position) = cursor.unwrap_or(("", START));
        let one_more = u64::from(limit) + 1;
        let mut script = self.script(include_str!("read.lua"));
        script.arg(known).arg(position).arg(one_more);

        let (history, start, mut found): (String, String, Vec<Found>) = self.connection.ask(&script).await?;
        let is_complete = found.len() <= limit as usize;
        found.truncate(limit as usize);
        let position = found.last().map_or(start.as_str(), |(position, _)| position);
        let next = BlacklistCursor::new(format!("{history} {position}"));
        let starts_over = cursor.is_some() && history != known;
        let entries = found.iter().filter_map(entry_in).collect();
        Ok(BlacklistPage { entries, next, starts_over, is_complete })
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let mut script = self.script(include_str!("forget.lua"));
        script.arg(before.unix_micros()).arg(limit);
        self.connection.ask(&script).await
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        let own = self.connection.another().await?;
        Ok(Box::new(Subscription::start(own, self.keys.log.clone()).await?))
    }
}

/// The entry, unless it is one that this version does not understand. That must not stop those behind it, which is safe
/// as the storage has it too.
fn entry_in((position, fields): &Found) -> Option<BlacklistEntry> {
    let text = fields.get(1).and_then(|text| str::from_utf8(text).ok());
    let entry = text.and_then(entry::from_text);
    if entry.is_none() {
        tracing::warn!(position, "Redis holds a revocation that can't be read; it is skipped");
    }
    entry
}
