use serde::{Deserialize, Deserializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{SessionId, TokenId, UserId};

/// One answer of the feed.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub cursor: String,
    /// Whether there was nothing more when it was asked for.
    pub complete: bool,
    pub entries: Vec<Entry>,
}

/// Something that is not accepted any more. A kind that is not known is passed over; an entry of a known kind that can't be read
/// spoils its whole page, since to pass it over would be to accept what was revoked.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Entry {
    Token {
        id: TokenId,
        until: Until,
    },
    Session {
        id: SessionId,
        until: Until,
    },
    User {
        id: UserId,
        /// The lowest token generation that is still accepted.
        min_gen: i64,
        until: Until,
    },
    Key {
        id: String,
    },
    /// Role definitions have changed.
    Roles,
    #[serde(other)]
    Unknown,
}

/// When an entry can be forgotten, in seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Until(pub i64);

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339)
            .map(|at| Self(at.unix_timestamp()))
            .map_err(|_| de::Error::custom("a time is written after RFC 3339"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01936c5e-7c1a-7000-8000-000000000001";

    fn read(entry: &str) -> Option<Entry> {
        serde_json::from_str(&entry.replace("ID", ID)).ok()
    }

    #[test]
    fn reads_every_kind_and_passes_over_those_it_does_not_know() {
        let until = r#""until":"2026-11-24T06:00:00Z""#;
        for kind in ["token", "session"] {
            assert!(read(&format!(r#"{{"kind":"{kind}","id":"ID",{until}}}"#)).is_some());
            assert!(read(&format!(r#"{{"kind":"{kind}","id":"x",{until}}}"#)).is_none());
            assert!(read(&format!(r#"{{"kind":"{kind}","id":"ID","until":"soon"}}"#)).is_none());
        }
        assert!(read(&format!(r#"{{"kind":"user","id":"ID","min_gen":7,{until}}}"#)).is_some());
        assert!(read(&format!(r#"{{"kind":"user","id":"ID",{until}}}"#)).is_none(), "min_gen is missing");
        assert!(matches!(read(&format!(r#"{{"kind":"key","id":"k",{until}}}"#)), Some(Entry::Key { .. })));
        assert!(matches!(read(&format!(r#"{{"kind":"roles","id":"*",{until}}}"#)), Some(Entry::Roles)));
        assert!(matches!(read(r#"{"kind":"device","id":5}"#), Some(Entry::Unknown)));
    }
}
