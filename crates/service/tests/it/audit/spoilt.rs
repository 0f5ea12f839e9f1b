use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use maestro_auth_domain::{AuditEntry, AuditFilter, AuditId, AuditLink, TenantId};
use maestro_auth_ports::{AuditTrail, StoreError, StoreResult, StoredEntry, Stores, Unlinked};

use crate::support::TestAuth;

pub(super) type Chain = Vec<(AuditLink, Option<StoredEntry>)>;

/// A trail that somebody has tampered with who can write into the storage, or a slow one.
pub(super) struct Spoilt {
    pub(super) inner: Arc<dyn AuditTrail>,
    /// What the chain looks like, if it is not the real one.
    pub(super) chain: Option<Chain>,
    pub(super) strays: Vec<AuditId>,
    /// Entries that can't be read while they wait.
    pub(super) unreadable: HashSet<AuditId>,
    /// How many entries it takes at once.
    pub(super) capacity: AtomicUsize,
    /// How many entries were given to it, call by call.
    pub(super) appended: Mutex<Vec<usize>>,
}

impl Spoilt {
    /// The trail of that instance, not spoilt yet.
    pub(super) fn of(t: &TestAuth) -> Self {
        Self {
            inner: t.stores.audit.clone(),
            chain: None,
            strays: Vec::new(),
            unreadable: HashSet::new(),
            capacity: AtomicUsize::new(usize::MAX),
            appended: Mutex::default(),
        }
    }

    /// An instance that has this trail, and everything else from that one.
    pub(super) async fn instance(self: Arc<Self>, t: &TestAuth) -> TestAuth {
        t.instance_over(Stores { audit: self, ..t.stores.clone() }).await
    }
}

#[async_trait]
impl AuditTrail for Spoilt {
    async fn append(&self, entries: &[AuditEntry]) -> StoreResult<()> {
        self.appended.lock().unwrap().push(entries.len());
        if entries.len() > self.capacity.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("it did not answer in time"));
        }
        self.inner.append(entries).await
    }

    async fn find_entries(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        self.inner.find_entries(tenant, filter, before, limit).await
    }

    async fn unlinked(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Unlinked> {
        let mut unlinked = self.inner.unlinked(after, limit).await?;
        for entry in &mut unlinked.entries {
            if self.unreadable.contains(&entry.id()) {
                *entry = StoredEntry::Unreadable(entry.id());
            }
        }
        Ok(unlinked)
    }

    async fn link(&self, after: i64, links: &[AuditLink]) -> StoreResult<bool> {
        self.inner.link(after, links).await
    }

    async fn read_chain(&self, after: i64, limit: u32) -> StoreResult<Chain> {
        let Some(chain) = &self.chain else { return self.inner.read_chain(after, limit).await };
        let ahead = chain.iter().filter(|(link, _)| link.position > after);
        Ok(ahead.take(limit as usize).cloned().collect())
    }

    async fn find_strays(&self, after: Option<AuditId>, limit: u32) -> StoreResult<Vec<AuditId>> {
        let ahead = self.strays.iter().filter(|id| after.is_none_or(|after| **id > after));
        Ok(ahead.take(limit as usize).copied().collect())
    }
}
