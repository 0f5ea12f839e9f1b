use async_trait::async_trait;
use maestro_auth_domain::{
    Generation, KeyId, NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy,
    RefreshVerdict, RevocationTime, SessionId, TenantId, Timestamp, TokenId, UserId,
};
use maestro_auth_ports::{
    Effects, OpenOutcome, Principal, RevokeAllOutcome, RotateOutcome, SessionRepository, StoreError,
    StoreResult,
};

use super::audit::audit_values;
use super::dialect::Dialect;
use super::rows;
use super::statement::{Statement, Values};
use super::store::{MAX_TRIES, SqlStore, first, last};

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

/// Notes a login of the user `$14` at the time `$19`, and gives it the hash `$16` if there is one, while it is active
/// and has the password version `$15`.
macro_rules! note_login {
    () => {
        "UPDATE users SET last_login_at = $19, password_hash = COALESCE($16, password_hash) \
         WHERE id = $14 AND is_active AND password_version = $15 RETURNING "
    };
}

/// Spends the counter `$2` of the session `$1` at the time `$3`, if it was bought after `$4` and the session is live:
/// the one case in which `Session::judge` says `RefreshVerdict::Rotate`. The key `$5` must be there, and with `lock`
/// is kept there until the step is done.
macro_rules! spend_counter {
    ($lock:literal) => {
        concat!(
            "UPDATE sessions SET counter = counter + 1, rotated_at = $3 FROM users \
             WHERE sessions.id = $1 AND sessions.counter = $2 AND sessions.revoked_at IS NULL \
             AND sessions.rotated_at > $4 AND sessions.expires_at > $3 AND users.id = sessions.user_id \
             AND users.is_active AND sessions.opened_generation >= users.session_floor \
             AND EXISTS (SELECT 1 FROM signing_keys WHERE kid = $5",
            $lock,
            ") RETURNING "
        )
    };
}

/// Ends the session `$14` at the time `$16` if it has not ended, with the counter `$17` if that is given.
macro_rules! end_session {
    () => {
        "UPDATE sessions SET revoked_at = $16 \
         WHERE id = $14 AND revoked_at IS NULL AND counter = COALESCE($17, counter)"
    };
}

/// Ends every session of the user whose session `$14` is live at the time `$16`, as `Session::is_live` says.
macro_rules! end_all_sessions {
    () => {
        "UPDATE users SET generation = generation + 1, session_floor = generation + 1 FROM sessions \
         WHERE sessions.id = $14 AND users.id = sessions.user_id AND sessions.revoked_at IS NULL \
         AND users.is_active AND sessions.opened_generation >= users.session_floor AND sessions.expires_at > $16"
    };
}

/// Ends every session of the user `$14` of the tenant `$16`.
macro_rules! end_all_sessions_of {
    () => {
        "UPDATE users SET generation = generation + 1, session_floor = generation + 1 \
         WHERE id = $14 AND tenant_id = $16"
    };
}

/// Gives the session `$1` and its user, with what `also` names.
macro_rules! find_principal {
    ($($also:literal)?) => {
        concat!(
            "SELECT ",
            $crate::sql::principal_columns!(),
            $($also,)?
            " FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1"
        )
    };
}
pub(crate) use {
    end_all_sessions, end_all_sessions_of, end_session, find_principal, insert_session, note_login,
    spend_counter,
};

/// As of one moment, with whether the key `$2` is there.
const FIND_SESSION: &str = find_principal!(", EXISTS (SELECT 1 FROM signing_keys WHERE kid = $2) AS has_key");
const FIND_KEY: &str = "SELECT EXISTS (SELECT 1 FROM signing_keys WHERE kid = $1) AS has_key";
/// In the words of the indexes `revocations_tokens` and `revocations_keys`.
const FIND_PRINCIPAL: &str = concat!(
    find_principal!(),
    " AND NOT EXISTS (SELECT 1 FROM revocations WHERE kind = 1 AND subject = $2) \
     AND NOT EXISTS (SELECT 1 FROM revocations WHERE kind = 4 AND key_id = $3)"
);
const FORGET_EXPIRED: &str = "DELETE FROM sessions \
     WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING id";

