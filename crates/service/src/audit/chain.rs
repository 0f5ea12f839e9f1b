use maestro_auth_domain::{AuditEntry, AuditLink};
use maestro_auth_ports::{KeyedHash, StoreResult, StoredEntry, Unlinked};

use crate::AuthService;

/// What became of a batch of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Laid {
    /// There may be more to link.
    Some,
    /// Nothing waited that can be linked.
    Nothing,
    /// Another instance was faster.
    Overtaken,
}

impl AuthService {
    const BATCH: u32 = 500;

    /// Hangs every entry on the chain that does not hang there yet and can be read. For commands and tests: a server does it all the time.
    pub async fn lay_chain(&self) -> StoreResult<()> {
        while self.lay_links().await? != Laid::Nothing {}
        Ok(())
    }

    /// Hangs the next entries on the chain. Of those who go on from one link the store lets one.
    pub(super) async fn lay_links(&self) -> StoreResult<Laid> {
        let (entries, mut last) = self.next_to_link().await?;
        if entries.is_empty() {
            return Ok(Laid::Nothing);
        }
        let after = last.map_or(0, |last| last.position);
        let mut links = Vec::with_capacity(entries.len());
        for entry in &entries {
            let next = self.link(last.as_ref(), entry);
            links.push(next);
            last = Some(next);
        }
        let is_laid = self.stores.audit.link(after, &links).await?;
        Ok(if is_laid { Laid::Some } else { Laid::Overtaken })
    }

    /// At least a batch of the entries that wait, if there are as many, and the link that they go on from. Those that can't be
    /// read stay where they are, and however many they are, they keep none behind them from being linked.
    async fn next_to_link(&self) -> StoreResult<(Vec<AuditEntry>, Option<AuditLink>)> {
        let Unlinked { entries: mut page, last } = self.stores.audit.unlinked(None, Self::BATCH).await?;
        let mut entries = Vec::new();
        loop {
            let newest = page.last().map(StoredEntry::id);
            let is_last = page.len() < Self::BATCH as usize;
            entries.extend(page.into_iter().filter_map(StoredEntry::readable));
            if is_last || entries.len() >= Self::BATCH as usize {
                return Ok((entries, last));
            }
            page = self.stores.audit.unlinked(newest, Self::BATCH).await?.entries;
        }
    }

    /// The link that holds `entry` after `last`.
    fn link(&self, last: Option<&AuditLink>, entry: &AuditEntry) -> AuditLink {
        let position = last.map_or(0, |last| last.position).saturating_add(1);
        let before = mac_of(last);
        let mac = self.keyed_hash.tag(CONTEXT, &linked_bytes(position, before, entry));
        AuditLink { position, entry: entry.id, mac }
    }
}

const CONTEXT: &str = "audit/chain";

/// What stands before the first link is 32 zero bytes.
pub(super) fn mac_of(link: Option<&AuditLink>) -> [u8; 32] {
    link.map_or([0; 32], |link| link.mac)
}

/// Whether the link holds the entry at its place, after a link with the code `before`.
pub(super) fn holds(hash: &dyn KeyedHash, before: [u8; 32], link: &AuditLink, entry: &AuditEntry) -> bool {
    hash.is_tag(CONTEXT, &linked_bytes(link.position, before, entry), &link.mac)
}

/// What a link is computed over: its place, the link before it, and its entry.
fn linked_bytes(position: i64, before: [u8; 32], entry: &AuditEntry) -> Vec<u8> {
    [&position.to_be_bytes()[..], &before, &entry.to_bytes()].concat()
}
