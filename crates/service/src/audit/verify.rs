use maestro_auth_domain::{AuditId, AuditLink};
use maestro_auth_ports::{StoreResult, StoredEntry};

use super::chain::{holds, mac_of};
use crate::AuthService;

/// What the audit trail looks like to whoever has the key that its chain is made with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChainReport {
    /// How many entries hang on the chain, and are there.
    pub linked: u64,
    /// Where the chain ends. Whoever keeps it elsewhere will notice when the chain was cut off before it.
    pub head: Option<AuditLink>,
    /// How many entries do not hang on the chain yet.
    pub waiting: u64,
    /// The first of the faults, at most [`Self::MAX_FAULTS`].
    pub faults: Vec<ChainFault>,
    /// How many faults there are.
    pub fault_count: u64,
}

/// One thing that nobody did who has the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainFault {
    /// The entry that hangs there is gone.
    Deleted { position: i64, entry: AuditId },
    /// The entry is not the one that was hung there, or the link is another, or a search for a user does not find the entry
    /// by those that it names.
    Changed { position: i64, entry: AuditId },
    /// The entry can't be read, whether it hangs on the chain or waits to: somebody has changed it, or a newer version has
    /// written it.
    Unreadable { entry: AuditId },
    /// There is no link from `first` to `last`.
    Gap { first: i64, last: i64 },
    /// The entry neither hangs on the chain nor waits to: somebody has put it there, or has taken its link away.
    Stray { entry: AuditId },
}

impl ChainReport {
    pub const MAX_FAULTS: usize = 100;

    /// Whether nothing is wrong with it.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }

    fn note(&mut self, fault: ChainFault) {
        self.fault_count += 1;
        if self.faults.len() < Self::MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

impl AuthService {
    const VERIFIED_AT_ONCE: u32 = 1_000;

    /// Reads the whole trail, and tells what was changed, deleted or added in it by somebody who does not have the key (SEC-118).
    ///
    /// Each link is held against the one before as it is stored, so that one fault does not make faults of all that follow.
    pub async fn verify_audit(&self) -> StoreResult<ChainReport> {
        let mut report = ChainReport::default();
        // Also before the first position: whoever hides an entry there must not succeed.
        let mut after = i64::MIN;
        loop {
            let page = self.stores.audit.read_chain(after, Self::VERIFIED_AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            after = last.position;
            for (link, entry) in page {
                self.verify_link(&mut report, link, entry.as_ref());
            }
        }
        self.verify_waiting(&mut report).await?;
        self.find_strays(&mut report).await?;
        Ok(report)
    }

    /// Whether the chain has this link: so it was not cut off before it and laid anew.
    pub async fn has_audit_link(&self, position: i64, mac: [u8; 32]) -> StoreResult<bool> {
        let read = self.stores.audit.read_chain(position.saturating_sub(1), 1).await?;
        Ok(read.iter().any(|(link, _)| link.position == position && link.mac == mac))
    }

    fn verify_link(&self, report: &mut ChainReport, link: AuditLink, entry: Option<&StoredEntry>) {
        let (position, before) = (link.position, report.head);
        let expected = before.map_or(0, |before| before.position).saturating_add(1);
        if position < expected {
            return report.note(ChainFault::Changed { position, entry: link.entry });
        }
        if position > expected {
            report.note(ChainFault::Gap { first: expected, last: position - 1 });
        }
        report.head = Some(link);
        let Some(entry) = entry else {
            return report.note(ChainFault::Deleted { position, entry: link.entry });
        };
        report.linked += 1;
        let is_changed = match entry {
            StoredEntry::Unreadable(entry) => return report.note(ChainFault::Unreadable { entry: *entry }),
            StoredEntry::Misfiled(_) => true,
            // After a gap, what the link was computed over is gone, so nobody can tell whether its entry is still the same.
            StoredEntry::Readable(_) if position > expected => false,
            StoredEntry::Readable(entry) => !holds(&*self.keyed_hash, mac_of(before.as_ref()), &link, entry),
        };
        if is_changed {
            report.note(ChainFault::Changed { position, entry: link.entry });
        }
    }

    async fn verify_waiting(&self, report: &mut ChainReport) -> StoreResult<()> {
        let mut after = None;
        loop {
            let page = self.stores.audit.unlinked(after, Self::VERIFIED_AT_ONCE).await?.entries;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id());
            for entry in page {
                report.waiting += 1;
                if let StoredEntry::Unreadable(entry) = entry {
                    report.note(ChainFault::Unreadable { entry });
                }
            }
        }
    }

    /// Looks for what neither hangs on the chain nor waits to.
    async fn find_strays(&self, report: &mut ChainReport) -> StoreResult<()> {
        let mut after = None;
        loop {
            let strays = self.stores.audit.find_strays(after, Self::VERIFIED_AT_ONCE).await?;
            let Some(last) = strays.last() else { return Ok(()) };
            after = Some(*last);
            for entry in strays {
                report.note(ChainFault::Stray { entry });
            }
        }
    }
}
