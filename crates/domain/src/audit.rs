use std::net::IpAddr;

use crate::{AuditId, ClientId, KeyId, PermissionName, RoleName, SessionId, TenantId, Timestamp, UserId};

/// One security event, with who caused it and whom it concerns (SEC-118).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub id: AuditId,
    pub tenant: TenantId,
    pub at: Timestamp,
    pub action: Action,
    pub outcome: Outcome,
    pub actor: Actor,
    pub subject: Option<Subject>,
    pub origin: Origin,
    /// What else is to know, as names and values. Never a secret.
    pub details: Vec<(String, String)>,
}

macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $enum {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $enum {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As the wire and the storage write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }
    };
}

names! {
    /// What was done, or tried.
    Action {
        UserRegistered = "user.registered",
        UserCreated = "user.created",
        UserUpdated = "user.updated",
        UserDeleted = "user.deleted",
        UserListed = "user.listed",
        UserViewed = "user.viewed",
        PasswordSet = "password.set",
        LoginSucceeded = "login.succeeded",
        LoginFailed = "login.failed",
        /// A stored hash was broken or beyond the permitted cost (SEC-10).
        HashRejected = "hash.rejected",
        LoggedOut = "session.ended",
        LoggedOutEverywhere = "sessions.ended",
        /// A spent refresh token was presented; its session ended for it (SEC-50).
        RefreshReused = "refresh.reused",
        TokenRevoked = "token.revoked",
        RolePut = "role.put",
        RoleDeleted = "role.deleted",
        PermissionPut = "permission.put",
        PermissionDeleted = "permission.deleted",
        ServiceCreated = "service.created",
        ServiceDeleted = "service.deleted",
        ServiceRefused = "service.refused",
        KeyRotated = "key.rotated",
        KeyRevoked = "key.revoked",
        AuditViewed = "audit.viewed",
        AuditExported = "audit.exported",
        /// So many entries found no room on their way into the trail.
        EntriesLost = "audit.entries_lost",
        /// A caller lacked what the route or the change demands.
        AccessDenied = "access.denied",
    }
}

names! {
    /// What became of it.
    Outcome {
        Success = "success",
        Failure = "failure",
        Denied = "denied",
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Nobody who is known.
    Anonymous,
    User(UserId),
    Service(ClientId),
    /// Whoever runs commands on the server's machine.
    Operator,
    /// The server by itself.
    Server,
}

/// What is acted upon.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    User(UserId),
    Session(SessionId),
    Service(ClientId),
    Role(RoleName),
    Permission(PermissionName),
    Key(KeyId),
}

impl Actor {
    /// The user among the actors.
    #[must_use]
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            _ => None,
        }
    }

    /// `user:ID`, `service:ID`, `operator`, `server` or `anonymous`.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::User(id) => format!("user:{id}"),
            Self::Service(id) => format!("service:{id}"),
            Self::Operator => "operator".to_owned(),
            Self::Server => "server".to_owned(),
        }
    }

    /// Reads what [`Self::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "anonymous" => Some(Self::Anonymous),
            None if text == "operator" => Some(Self::Operator),
            None if text == "server" => Some(Self::Server),
            Some(("user", id)) => id.parse().ok().map(Self::User),
            Some(("service", id)) => id.parse().ok().map(Self::Service),
            _ => None,
        }
    }
}

impl Subject {
    /// The user among the subjects.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(*user),
            _ => None,
        }
    }

    /// `user:ID`, `session:ID`, `service:ID`, `role:NAME`, `permission:NAME` or `key:KID`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::User(id) => format!("user:{id}"),
            Self::Session(id) => format!("session:{id}"),
            Self::Service(id) => format!("service:{id}"),
            Self::Role(name) => format!("role:{name}"),
            Self::Permission(name) => format!("permission:{name}"),
            Self::Key(id) => format!("key:{id}"),
        }
    }

    /// Reads what [`Self::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        match kind {
            "user" => id.parse().ok().map(Self::User),
            "session" => id.parse().ok().map(Self::Session),
            "service" => id.parse().ok().map(Self::Service),
            "role" => RoleName::parse(id).ok().map(Self::Role),
            "permission" => PermissionName::parse(id).ok().map(Self::Permission),
            "key" => KeyId::parse(id).map(Self::Key),
            _ => None,
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Origin {
    pub address: Option<IpAddr>,
    user_agent: Option<String>,
    request_id: Option<String>,
}

impl Origin {
    pub const MAX_USER_AGENT_CHARS: usize = 256;
    pub const MAX_REQUEST_ID_CHARS: usize = 128;

