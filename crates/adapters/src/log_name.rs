use std::hash::{BuildHasher, Hasher, RandomState};

/// Tells one log of revocations from every other in its cursors, where positions are the same in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogName(u64);

impl LogName {
    /// The position in a cursor of this log; `None` for a cursor of another.
    pub(crate) fn position_in<P: std::str::FromStr>(self, cursor: &str) -> Option<P> {
        let (name, position) = cursor.split_once(' ')?;
        position.parse().ok().filter(|_| name.parse() == Ok(self.0))
    }

    pub(crate) fn cursor(self, position: impl std::fmt::Display) -> String {
        format!("{} {position}", self.0)
    }
}

/// One that nobody has had before, also not in another run of the process.
impl Default for LogName {
    fn default() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}
