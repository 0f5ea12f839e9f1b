use std::sync::LazyLock;

use maestro_auth_ports::{BlacklistCursor, BlacklistPage, StoreResult};

use crate::log_name::LogName;
use crate::sql::{Columns, LogCursor, Statement, blacklist_entry};

/// The file belongs to this process as long as it has it open. What was done to it before, such as that another was put in its
/// place, nobody can tell; so a cursor from another run has to start over.
static RUN: LazyLock<LogName> = LazyLock::new(LogName::default);

/// The position of the last entry that was read. One transaction writes after the other, so that nothing comes to be seen
/// below it later.
#[derive(Debug, Default)]
pub struct Position(i64);

const READ: &str = "SELECT position, tenant_id, kind, subject, min_generation, until, key_id FROM revocations \
     WHERE position > $1 ORDER BY position LIMIT $2";

impl LogCursor for Position {
    fn parse(text: &str) -> Option<Self> {
        RUN.position_in(text).map(Self)
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
            next: BlacklistCursor::new(RUN.cursor(last)),
            starts_over: false,
            is_complete: rows.len() < limit as usize,
        }))
    }
}
