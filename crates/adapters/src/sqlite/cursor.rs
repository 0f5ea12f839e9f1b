use maestro_auth_ports::{BlacklistCursor, BlacklistPage, StoreError, StoreResult};

use crate::sql::{Columns, LogCursor, Statement, blacklist_entry};

/// The position of the last entry that was read. One transaction writes after the other, so that nothing comes to be seen
/// below it later.
#[derive(Debug, Default)]
pub struct Position(i64);

const READ: &str = "SELECT position, tenant_id, kind, subject, min_generation, until, key_id FROM revocations \
     WHERE position > $1 ORDER BY position LIMIT $2";

impl LogCursor for Position {
    fn parse(text: &str) -> StoreResult<Self> {
        let position = text.parse();
        position
            .map(Self)
            .map_err(|_| StoreError::unavailable("the cursor of the token blacklist is not one of SQLite's"))
    }

    fn read(&self, limit: u32) -> Statement {
        Statement::new(READ).bind(self.0).bind(limit)
    }

    fn page(&self, limit: u32, rows: &[impl Columns]) -> StoreResult<Option<BlacklistPage>> {
        let last: i64 = match rows.last() {
            Some(row) => row.get("revocations", "position")?,
            None => self.0,
        };
        Ok(Some(BlacklistPage {
            entries: rows.iter().map(blacklist_entry).collect::<StoreResult<_>>()?,
            next: BlacklistCursor::new(last.to_string()),
            starts_over: false,
            is_complete: rows.len() < limit as usize,
        }))
    }
}
