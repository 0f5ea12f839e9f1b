use thiserror::Error;

/// Why one value was refused: a stable `snake_case` `code` for programs and one English sentence for people.
///
/// Neither ever contains the refused value, so a violation can be answered and logged as it is (SEC-104, SEC-117).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Violation {
    pub code: &'static str,
    pub detail: &'static str,
}

impl Violation {
    #[must_use]
    pub const fn new(code: &'static str, detail: &'static str) -> Self {
        Self { code, detail }
    }
}
