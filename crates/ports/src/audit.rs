use async_trait::async_trait;
use maestro_auth_domain::{AuditEntry, AuditFilter, AuditId, AuditLink, TenantId};

use crate::StoreResult;

/// The audit trail: what it holds is never changed or deleted (SEC-118).
///
/// Entries come in with their causes, side by side; a chain is laid over them afterwards by one writer at a time. So nobody
/// waits for anybody, and an entry that was tampered with, or is gone, shows as soon as it hangs on the chain.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// Adds entries that have no cause in the storage, such as a refused login.
    ///
    /// MUST show every one as it was added, and pass over one that is there already: whoever has not heard what became of a
    /// call makes it again. `audit_entries_come_back_as_added`.
    async fn append(&self, entries: &[AuditEntry]) -> StoreResult<()>;

    /// Finds entries of a tenant, the newest ids first: at most `limit` that come before the id `before`.
    ///
    /// MUST find what [`AuditFilter::matches`], each exactly once over consecutive pages, at a cost that does not grow with the
    /// trail: `pages_of_the_audit_trail_are_complete_and_ordered`. An entry that can't be read is passed over, and the log
    /// told; it makes no page shorter, since whoever sees a short page takes it for the last.
    async fn find_entries(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>>;

    /// Entries that do not hang on the chain yet, the oldest ids first, at most `limit` with ids after `after`; with the last
    /// link of the chain.
    ///
    /// MUST show every committed entry until it is linked, however writers interleave, and none that is linked:
    /// `every_entry_is_linked_exactly_once`.
    async fn unlinked(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Unlinked>;

    /// Adds links to a chain whose last position is `after` (0 for none), and says whether it did. What somebody has made wait
    /// once more that hangs there already waits no longer.
    ///
    /// MUST let one of any number of concurrent callers go on from one link: `every_entry_is_linked_exactly_once`.
    async fn link(&self, after: i64, links: &[AuditLink]) -> StoreResult<bool>;

    /// Reads the chain after the position `after`, at most `limit` links, each with its entry if that is there.
    ///
    /// MUST give it as it was laid: `every_entry_is_linked_exactly_once`.
    async fn read_chain(&self, after: i64, limit: u32) -> StoreResult<Vec<(AuditLink, Option<StoredEntry>)>>;

    /// Entries that neither hang on the chain nor wait to: somebody else has put them there. At most `limit`, with ids after
    /// `after`.
    ///
    /// MUST give no entry that came in by a port: `every_entry_is_linked_exactly_once`.
    async fn find_strays(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Vec<AuditId>>;
}

/// What [`AuditTrail::unlinked`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked {
    /// The entries.
    pub entries: Vec<StoredEntry>,
    /// Where the chain ends.
    pub last: Option<AuditLink>,
}

/// An entry as the storage holds it, into which others may have written. One that can't be read must not hide the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredEntry {
    /// What it says. Whether that was changed, the chain tells.
    Readable(AuditEntry),
    /// It can be read, but the storage finds it by other users than it names. [`AuditTrail::read_chain`] looks at that.
    Misfiled(AuditId),
    /// It was tampered with, or a newer version has written it.
    Unreadable(AuditId),
}

impl StoredEntry {
    /// The id of the entry.
    #[must_use]
    pub const fn id(&self) -> AuditId {
        match self {
            Self::Readable(entry) => entry.id,
            Self::Misfiled(id) | Self::Unreadable(id) => *id,
        }
    }

    /// The entry, if it is as it should be.
    #[must_use]
    pub fn readable(self) -> Option<AuditEntry> {
        match self {
            Self::Readable(entry) => Some(entry),
            Self::Misfiled(_) | Self::Unreadable(_) => None,
        }
    }
}
