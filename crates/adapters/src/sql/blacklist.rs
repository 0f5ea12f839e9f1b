use async_trait::async_trait;
use maestro_auth_domain::{BlacklistEntry, Revoked, Timestamp};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, BlacklistWakeups, StoreError, StoreResult, TokenBlacklist,
};

use super::Step;
use super::dialect::Dialect;
use super::rows::Columns;
use super::statement::{Statement, Values};
use super::store::{SqlStore, last};

/// Blacklists the token `$14` of the tenant `$16` until `$15`, once: in the words of the index `revocations_tokens`.
macro_rules! blacklist_token {
    () => {
        "INSERT INTO revocations (tenant_id, kind, subject, until) SELECT $16, 1, $14, $15 \
         WHERE NOT EXISTS (SELECT 1 FROM revocations WHERE kind = 1 AND subject = $14)"
    };
}

/// Blacklists the session in `sessions` until `$15`.
macro_rules! blacklist_session {
    () => {
        "INSERT INTO revocations (tenant_id, kind, subject, until) \
         SELECT sessions.tenant_id, 2, sessions.id, $15 FROM sessions"
    };
}

/// Blacklists the tokens below the present generation of the user in `users` until `$15`.
macro_rules! blacklist_user {
    () => {
        "INSERT INTO revocations (tenant_id, kind, subject, min_generation, until) \
         SELECT users.tenant_id, 3, users.id, users.generation, $15 FROM users"
    };
}
pub(crate) use {blacklist_session, blacklist_token, blacklist_user};

/// What `kind` says the subject of an entry is.
pub(crate) mod kind {
    pub(crate) const TOKEN: i64 = 1;
    pub(crate) const SESSION: i64 = 2;
    pub(crate) const USER: i64 = 3;
    pub(crate) const KEY: i64 = 4;
    pub(crate) const ROLE_DEFINITIONS: i64 = 5;
}

const ADD: &str = "INSERT INTO revocations (tenant_id, kind, subject, min_generation, until, key_id) \
     VALUES ($1, $2, $3, $4, $5, $6)";

/// Where a reader of the log stands, in a database's own terms. The default is before the beginning.
pub trait LogCursor: Default + Send + Sync {
    /// Understands the text of a cursor; `None` for one that is not of this database, so that its reader has to start over.
    fn parse(text: &str) -> Option<Self>;

    /// Reads the entries after this place, at most `limit`.
    fn read(&self, limit: u32) -> Statement;

    /// The page that the rows of [`LogCursor::read`] are; `None` when this cursor stands in the log of another database,
    /// so that its reader has to start over.
    fn page(&self, limit: u32, rows: &[impl Columns]) -> StoreResult<Option<BlacklistPage>>;
}

/// Tells the followers of the log that entries may have come.
#[async_trait]
pub(crate) trait Signal: Send + Sync {
    /// Wakes every follower soon; nobody waits for it.
    fn wake(&self);

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>>;
}

#[async_trait]
impl<D: Dialect> TokenBlacklist for SqlStore<D> {
    async fn add(&self, entries: &[BlacklistEntry]) -> StoreResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let added = entries.iter().map(|entry| entry_values(entry).for_one(ADD));
        self.write_revoking(added).await.map(drop)
    }

    async fn read(&self, after: Option<&BlacklistCursor>, limit: u32) -> StoreResult<BlacklistPage> {
        let cursor = after.map_or_else(|| Some(D::Cursor::default()), |text| D::Cursor::parse(text.as_str()));
        if let Some(cursor) = cursor
            && let Some(page) = self.page_after(&cursor, limit).await?
        {
            return Ok(page);
        }
        let from_the_beginning = self.page_after(&D::Cursor::default(), limit).await?;
        from_the_beginning
            .map(|page| BlacklistPage { starts_over: true, ..page })
            .ok_or_else(|| StoreError::unavailable("the log of the token blacklist has no beginning"))
    }

    async fn forget_expired_entries(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let forgotten = self.write(Statement::new(D::FORGET_ENTRIES).bind(before).bind(limit)).await?;
        Ok(forgotten.len() as u64)
    }

    async fn subscribe(&self) -> StoreResult<Box<dyn BlacklistWakeups>> {
        self.signal.subscribe().await
    }
}

impl<D: Dialect> SqlStore<D> {
    async fn page_after(&self, cursor: &D::Cursor, limit: u32) -> StoreResult<Option<BlacklistPage>> {
        let limit = limit.max(1);
        let rows = self.follower.run(Step::read(cursor.read(limit))).await.map(last)?;
        cursor.page(limit, &rows)
    }
}

/// The parameters of [`ADD`]. What is no single token, session or user has the tenant for a subject.
fn entry_values(entry: &BlacklistEntry) -> Values {
    let tenant = entry.tenant.as_uuid();
    let (kind, subject, min_generation, key) = match entry.revoked {
        Revoked::Token(token) => (kind::TOKEN, token.as_uuid(), None, None),
        Revoked::Session(session) => (kind::SESSION, session.as_uuid(), None, None),
        Revoked::User { user, min_generation } => {
            (kind::USER, user.as_uuid(), Some(min_generation.number()), None)
        }
        Revoked::Key(key) => (kind::KEY, tenant, None, Some(key)),
        Revoked::RoleDefinitions => (kind::ROLE_DEFINITIONS, tenant, None, None),
    };
    Values::default().bind(tenant).bind(kind).bind(subject).bind(min_generation).bind(entry.until).bind(key)
}
