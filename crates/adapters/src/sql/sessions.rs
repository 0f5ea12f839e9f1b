use async_trait::async_trait;
use maestro_auth_domain::{
    NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy, RefreshVerdict, Session,
    SessionId, Timestamp, UserId,
};
use maestro_auth_ports::{
    OpenOutcome, Principal, RevokeAllOutcome, RotateOutcome, SessionRepository, StoreError, StoreResult,
};

use super::dialect::Dialect;
use super::rows::{self, principal_columns};
use super::statement::{Statement, Values};
use super::store::{SqlStore, first, last};

/// Stores a session; `source` gives its values in this order.
macro_rules! insert_session {
    ($source:literal) => {
        concat!(
            "INSERT INTO sessions \
             (id, tenant_id, user_id, opened_generation, counter, created_at, rotated_at, expires_at) ",
            $source
        )
    };
}

/// Notes a login of the user `$1` at the time `$6`, and gives it the hash `$3` if there is one, while it is active and
/// has the password version `$2`.
macro_rules! note_login {
    () => {
        "UPDATE users SET last_login_at = $6, password_hash = COALESCE($3, password_hash) \
         WHERE id = $1 AND is_active AND password_version = $2 RETURNING "
    };
}

/// Spends the counter `$2` of the session `$1` at the time `$3`, if it was bought after `$4` and the session is live:
/// the one case in which [`Session::judge`] says [`RefreshVerdict::Rotate`].
macro_rules! spend_counter {
    () => {
        "UPDATE sessions SET counter = counter + 1, rotated_at = $3 FROM users \
         WHERE sessions.id = $1 AND sessions.counter = $2 AND sessions.revoked_at IS NULL \
         AND sessions.rotated_at > $4 AND sessions.expires_at > $3 AND users.id = sessions.user_id \
         AND users.is_active AND sessions.opened_generation >= users.session_floor RETURNING "
    };
}
pub(crate) use {insert_session, note_login, spend_counter};

const FIND_PRINCIPAL: &str = concat!(
    "SELECT ",
    principal_columns!(),
    " FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1"
);
const REVOKE: &str = "UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const REVOKE_AS_SEEN: &str =
    "UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL AND counter = $3 RETURNING id";
/// The condition is [`Session::is_live`].
const REVOKE_ALL: &str = "UPDATE users SET generation = generation + 1, session_floor = generation + 1 FROM sessions \
     WHERE sessions.id = $1 AND users.id = sessions.user_id AND sessions.revoked_at IS NULL AND users.is_active \
     AND sessions.opened_generation >= users.session_floor AND sessions.expires_at > $2 RETURNING users.id";
const FORGET_EXPIRED: &str = "DELETE FROM sessions \
     WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING id";

/// Each try that fails means that somebody else's succeeded, so a session that changes this often is under attack.
const MAX_TRIES: u32 = 10;

#[async_trait]
impl<D: Dialect> SessionRepository for SqlStore<D> {
    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
    ) -> StoreResult<OpenOutcome> {
        let values = Values::default()
            .bind(user)
            .bind(verified)
            .bind(upgrade.as_ref())
            .bind(session.id)
            .bind(RefreshCounter::FIRST)
            .bind(session.created_at)
            .bind(session.expires_at);
        let opened = self.write_all(values.for_each(D::OPEN_SESSION)).await?;
        Ok(match first(&opened[0], rows::user)? {
            Some(user) => OpenOutcome::Opened(Principal { session: session.open_for(&user), user }),
            None => OpenOutcome::Refused,
        })
    }

    async fn find_principal(&self, session: SessionId) -> StoreResult<Option<Principal>> {
        first(&self.read(Statement::new(FIND_PRINCIPAL).bind(session)).await?, rows::principal)
    }

    /// One statement when the counter is the live one. Else the session is judged as it was read, and what follows
    /// from it is done only if it still is so.
    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        now: Timestamp,
    ) -> StoreResult<RotateOutcome> {
        for _ in 0..MAX_TRIES {
            if let Some(principal) = self.spend(session, presented, policy, now).await? {
                return Ok(RotateOutcome::Rotated(principal));
            }
            let Some(seen) = self.find_principal(session).await? else {
                return Ok(RotateOutcome::Unknown);
            };
            match seen.session.judge(&seen.user, presented, &policy, now) {
                RefreshVerdict::Reuse if self.revoke_as_seen(&seen.session, now).await? => {
                    return Ok(RotateOutcome::Reused(seen.user.id));
                }
                RefreshVerdict::Rotate | RefreshVerdict::Reuse => {} // it changed in between: look again
                RefreshVerdict::Replay => return Ok(RotateOutcome::Replayed(seen)),
                RefreshVerdict::Ended => return Ok(RotateOutcome::Ended),
                RefreshVerdict::Expired => return Ok(RotateOutcome::Expired),
            }
        }
        Err(StoreError::unavailable("the session kept changing"))
    }

    async fn revoke(&self, session: SessionId, now: Timestamp) -> StoreResult<()> {
        self.write(Statement::new(REVOKE).bind(session).bind(now)).await.map(drop)
    }

    async fn revoke_all(&self, by: SessionId, now: Timestamp) -> StoreResult<RevokeAllOutcome> {
        let users = self.write(Statement::new(REVOKE_ALL).bind(by).bind(now)).await?;
        Ok(if users.is_empty() { RevokeAllOutcome::Powerless } else { RevokeAllOutcome::Revoked })
    }

    async fn forget_expired(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let forgotten = self.write(Statement::new(FORGET_EXPIRED).bind(before).bind(limit)).await?;
        Ok(forgotten.len() as u64)
    }
}

impl<D: Dialect> SqlStore<D> {
    /// Spends the counter if the verdict on it is [`RefreshVerdict::Rotate`].
    async fn spend(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        now: Timestamp,
    ) -> StoreResult<Option<Principal>> {
        let values = Values::default().bind(session).bind(presented).bind(now).bind(now - policy.idle_ttl);
        let rows = self.write_all(values.for_each(D::ROTATE)).await?;
        if rows[0].is_empty() { Ok(None) } else { first(&last(rows), rows::principal) }
    }

    async fn revoke_as_seen(&self, seen: &Session, now: Timestamp) -> StoreResult<bool> {
        let revoke = Statement::new(REVOKE_AS_SEEN).bind(seen.id).bind(now).bind(seen.counter);
        Ok(!self.write(revoke).await?.is_empty())
    }
}
