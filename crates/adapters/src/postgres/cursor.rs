use std::fmt;

use maestro_auth_ports::{BlacklistCursor, BlacklistPage, StoreError, StoreResult};

use crate::sql::{Columns, LogCursor, Statement, blacklist_entry};

/// Where a reader of the log stands.
///
/// A transaction may commit long after others that began after it, so no number marks what has been read. A snapshot
/// does: it knows which transactions were over when it was taken. The next read gives what is visible to it and was not
/// to the snapshot before, so a late entry is found whenever it shows, and nobody waits for anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The history in which the rest is meant; `None` before the first page.
    history: Option<String>,
    /// All that was visible to this has been read; `None` on the way through the whole log.
    base: Option<Snapshot>,
    /// Where the pages stand that follow `base`; `None` between two rounds of pages.
    round: Option<Round>,
}

/// One way from the first page to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Round {
    /// Taken with the first page. Each page shows what is visible by then, which is more, if anything; so after the last
    /// one, all that was visible to this has been read.
    target: Snapshot,
    place: Place,
}

/// The entry that was read last: its transaction and its position. The default is before all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    xid: i64,
    position: i64,
}

/// A `pg_snapshot`: `xmin:xmax:xip,…`. It sees what is over below `xmax`, but for those among `xip`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    text: String,
    xmax: i64,
}

/// Gives the history and the snapshot in a first row at least, and the entries of `$source` that go with them.
///
/// Transactions have other numbers in another cluster, after a restore to a point in time or a failover (another
/// timeline), and where the table was made anew. After a crash, the number of one that was over but not on disk is
/// given again: with each recovery from a crash, PostgreSQL also resets its statistics.
macro_rules! read {
    ($source:expr) => {
        concat!(
            "WITH now AS (SELECT pg_current_snapshot()::text AS snapshot, concat_ws('.', \
             (SELECT system_identifier FROM pg_control_system()), \
             substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), \
             (SELECT oid FROM pg_database WHERE datname = current_database()), 'revocations'::regclass::oid, \
             extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())) AS history) \
             SELECT now.snapshot, now.history, entry.xid, entry.position, entry.tenant_id, \
             entry.kind::bigint AS kind, entry.subject, entry.min_generation, entry.until, entry.key_id \
             FROM now LEFT JOIN (",
            $source,
            ") AS entry ON TRUE ORDER BY entry.xid, entry.position"
        )
    };
}

/// Every entry after the place `$1`, `$2`.
const READ_ALL: &str =
    read!("SELECT * FROM revocations WHERE (xid, position) > ($1, $2) ORDER BY xid, position LIMIT $3");

/// The entries that the snapshot `$4` did not see: of the transactions that were not over, after the place `$1`, `$2`, and
/// of later ones, after the place `$5`, `$6`. Each is one range of the index.
///
/// An entry from beyond the present is from another history, in a dump that was restored: whoever starts here has read
/// it on the way through the whole log.
const READ_SINCE: &str = read!(
    "(SELECT * FROM revocations \
      WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($4::text::pg_snapshot)::text::bigint)) \
      AND (xid, position) > ($1, $2) ORDER BY xid, position LIMIT $3) \
     UNION ALL \
     (SELECT * FROM revocations \
      WHERE (xid, position) > ($5, $6) AND xid < pg_snapshot_xmax(pg_current_snapshot())::text::bigint \
      ORDER BY xid, position LIMIT $3) \
     ORDER BY xid, position LIMIT $3"
);

impl LogCursor for Cursor {
    fn parse(text: &str) -> Option<Self> {
        Self::from_words(&text.split(' ').collect::<Vec<_>>())
    }

    fn read(&self, limit: u32) -> Statement {
        let place = self.round.as_ref().map(|round| round.place).unwrap_or_default();
        let statement = |sql| Statement::new(sql).bind(place.xid).bind(place.position).bind(limit);
        let Some(base) = &self.base else { return statement(READ_ALL) };
        let later = place.max(Place { xid: base.xmax, position: 0 });
        statement(READ_SINCE).bind(base.text.as_str()).bind(later.xid).bind(later.position)
    }

    fn page(&self, limit: u32, rows: &[impl Columns]) -> StoreResult<Option<BlacklistPage>> {
        let Some(row) = rows.first() else { return Err(StoreError::unavailable("the snapshot is missing")) };
        let history: String = row.get("now", "history")?;
        let snapshot: String = row.get("now", "snapshot")?;
        let now =
            Snapshot::parse(&snapshot).ok_or(StoreError::Corrupt { table: "now", column: "snapshot" })?;
        if !self.is_of(&history, &now) {
            return Ok(None);
        }

        let places: Vec<Place> =
            rows.iter().map(place).filter_map(Result::transpose).collect::<StoreResult<_>>()?;
        let is_complete = places.len() < limit as usize;
        let target = self.round.as_ref().map_or(now, |round| round.target.clone());
        let (base, round) = match places.last() {
            Some(&place) if !is_complete => (self.base.clone(), Some(Round { target, place })),
            _ => (Some(target), None),
        };
        let next = Self { history: Some(history), base, round };
        Ok(Some(BlacklistPage {
            entries: rows.iter().take(places.len()).map(blacklist_entry).collect::<StoreResult<_>>()?,
            next: BlacklistCursor::new(next.to_string()),
            starts_over: false,
            is_complete,
        }))
    }
}

impl Cursor {
    /// Whether the snapshots mean in `history` what they meant when they were taken. One that is ahead of the present
    /// does not: the data directory was put back to an earlier state.
    fn is_of(&self, history: &str, now: &Snapshot) -> bool {
        let taken = self.round.as_ref().map(|round| &round.target).or(self.base.as_ref());
        self.history.as_ref().is_none_or(|own| own == history)
            && taken.is_none_or(|taken| taken.xmax <= now.xmax)
    }

    fn from_words(words: &[&str]) -> Option<Self> {
        let (history, base, round) = match *words {
            [history, base] => (history, Some(Snapshot::parse(base)?), None),
            [history, base, target, xid, position] => {
                let place = Place { xid: xid.parse().ok()?, position: position.parse().ok()? };
                let base = if base == "-" { None } else { Some(Snapshot::parse(base)?) };
                (history, base, Some(Round { target: Snapshot::parse(target)?, place }))
            }
            _ => return None,
        };
        Some(Self { history: Some(history.to_owned()), base, round })
    }
}

/// The text that [`Cursor::from_words`] reads.
impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let history = self.history.as_deref().unwrap_or_default();
        let base = self.base.as_ref().map_or("-", |base| &base.text);
        write!(formatter, "{history} {base}")?;
        if let Some(Round { target, place }) = &self.round {
            write!(formatter, " {} {} {}", target.text, place.xid, place.position)?;
        }
        Ok(())
    }
}

impl Snapshot {
    fn parse(text: &str) -> Option<Self> {
        let xmax = text.split(':').nth(1)?.parse().ok()?;
        let is_well_formed = text.bytes().all(|byte| byte.is_ascii_digit() || b":,".contains(&byte));
        is_well_formed.then(|| Self { text: text.to_owned(), xmax })
    }
}

/// Where the entry of this row is, if it has one.
fn place(row: &impl Columns) -> StoreResult<Option<Place>> {
    let xid: Option<i64> = row.get("revocations", "xid")?;
    let Some(xid) = xid else { return Ok(None) };
    Ok(Some(Place { xid, position: row.get("revocations", "position")? }))
}
