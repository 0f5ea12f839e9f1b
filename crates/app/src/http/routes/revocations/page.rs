use maestro_auth_domain::{BlacklistEntry, Revoked};
use maestro_auth_ports::KeyedHash;
use maestro_auth_service::FeedPage;
use serde::Serialize;
use utoipa::ToSchema;

use super::LIST;
use crate::http::cursor::Cursor;

/// A piece of what has been revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = RevocationPage)]
pub(in crate::http) struct RevocationPageBody {
    /// Where to go on from.
    #[schema(example = "MTAyNNOSlAreYUubRXew_WSryHI")]
    cursor: String,
    /// Whether this is everything that had been revoked when it was asked for. Otherwise there is more, which is to be asked
    /// for at once.
    complete: bool,
    /// At most 1000, in no particular order. One may come again, which changes nothing.
    entries: Vec<RevocationBody>,
}

/// Tokens that are not accepted any more, though they have not expired; or a change of what the roles permit.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
pub(in crate::http) struct RevocationBody {
    /// `token`: the one with this `jti`. `session`: those with this `sid`. `user`: those of this `sub` whose `gen` is lower than
    /// `min_gen`. `key`: those with this `kid`. `roles`: none, but what the roles permit is to be asked for again. Others may be
    /// added, and can be passed over.
    #[schema(example = "session")]
    kind: &'static str,
    /// Always `*` for `roles`.
    #[schema(example = "019aba3e-5c00-7b02-a1b2-c3d4e5f60718")]
    id: String,
    /// For `user` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 7)]
    min_gen: Option<i64>,
    /// When it can be forgotten; RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-11-24T06:16:30Z")]
    until: String,
}

impl RevocationPageBody {
    pub(super) fn of(page: &FeedPage, key: &dyn KeyedHash) -> Self {
        Self {
            cursor: Cursor::new(page.next.as_str()).seal(key, LIST),
            complete: page.is_complete,
            entries: page.entries.iter().map(RevocationBody::of).collect(),
        }
    }

    pub(super) fn cursor(&self) -> &str {
        &self.cursor
    }
}

impl RevocationBody {
    fn of(entry: &BlacklistEntry) -> Self {
        let (kind, id, min_gen) = match entry.revoked {
            Revoked::Token(token) => ("token", token.to_string(), None),
            Revoked::Session(session) => ("session", session.to_string(), None),
            Revoked::User { user, min_generation } => {
                ("user", user.to_string(), Some(min_generation.number()))
            }
            Revoked::Key(key) => ("key", key.to_string(), None),
            Revoked::RoleDefinitions => ("roles", "*".to_owned(), None),
        };
        Self { kind, id, min_gen, until: entry.until.to_rfc3339() }
    }
}
