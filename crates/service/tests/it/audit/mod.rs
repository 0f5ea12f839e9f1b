//! The audit trail (SEC-118): what is told in it, how it gets there, and how it shows that nobody tampered with it.

mod chain;
mod events;
mod reads;
mod soon;
mod spoilt;

use maestro_auth_domain::{AuditEntry, AuditFilter, Origin, TenantId};

use crate::support::TestAuth;

/// Where the requests of these tests come from.
fn somewhere() -> Origin {
    Origin::new(Some([192, 0, 2, 1].into()), Some("a browser"), Some("request-1"))
}

/// Every entry, the newest id first.
async fn trail(t: &TestAuth) -> Vec<AuditEntry> {
    t.stores.audit.find_entries(TenantId::DEFAULT, &AuditFilter::default(), None, 1_000_000).await.unwrap()
}

/// The same, once everything that was told is written.
async fn flushed_trail(t: &TestAuth) -> Vec<AuditEntry> {
    t.auth.flush_audit().await.unwrap();
    trail(t).await
}

fn detail<'a>(entry: &'a AuditEntry, name: &str) -> Option<&'a str> {
    entry.details.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}
