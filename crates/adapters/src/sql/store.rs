use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use maestro_auth_ports::{StoreHealth, StoreResult};

use super::dialect::Dialect;
use super::lane::{Lane, Rows};
use super::statement::{Statement, Step};

/// A storage in an SQL database.
pub struct SqlStore<D: Dialect> {
    pub(super) reads: Arc<Lane<D>>,
    pub(super) writes: Arc<Lane<D>>,
    /// Locked for as long as the store lives, where a second process must stay out.
    _lock: Option<File>,
}

impl<D: Dialect> SqlStore<D> {
    /// Reads and writes share the connections of one lane.
    pub(crate) fn over(lane: Arc<Lane<D>>) -> Self {
        Self { reads: Arc::clone(&lane), writes: lane, _lock: None }
    }

    /// Reads go on beside writes, on a lane of their own.
    pub(crate) fn over_file(lock: File, reads: Arc<Lane<D>>, writes: Arc<Lane<D>>) -> Self {
        Self { reads, writes, _lock: Some(lock) }
    }

    pub(super) async fn read(&self, statement: Statement) -> StoreResult<Vec<D::Row>> {
        self.reads.run(Step::read(statement)).await.map(last)
    }

    /// Runs one statement that writes.
    pub(super) async fn write(&self, statement: Statement) -> StoreResult<Vec<D::Row>> {
        self.write_all([statement]).await.map(last)
    }

    /// Runs statements that write, all or nothing.
    pub(super) async fn write_all(
        &self,
        statements: impl IntoIterator<Item = Statement>,
    ) -> StoreResult<Rows<D>> {
        self.writes.run(Step::write(statements)).await
    }
}

#[async_trait]
impl<D: Dialect> StoreHealth for SqlStore<D> {
    async fn ping(&self) -> StoreResult<()> {
        self.read(Statement::new("SELECT 1")).await.map(drop)
    }
}

/// What the first row says, if there is one.
pub(super) fn first<R, T>(rows: &[R], read: fn(&R) -> StoreResult<T>) -> StoreResult<Option<T>> {
    rows.first().map(read).transpose()
}

/// What each row says.
pub(super) fn all<R, T>(rows: &[R], read: fn(&R) -> StoreResult<T>) -> StoreResult<Vec<T>> {
    rows.iter().map(read).collect()
}

/// The rows of the last statement.
pub(super) fn last<R>(mut rows: Vec<Vec<R>>) -> Vec<R> {
    rows.pop().unwrap_or_default()
}
