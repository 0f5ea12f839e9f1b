use maestro_auth_domain::{BlacklistEntry, Generation, Revoked, Timestamp};

/// The form in which Redis keeps an entry: `TENANT UNTIL KIND ID`, and for a user the lowest generation that is accepted.
pub(super) fn to_text(entry: &BlacklistEntry) -> String {
    let BlacklistEntry { tenant, revoked, until } = entry;
    let until = until.unix_micros();
    match revoked {
        Revoked::Token(token) => format!("{tenant} {until} token {token}"),
        Revoked::Session(session) => format!("{tenant} {until} session {session}"),
        Revoked::User { user, min_generation } => {
            format!("{tenant} {until} user {user} {}", min_generation.number())
        }
    }
}

pub(super) fn from_text(text: &str) -> Option<BlacklistEntry> {
    let words: Vec<&str> = text.splitn(6, ' ').collect();
    let [tenant, until, kind, id, more @ ..] = words.as_slice() else { return None };
    let revoked = match (*kind, more) {
        ("token", []) => Revoked::Token(id.parse().ok()?),
        ("session", []) => Revoked::Session(id.parse().ok()?),
        ("user", [generation]) => Revoked::User {
            user: id.parse().ok()?,
            min_generation: Generation::from_number(generation.parse().ok()?),
        },
        _ => return None,
    };
    let until = Timestamp::from_unix_micros(until.parse().ok()?);
    Some(BlacklistEntry { tenant: tenant.parse().ok()?, revoked, until })
}