#[async_trait]
impl<D: Dialect> SessionRepository for SqlStore<D> {
    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
        effects: Effects,
    ) -> StoreResult<OpenOutcome> {
        let values = audit_values(&effects.audit)
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

    async fn find_principal(
        &self,
        session: SessionId,
        token: TokenId,
        key: KeyId,
    ) -> StoreResult<Option<Principal>> {
        let find = Statement::new(FIND_PRINCIPAL).bind(session).bind(token).bind(key);
        first(&self.read(find).await?, rows::principal)
    }

    /// One statement when the counter is the live one. Else the session is judged as it was read, and what follows
    /// from it is done only if it still is so.
    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects,
    ) -> StoreResult<RotateOutcome> {
        for _ in 0..MAX_TRIES {
            if let Some(principal) = self.spend(session, presented, key, policy, when.at).await? {
                return Ok(RotateOutcome::Rotated(principal));
            }
            let found = self.read(Statement::new(FIND_SESSION).bind(session).bind(key)).await?;
            let Some(seen) = first(&found, rows::principal)? else {
                let has_key = first(&self.read(Statement::new(FIND_KEY).bind(key)).await?, rows::has_key)?;
                let is_unknown = has_key == Some(true);
                return Ok(if is_unknown { RotateOutcome::Unknown } else { RotateOutcome::KeyRevoked });
            };
            if first(&found, rows::has_key)? != Some(true) {
                return Ok(RotateOutcome::KeyRevoked);
            }
            match seen.session.judge(&seen.user, presented, &policy, when.at) {
                RefreshVerdict::Reuse
                    if self.end(session, Some(seen.session.counter), when, &on_reuse).await? =>
                {
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

    async fn revoke(&self, session: SessionId, when: RevocationTime, effects: Effects) -> StoreResult<()> {
        self.end(session, None, when, &effects).await.map(drop)
    }

    async fn revoke_all(
        &self,
        by: SessionId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeAllOutcome> {
        let values = audit_values(&effects.audit).bind(by).bind(when.until).bind(when.at);
        let ended = self.write_revoking(values.for_each(D::END_ALL_SESSIONS)).await?;
        let generation = first(&ended[0], rows::generation)?;
        Ok(generation.map_or(RevokeAllOutcome::Powerless, RevokeAllOutcome::Revoked))
    }

    async fn revoke_all_of(
        &self,
        tenant: TenantId,
        user: UserId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<Option<Generation>> {
        let values = audit_values(&effects.audit).bind(user).bind(when.until).bind(tenant);
        let ended = self.write_revoking(values.for_each(D::END_ALL_SESSIONS_OF)).await?;
        first(&ended[0], rows::generation)
    }

    /// Two who revoke the same token come one after the other, so that the second one sees the entry of the first.
    async fn revoke_token(
        &self,
        tenant: TenantId,
        token: TokenId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<()> {
        let lock = D::LOCK_BY_NAME.map(|sql| Statement::new(sql).bind(token.to_string().as_str()));
        let values = audit_values(&effects.audit).bind(token).bind(when.until).bind(tenant);
        self.write_locked(lock, values.for_each(D::REVOKE_TOKEN)).await.map(drop)
    }

    async fn forget_expired(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let forgotten = self.write(Statement::new(FORGET_EXPIRED).bind(before).bind(limit)).await?;
        Ok(forgotten.len() as u64)
    }
}

impl<D: Dialect> SqlStore<D> {
    /// Spends the counter if the key is there and the verdict is [`RefreshVerdict::Rotate`].
    async fn spend(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        now: Timestamp,
    ) -> StoreResult<Option<Principal>> {
        let bought_after = now - policy.idle_ttl;
        let values = Values::default().bind(session).bind(presented).bind(now).bind(bought_after).bind(key);
        let rows = self.write_all(values.for_each(D::ROTATE)).await?;
        if rows[0].is_empty() { Ok(None) } else { first(&last(rows), rows::principal) }
    }

    /// Ends the session if it has not ended, with the counter `seen` if that is given, and says whether it did.
    async fn end(
        &self,
        session: SessionId,
        seen: Option<RefreshCounter>,
        when: RevocationTime,
        effects: &Effects,
    ) -> StoreResult<bool> {
        let values = audit_values(&effects.audit).bind(session).bind(when.until).bind(when.at).bind(seen);
        let ended = self.write_revoking(values.for_each(D::END_SESSION)).await?;
        Ok(!ended[0].is_empty())
    }
}
