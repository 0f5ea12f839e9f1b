//! The audit trail: what is told of an event, and by which way it gets into the trail.
//!
//! What changes the storage leaves its entry in the same step, as [`Effects`]; so it is there or the change is not (REL-37). What
//! changes nothing, such as a refused login, is told by [`AuthService::tell`]: soon, within bounds, and without making anybody
//! wait, so that no answer's time tells what was written.

mod chain;
mod follow;
mod read;
mod repeats;
mod soon;
mod verify;

use maestro_auth_domain::{Action, Actor, AuditEntry, AuditId, Origin, Outcome, Subject, Timestamp};
use maestro_auth_ports::Effects;

pub use self::read::AuditExport;
pub(crate) use self::soon::Soon;
pub use self::verify::{ChainFault, ChainReport};
use crate::{AuthService, TENANT};

/// What is told of an event.
pub(crate) struct Event<'a> {
    action: Action,
    outcome: Outcome,
    actor: Actor,
    subject: Option<Subject>,
    origin: &'a Origin,
    details: Vec<(String, String)>,
}

impl<'a> Event<'a> {
    /// Something that `actor` did.
    pub(crate) const fn new(action: Action, actor: Actor, origin: &'a Origin) -> Self {
        Self { action, outcome: Outcome::Success, actor, subject: None, origin, details: Vec::new() }
    }

    pub(crate) fn about(self, subject: Subject) -> Self {
        Self { subject: Some(subject), ..self }
    }

    pub(crate) fn ended(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.push((name.to_owned(), value.into()));
        self
    }
}

impl AuthService {
    /// What is to commit with a step of `now`.
    pub(crate) fn effects(&self, now: Timestamp, event: Event<'_>) -> Effects {
        Effects::audit(self.entry(now, event))
    }

    /// Tells of an event that changes nothing in the storage.
    pub(crate) fn tell(&self, now: Timestamp, event: Event<'_>) {
        self.soon.tell(self.entry(now, event), self.clock.monotonic());
    }

    fn entry(&self, now: Timestamp, event: Event<'_>) -> AuditEntry {
        let Event { action, outcome, actor, subject, origin, details } = event;
        let id = AuditId::generate(now, self.entropy.bytes());
        let origin = origin.clone();
        AuditEntry { id, tenant: TENANT, at: now, action, outcome, actor, subject, origin, details }
    }
}
