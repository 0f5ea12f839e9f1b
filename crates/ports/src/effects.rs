use maestro_auth_domain::AuditEntry;

/// What commits with a step, or not at all: whoever asks for the step says what is to be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// The entry of the audit trail. A step that changes something leaves it, and one that changes nothing MUST NOT:
    /// `an_entry_commits_with_its_cause`.
    pub audit: AuditEntry,
}

impl Effects {
    /// Leaves an entry in the audit trail.
    #[must_use]
    pub const fn audit(entry: AuditEntry) -> Self {
        Self { audit: entry }
    }
}
