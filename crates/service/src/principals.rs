use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{RevocableToken, Session, SessionId, Timestamp, User, UserId};
use maestro_auth_ports::Principal;
use quick_cache::sync::Cache;

/// Sessions and users as the store has shown them a moment ago.
///
/// Whatever must end a token is in the blacklist, which is looked at first; so what is read here can be out of date in its
/// harmless parts alone, such as the time of the last login on another instance, and not for long.
pub(crate) struct Principals {
    sessions: Cache<SessionId, Seen<Session>>,
    users: Cache<UserId, Seen<User>>,
}

/// What the store showed.
#[derive(Clone)]
struct Seen<T> {
    what: Arc<T>,
    /// When it was asked for, by the monotonic clock.
    at: Duration,
}

impl Principals {
    /// Users and sessions, each well under a kilobyte.
    const CAPACITY: usize = 10_000;
    const MAX_AGE: Duration = Duration::from_secs(5);

    pub(crate) fn new() -> Self {
        Self { sessions: Cache::new(Self::CAPACITY), users: Cache::new(Self::CAPACITY) }
    }

    /// Remembers what the store was asked for at `asked` (monotonic).
    pub(crate) fn remember(&self, principal: Principal, asked: Duration) -> Arc<User> {
        let Principal { user, session } = principal;
        let user = self.remember_user(user, asked);
        self.sessions.insert(session.id, Seen { what: Arc::new(session), at: asked });
        user
    }

    /// The same of a user alone.
    pub(crate) fn remember_user(&self, user: User, asked: Duration) -> Arc<User> {
        let user = Arc::new(user);
        // An answer that took long must not take the place of a later one.
        if self.users.peek(&user.id).is_none_or(|seen| seen.at <= asked) {
            self.users.insert(user.id, Seen { what: Arc::clone(&user), at: asked });
        }
        user
    }

    /// The user of a live token; `None` when the store must be asked. `moment` is that of the monotonic clock.
    pub(crate) fn find(&self, token: &RevocableToken, now: Timestamp, moment: Duration) -> Option<Arc<User>> {
        let session = self.sessions.get(&token.session)?.if_recent(moment)?;
        let user = self.users.get(&token.user)?.if_recent(moment)?;
        let is_good =
            session.user == token.user && session.is_live(&user, now) && user.generation == token.generation; // a higher one shows that the user seen is the older
        is_good.then_some(user)
    }
}

impl<T> Seen<T> {
    fn if_recent(self, moment: Duration) -> Option<Arc<T>> {
        (moment.saturating_sub(self.at) <= Principals::MAX_AGE).then_some(self.what)
    }
}
