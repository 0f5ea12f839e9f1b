use std::sync::Arc;

use maestro_auth_domain::{Action, AuditEntry, AuditFilter, AuditId, Subject};
use maestro_auth_ports::StoreResult;

use super::Event;
use crate::{AuthService, Caller, TENANT};

impl AuthService {
    /// Lists entries, the newest first, and says before which id the next page goes on. That it was done is an entry itself.
    pub async fn find_audit(
        &self,
        by: &Caller,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32,
    ) -> StoreResult<(Vec<AuditEntry>, Option<AuditId>)> {
        let page = self.audit_page(filter, before, limit).await?;
        self.tell(self.clock.now(), read(Action::AuditViewed, by, filter));
        Ok(page)
    }

    /// Begins to give out every entry that the filter matches. That is written down before the first of them is given: an export
    /// that leaves no trace is none.
    pub async fn export_audit(
        self: &Arc<Self>,
        by: &Caller,
        filter: AuditFilter,
    ) -> StoreResult<AuditExport> {
        let entry = self.entry(self.clock.now(), read(Action::AuditExported, by, &filter));
        self.stores.audit.append(&[entry]).await?;
        Ok(AuditExport { auth: Arc::clone(self), filter, place: Place::Start })
    }

    async fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: u32,
    ) -> StoreResult<(Vec<AuditEntry>, Option<AuditId>)> {
        let with_one_more = limit.saturating_add(1);
        let mut entries = self.stores.audit.find_entries(TENANT, filter, before, with_one_more).await?;
        let is_last = entries.len() <= limit as usize;
        entries.truncate(limit as usize);
        let next = entries.last().filter(|_| !is_last).map(|entry| entry.id);
        Ok((entries, next))
    }
}

/// Entries that are given out page by page, so that a trail of any length takes up no more memory than a page.
pub struct AuditExport {
    auth: Arc<AuthService>,
    filter: AuditFilter,
    place: Place,
}

enum Place {
    Start,
    Before(AuditId),
    End,
}

impl AuditExport {
    const PAGE: u32 = 500;

    /// The next entries, the newest first; `None` when all were given. After a failure the same ones can be asked for again.
    pub async fn next_page(&mut self) -> StoreResult<Option<Vec<AuditEntry>>> {
        let before = match self.place {
            Place::Start => None,
            Place::Before(before) => Some(before),
            Place::End => return Ok(None),
        };
        let (entries, next) = self.auth.audit_page(&self.filter, before, Self::PAGE).await?;
        self.place = next.map_or(Place::End, Place::Before);
        Ok(Some(entries))
    }
}

/// What is told of a look at the trail: who was looked for, and what else.
fn read<'a>(action: Action, by: &'a Caller, filter: &AuditFilter) -> Event<'a> {
    let mut event = Event::new(action, by.actor(), by.origin());
    if let Some(user) = filter.user {
        event = event.about(Subject::User(user));
    }
    if let Some(action) = filter.action {
        event = event.with("action", action.as_str());
    }
    for (name, time) in [("since", filter.since), ("until", filter.until)] {
        if let Some(time) = time {
            event = event.with(name, time.to_rfc3339());
        }
    }
    event
}
