use async_trait::async_trait;
use maestro_auth_domain::{
    NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy, RefreshVerdict, RevocationTime,
    SessionId, Timestamp, TokenId, UserId,
};
use maestro_auth_ports::{
    OpenOutcome, Principal, RevokeAllOutcome, RotateOutcome, SessionRepository, StoreError, StoreResult,
};

use super::dialect::Dialect;
use super::rows;
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
/// the one case in which `Session::judge` says `RefreshVerdict::Rotate`.
macro_rules! spend_counter {
    () => {
        "UPDATE sessions SET counter = counter + 1, rotated_at = $3 FROM users \
         WHERE sessions.id = $1 AND sessions.counter = $2 AND sessions.revoked_at IS NULL \
         AND sessions.rotated_at > $4 AND sessions.expires_at > $3 AND users.id = sessions.user_id \
         AND users.is_active AND sessions.opened_generation >= users.session_floor RETURNING "
    };
}

/// Ends the session `$1` at the time `$3` if it has not ended, with the counter `$4` if that is given.
macro_rules! end_session {
    () => {
        "UPDATE sessions SET revoked_at = $3 \
         WHERE id = $1 AND revoked_at IS NULL AND counter = COALESCE($4, counter)"
    };
}

/// Ends every session of the user whose session `$1` is live at the time `$3`, as `Session::is_live` says.
macro_rules! end_all_sessions {
    () => {
        "UPDATE users SET generation = generation + 1, session_floor = generation + 1 FROM sessions \
         WHERE sessions.id = $1 AND users.id = sessions.user_id AND sessions.revoked_at IS NULL \
         AND users.is_active AND sessions.opened_generation >= users.session_floor AND sessions.expires_at > $3"
    };
}

/// Gives the session `$1` and its user.
macro_rules! find_principal {
    () => {
        concat!(
            "SELECT ",
            $crate::sql::principal_columns!(),
            " FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1"
        )
    };
}
pub(crate) use {end_all_sessions, end_session, find_principal, insert_session, note_login, spend_counter};

const FIND_SESSION: &str = crate::sql::find_principal!();
/// In the words of the index `revocations_tokens`.
const FIND_PRINCIPAL: &str =
    concat!(find_principal!(), " AND NOT EXISTS (SELECT 1 FROM revocations WHERE kind = 1 AND subject = $2)");
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

    async fn find_principal(&self, session: SessionId, token: TokenId) -> StoreResult<Option<Principal>> {
        let find = Statement::new(FIND_PRINCIPAL).bind(session).bind(token);
        first(&self.read(find).await?, rows::principal)
    }

    /// One statement when the counter is the live one. Else the session is judged as it was read, and what follows
    /// from it is done only if it still is so.
    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        when: RevocationTime,
    ) -> StoreResult<RotateOutcome> {
        for _ in 0..MAX_TRIES {
            if let Some(principal) = self.spend(session, presented, policy, when.at).await? {
                return Ok(RotateOutcome::Rotated(principal));
            }
            let Some(seen) = self.find_session(session).await? else {
                return Ok(RotateOutcome::Unknown);
            };
            match seen.session.judge(&seen.user, presented, &policy, when.at) {
                RefreshVerdict::Reuse if self.end(session, Some(seen.session.counter), when).await? => {
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

    async fn revoke(&self, session: SessionId, when: RevocationTime) -> StoreResult<()> {
        self.end(session, None, when).await.map(drop)
    }

    async fn revoke_all(&self, by: SessionId, when: RevocationTime) -> StoreResult<RevokeAllOutcome> {
        let values = Values::default().bind(by).bind(when.until).bind(when.at);
        let ended = self.write_revoking(values.for_each(D::END_ALL_SESSIONS)).await.map(last)?;
        let generation = first(&ended, rows::min_generation)?;
        Ok(generation.map_or(RevokeAllOutcome::Powerless, RevokeAllOutcome::Revoked))
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

    async fn find_session(&self, session: SessionId) -> StoreResult<Option<Principal>> {
        first(&self.read(Statement::new(FIND_SESSION).bind(session)).await?, rows::principal)
    }

    /// Ends the session if it has not ended, with the counter `seen` if that is given, and says whether it did.
    async fn end(
        &self,
        session: SessionId,
        seen: Option<RefreshCounter>,
        when: RevocationTime,
    ) -> StoreResult<bool> {
        let values = Values::default().bind(session).bind(when.until).bind(when.at).bind(seen);
        let ended = self.write_revoking(values.for_each(D::END_SESSION)).await.map(last)?;
        Ok(!ended.is_empty())
    }
}