    /// Cuts what is too long, and replaces what would not print as one line (SEC-119).
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>, request_id: Option<&str>) -> Self {
        let line = |text: &str, limit: usize| -> String {
            let visible =
                |character| if crate::name::is_unprintable(character) { '\u{FFFD}' } else { character };
            text.chars().take(limit).map(visible).collect()
        };
        Self {
            address,
            user_agent: user_agent.map(|text| line(text, Self::MAX_USER_AGENT_CHARS)),
            request_id: request_id.map(|text| line(text, Self::MAX_REQUEST_ID_CHARS)),
        }
    }

    /// Takes what is stored as it is: whoever put something there that [`Self::new`] does not give has changed the entry.
    #[must_use]
    pub const fn from_stored(
        address: Option<IpAddr>,
        user_agent: Option<String>,
        request_id: Option<String>,
    ) -> Self {
        Self { address, user_agent, request_id }
    }

    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl AuditEntry {
    /// The entry as bytes, of which none stand for another entry as well: what the chain of entries is computed over.
    ///
    /// Each field is preceded by its length, and a missing one by a length that none has.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = b"audit/1".to_vec();
        let mut field = |text: Option<&str>| {
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            bytes.extend(length.to_be_bytes());
            bytes.extend(text.unwrap_or_default().as_bytes());
        };
        field(Some(&self.id.to_string()));
        field(Some(&self.tenant.to_string()));
        field(Some(&self.at.unix_micros().to_string()));
        field(Some(self.action.as_str()));
        field(Some(self.outcome.as_str()));
        field(Some(&self.actor.to_text()));
        field(self.subject.as_ref().map(Subject::to_text).as_deref());
        field(self.origin.address.map(|address| address.to_string()).as_deref());
        field(self.origin.user_agent());
        field(self.origin.request_id());
        field(Some(&self.details.len().to_string()));
        for (name, value) in &self.details {
            field(Some(name));
            field(Some(value));
        }
        bytes
    }
}

/// What an audit trail is asked for. What is `None` is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// The actor or the subject.
    pub user: Option<UserId>,
    pub action: Option<Action>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether the entry is among those asked for.
    #[must_use]
    pub fn matches(&self, entry: &AuditEntry) -> bool {
        let concerns = |user: UserId| {
            entry.actor.user() == Some(user) || entry.subject.as_ref().and_then(Subject::user) == Some(user)
        };
        self.user.is_none_or(concerns)
            && self.action.is_none_or(|action| action == entry.action)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
    }
}

/// One link of the chain that audit entries hang on: it holds what stood before it and one entry more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditLink {
    /// Counts from 1, without a gap.
    pub position: i64,
    pub entry: AuditId,
    /// A keyed hash (RFC 2104) over the link before and the entry, by a key that is not in the storage.
    pub mac: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            id: AuditId::generate(Timestamp::from_unix_seconds(1), [1; 10]),
            tenant: TenantId::DEFAULT,
            at: Timestamp::from_unix_seconds(1),
            action: Action::LoginFailed,
            outcome: Outcome::Failure,
            actor: Actor::Anonymous,
            subject: None,
            origin: Origin::new(None, Some("a\r\nb"), None),
            details: vec![("a".to_owned(), "bc".to_owned())],
        }
    }

    #[test]
    fn no_other_entry_has_the_same_bytes() {
        let one = entry();
        let moved = AuditEntry { details: vec![("ab".to_owned(), "c".to_owned())], ..one.clone() };
        let empty = AuditEntry { origin: Origin::new(None, Some("a\r\nb"), Some("")), ..one.clone() };
        assert_ne!(one.to_bytes(), moved.to_bytes());
        assert_ne!(one.to_bytes(), empty.to_bytes());
        assert_eq!(one.to_bytes(), entry().to_bytes());
    }

    #[test]
    fn sec_119_an_origin_is_one_bounded_line() {
        let origin = Origin::new(None, Some("a\r\n\u{1b}[31m\u{202E}b"), Some(&"x".repeat(500)));
        assert_eq!(origin.user_agent(), Some("a\u{FFFD}\u{FFFD}\u{FFFD}[31m\u{FFFD}b"));
        assert_eq!(origin.request_id().unwrap().len(), Origin::MAX_REQUEST_ID_CHARS);
    }

    #[test]
    fn actors_and_subjects_read_what_they_write() {
        let at = Timestamp::from_unix_seconds(1);
        let (user, client) = (UserId::generate(at, [1; 10]), ClientId::generate(at, [2; 10]));
        let actors =
            [Actor::Anonymous, Actor::User(user), Actor::Service(client), Actor::Operator, Actor::Server];
        for actor in actors {
            assert_eq!(Actor::from_text(&actor.to_text()), Some(actor));
        }
        for subject in [
            Subject::User(user),
            Subject::Session(SessionId::generate(at, [3; 10])),
            Subject::Service(client),
            Subject::Role(RoleName::admin()),
            Subject::Permission(PermissionName::system_admin()),
            Subject::Key(KeyId::parse(&"k".repeat(43)).unwrap()),
        ] {
            assert_eq!(Subject::from_text(&subject.to_text()), Some(subject));
        }
        for bad in ["", "user", "user:", "user:1", "root"] {
            assert!(Actor::from_text(bad).is_none() && Subject::from_text(bad).is_none(), "{bad}");
        }
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.as_str()), Some(*action));
        }
    }
}
