use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use maestro_auth_domain::{CatalogueRevision, TenantId, Timestamp};
use maestro_auth_ports::{StoreError, StoreHealth, StoreResult};

use super::blacklist::Signal;
use super::dialect::Dialect;
use super::lane::{Lane, Rows};
use super::rows;
use super::statement::{Statement, Step};

/// A storage in an SQL database.
pub struct SqlStore<D: Dialect> {
    pub(super) reads: Arc<Lane<D>>,
    pub(super) writes: Arc<Lane<D>>,
    pub(super) follower: Arc<Lane<D>>,
    pub(super) signal: Box<dyn Signal>,
    /// Locked for as long as the store lives, where a second process must stay out.
    _lock: Option<File>,
}

/// The lanes of a store; two of them may be one.
pub(crate) struct Lanes<D: Dialect> {
    pub(crate) reads: Arc<Lane<D>>,
    pub(crate) writes: Arc<Lane<D>>,
    /// For who follows the token blacklist, so that the crowd on the others never makes an instance blind.
    pub(crate) follower: Arc<Lane<D>>,
}

impl<D: Dialect> SqlStore<D> {
    pub(crate) fn over(lanes: Lanes<D>, signal: Box<dyn Signal>, lock: Option<File>) -> Self {
        let Lanes { reads, writes, follower } = lanes;
        Self { reads, writes, follower, signal, _lock: lock }
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

    /// The same for statements that may add to the token blacklist, whose followers are woken; after a failure, too,
    /// since it may have come after the commit.
    pub(super) async fn write_revoking(
        &self,
        statements: impl IntoIterator<Item = Statement>,
    ) -> StoreResult<Rows<D>> {
        let written = self.write_all(statements).await;
        self.signal.wake();
        written
    }

    /// The same behind a lock, where transactions overlap: of two such steps one comes first, and the other one sees
    /// what it has left. Gives the rows of `statements` alone.
    pub(super) async fn write_locked(
        &self,
        lock: Option<Statement>,
        statements: impl IntoIterator<Item = Statement>,
    ) -> StoreResult<Rows<D>> {
        let locks = lock.iter().count();
        let rows = self.write_revoking(lock.into_iter().chain(statements)).await?;
        Ok(rows.into_iter().skip(locks).collect())
    }

    /// The lock behind which the admins and the catalogue of a tenant change.
    pub(super) fn lock_of(tenant: TenantId) -> Option<Statement> {
        D::LOCK_TENANT.map(|sql| Statement::new(sql).bind(tenant))
    }

    /// Stores something that is unique, and that was checked against a catalogue which must still be the one that was
    /// `checked`. The first of the statements of `store` gives a row if it did; and if not, `why_refused` is asked,
    /// after the fact.
    pub(super) async fn store_unless_refused(
        &self,
        store: Vec<Statement>,
        why_refused: Statement,
        checked: CatalogueRevision,
    ) -> StoreResult<Option<Refusal>> {
        for _ in 0..MAX_TRIES {
            if !self.write_all(store.clone()).await?[0].is_empty() {
                return Ok(None);
            }
            let why = self.read(why_refused.clone()).await?;
            if first(&why, rows::is_taken)? == Some(true) {
                return Ok(Some(Refusal::Taken));
            }
            if first(&why, rows::catalogue_revision)? != Some(checked) {
                return Ok(Some(Refusal::Overtaken));
            }
            // It was taken, and is free again.
        }
        Err(StoreError::unavailable("what is to be stored kept being taken and freed"))
    }
}

/// Each try that fails means that somebody else's succeeded, so what changes this often is under attack.
pub(super) const MAX_TRIES: u32 = 10;

/// Why something was not stored.
pub(super) enum Refusal {
    /// Its name or address belongs to something else.
    Taken,
    /// The catalogue is another one.
    Overtaken,
}

#[async_trait]
impl<D: Dialect> StoreHealth for SqlStore<D> {
    async fn ping(&self) -> StoreResult<()> {
        self.read(Statement::new("SELECT 1")).await.map(drop)
    }

    async fn time(&self) -> StoreResult<Option<Timestamp>> {
        let Some(sql) = D::TIME else { return Ok(None) };
        first(&self.follower.run(Step::read(Statement::new(sql))).await.map(last)?, rows::time)
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
