use maestro_auth_domain::{BlacklistEntry, Generation, KeyId, Revoked, Timestamp};

/// The form in which Redis keeps an entry: `TENANT UNTIL KIND ID`, and for a user the lowest generation that is accepted.
/// What concerns no token, since roles are defined anew, has no id: `TENANT UNTIL roles`.
///
/// Instances of several versions share one log, so a form stays as it is, and what is new gets another kind.
pub(super) fn to_text(entry: &BlacklistEntry) -> String {
    let BlacklistEntry { tenant, revoked, until } = entry;
    let until = until.unix_micros();
    match revoked {
        Revoked::Token(token) => format!("{tenant} {until} token {token}"),
        Revoked::Session(session) => format!("{tenant} {until} session {session}"),
        Revoked::User { user, min_generation } => {
            format!("{tenant} {until} user {user} {}", min_generation.number())
        }
        Revoked::Key(key) => format!("{tenant} {until} key {key}"),
        Revoked::RoleDefinitions => format!("{tenant} {until} roles"),
    }
}

/// What [`to_text`] wrote; `None` for anything else, such as a kind that a newer version has added.
pub(super) fn from_text(text: &str) -> Option<BlacklistEntry> {
    let words: Vec<&str> = text.splitn(6, ' ').collect();
    let [tenant, until, kind, what @ ..] = words.as_slice() else { return None };
    let revoked = match (*kind, what) {
        ("token", [id]) => Revoked::Token(id.parse().ok()?),
        ("session", [id]) => Revoked::Session(id.parse().ok()?),
        ("user", [id, generation]) => Revoked::User {
            user: id.parse().ok()?,
            min_generation: Generation::from_number(generation.parse().ok()?),
        },
        ("key", [id]) => Revoked::Key(KeyId::parse(id)?),
        ("roles", []) => Revoked::RoleDefinitions,
        _ => return None,
    };
    let until = Timestamp::from_unix_micros(until.parse().ok()?);
    Some(BlacklistEntry { tenant: tenant.parse().ok()?, revoked, until })
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::{TenantId, TokenId, UserId};

    use super::*;

    const UNTIL: Timestamp = Timestamp::from_unix_micros(1_800_000_000_123_456);
    const ID: &str = "01920000-0000-7000-8000-000000000001";

    fn entry(revoked: Revoked) -> BlacklistEntry {
        BlacklistEntry { tenant: TenantId::DEFAULT, revoked, until: UNTIL }
    }

    /// As they stand in the Redis of whoever brings this version up.
    #[test]
    fn the_forms_of_all_versions_are_read() {
        let user: UserId = ID.parse().unwrap();
        let key = KeyId::parse(&"-aZ_0".repeat(9)[..KeyId::LENGTH]).unwrap();
        for (form, revoked) in [
            (format!("token {ID}"), Revoked::Token(ID.parse().unwrap())),
            (format!("session {ID}"), Revoked::Session(ID.parse().unwrap())),
            (format!("user {ID} 7"), Revoked::User { user, min_generation: Generation::from_number(7) }),
            (format!("key {key}"), Revoked::Key(key)),
            ("roles".to_owned(), Revoked::RoleDefinitions),
        ] {
            let text = format!("{} {} {form}", TenantId::DEFAULT, UNTIL.unix_micros());
            assert_eq!(from_text(&text), Some(entry(revoked)), "{text}");
            assert_eq!(to_text(&entry(revoked)), text);
        }
    }

    #[test]
    fn nothing_else_is_an_entry() {
        let token = to_text(&entry(Revoked::Token(ID.parse::<TokenId>().unwrap())));
        assert!(from_text(&token).is_some());
        for end in [" ", " more", "x"] {
            assert_eq!(from_text(&format!("{token}{end}")), None);
        }
        for form in
            ["", "token", "user", "key", "key short", "roles all", "roles ", "unheard-of", "unheard-of id"]
        {
            let text = format!("{} {} {form}", TenantId::DEFAULT, UNTIL.unix_micros());
            assert_eq!(from_text(&text), None, "{text}");
        }
    }
}
