use std::time::Duration;

use crate::{Generation, RefreshCounter, SessionId, Timestamp, User, UserId};

/// One login and the refresh token family that grew from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    /// The generation of the user when the session was opened.
    pub opened_generation: Generation,
    /// The counter of the one live refresh token.
    pub counter: RefreshCounter,
    pub created_at: Timestamp,
    /// When the live refresh token was issued.
    pub rotated_at: Timestamp,
    /// The end that no rotation moves.
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// A session about to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSession {
    pub id: SessionId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl NewSession {
    /// The session that comes of it for `user`.
    #[must_use]
    pub fn open_for(self, user: &User) -> Session {
        Session {
            id: self.id,
            user: user.id,
            opened_generation: user.generation,
            counter: RefreshCounter::FIRST,
            created_at: self.created_at,
            rotated_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: None,
        }
    }
}

/// How refresh tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// How long the immediate predecessor of the live token is still answered, so that two tabs may race.
    pub reuse_grace: Duration,
    /// How long a refresh token lives unused.
    pub idle_ttl: Duration,
}

/// What becomes of a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshVerdict {
    /// It is the live one: it buys its successor.
    Rotate,
    /// It is the immediate predecessor within the grace: it is answered with the live one again.
    Replay,
    /// It was spent, and somebody has it: the session must end (RFC 9700 section 4.14.2).
    Reuse,
    /// The session has ended before.
    Ended,
    /// The session or its live token is past its lifetime.
    Expired,
}

impl Session {
    /// Whether the session lives, given its user as of now.
    #[must_use]
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        !self.has_ended(user) && now < self.expires_at
    }

    fn has_ended(&self, user: &User) -> bool {
        self.revoked_at.is_some() || self.has_ended_with_all(user)
    }

    /// Whether the session has ended together with every other one that its user had at the time.
    #[must_use]
    pub fn has_ended_with_all(&self, user: &User) -> bool {
        !user.is_active || self.opened_generation < user.session_floor
    }

    /// When the live refresh token expires: after its idle lifetime, and never after the session.
    #[must_use]
    pub fn refresh_expires_at(&self, policy: &RefreshPolicy) -> Timestamp {
        (self.rotated_at + policy.idle_ttl).min(self.expires_at)
    }

    /// Judges the refresh token with counter `presented`. Every storage follows this one rule (SEC-49 to SEC-54).
    #[must_use]
    pub fn judge(
        &self,
        user: &User,
        presented: RefreshCounter,
        policy: &RefreshPolicy,
        now: Timestamp,
    ) -> RefreshVerdict {
        if self.has_ended(user) {
            RefreshVerdict::Ended
        } else if now >= self.refresh_expires_at(policy) {
            RefreshVerdict::Expired
        } else if presented == self.counter {
            RefreshVerdict::Rotate
        } else if self.is_spent_last(presented) && now.since(self.rotated_at) < policy.reuse_grace {
            RefreshVerdict::Replay
        } else {
            RefreshVerdict::Reuse
        }
    }

    fn is_spent_last(&self, presented: RefreshCounter) -> bool {
        presented >= RefreshCounter::FIRST && presented.next() == self.counter
    }

    /// The session after its live refresh token was spent for the next.
    #[must_use]
    pub fn rotated(&self, now: Timestamp) -> Self {
        Self { counter: self.counter.next(), rotated_at: now, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DisplayName, Email, NewUser, PasswordHash, RoleName, Roles, TenantId};

    const POLICY: RefreshPolicy =
        RefreshPolicy { reuse_grace: Duration::from_secs(10), idle_ttl: Duration::from_secs(100) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn user() -> User {
        NewUser {
            id: UserId::generate(at(0), [1; 10]),
            tenant: TenantId::DEFAULT,
            email: Email::parse("ada@example.com").unwrap(),
            name: DisplayName::parse("Ada").unwrap(),
            roles: Roles::single(RoleName::viewer()),
            password_hash: PasswordHash::new(String::new()),
            created_at: at(0),
        }
        .into_user()
    }

    fn session(user: &User) -> Session {
        NewSession { id: SessionId::generate(at(0), [2; 10]), created_at: at(0), expires_at: at(250) }
            .open_for(user)
    }

    #[test]
    fn a_token_buys_one_successor_and_its_predecessor_is_replayed_within_the_grace() {
        let user = user();
        let first = session(&user);
        assert_eq!(first.judge(&user, RefreshCounter::FIRST, &POLICY, at(1)), RefreshVerdict::Rotate);
        let second = first.rotated(at(1));
        assert_eq!(second.judge(&user, first.counter, &POLICY, at(10)), RefreshVerdict::Replay);
        assert_eq!(second.judge(&user, first.counter, &POLICY, at(11)), RefreshVerdict::Reuse);
        let third = second.rotated(at(2));
        assert_eq!(third.judge(&user, first.counter, &POLICY, at(2)), RefreshVerdict::Reuse, "SEC-51");
        assert_eq!(first.judge(&user, third.counter, &POLICY, at(2)), RefreshVerdict::Reuse, "never issued");
    }

    #[test]
    fn sec_53_idle_and_absolute_limits_hold() {
        let user = user();
        let fresh = session(&user);
        assert_eq!(fresh.judge(&user, fresh.counter, &POLICY, at(100)), RefreshVerdict::Expired);
        let rotated = fresh.rotated(at(99)).rotated(at(198));
        assert_eq!(rotated.judge(&user, rotated.counter, &POLICY, at(249)), RefreshVerdict::Rotate);
        assert_eq!(rotated.judge(&user, rotated.counter, &POLICY, at(250)), RefreshVerdict::Expired);
    }

    #[test]
    fn a_session_ends_with_its_revocation_its_user_or_the_floor() {
        let user = user();
        let live = session(&user);
        let ended = |session: &Session, user: &User| {
            !session.is_live(user, at(1))
                && session.judge(user, session.counter, &POLICY, at(1)) == RefreshVerdict::Ended
        };
        assert!(live.is_live(&user, at(1)));
        assert!(ended(&Session { revoked_at: Some(at(1)), ..live.clone() }, &user));
        assert!(ended(&live, &User { is_active: false, ..user.clone() }));
        assert!(ended(&live, &User { session_floor: user.generation.next(), ..user }));
    }
}
