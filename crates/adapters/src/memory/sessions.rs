use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use maestro_auth_domain::{
    BlacklistEntry, Generation, KeyId, NewSession, PasswordHash, PasswordVersion, RefreshCounter,
    RefreshPolicy, RefreshVerdict, RevocationTime, Revoked, Session, SessionId, TenantId, Timestamp, TokenId,
    User, UserId,
};
use maestro_auth_ports::{
    Effects, OpenOutcome, Principal, RevokeAllOutcome, RotateOutcome, SessionRepository, StoreResult,
};

use super::{MemoryStore, State};

/// All sessions, and the order in which they end by age.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: HashMap<SessionId, Session>,
    by_end: BTreeSet<(Timestamp, SessionId)>,
}

impl Sessions {
    pub(super) fn insert(&mut self, session: Session) {
        self.by_end.insert((session.expires_at, session.id));
        self.by_id.insert(session.id, session);
    }

    pub(super) fn delete_of(&mut self, user: UserId) {
        self.by_id.retain(|_, session| session.user != user);
        self.by_end.retain(|(_, id)| self.by_id.contains_key(id));
    }

    fn forget_first_ended(&mut self, before: Timestamp) -> bool {
        match self.by_end.first() {
            Some(&(end, id)) if end < before => {
                self.by_end.pop_first();
                self.by_id.remove(&id).is_some()
            }
            _ => false,
        }
    }
}

impl State {
    fn principal(&self, session: SessionId) -> Option<Principal> {
        let session = self.sessions.by_id.get(&session)?;
        let user = self.users.get(session.user)?;
        Some(Principal { user: user.clone(), session: session.clone() })
    }

    /// Ends a session that has not been ended before, and says whether it did.
    fn revoke(&mut self, id: SessionId, when: RevocationTime) -> bool {
        let Some(session) = self.sessions.by_id.get_mut(&id).filter(|session| session.revoked_at.is_none())
        else {
            return false;
        };
        session.revoked_at = Some(when.at);
        if let Some(User { tenant, .. }) = self.users.get(session.user) {
            let entry = BlacklistEntry { tenant: *tenant, revoked: Revoked::Session(id), until: when.until };
            self.blacklist.add(entry);
        }
        true
    }

    /// Ends every session that the user has opened until now, and gives its generation as it is then.
    pub(super) fn end_sessions(&mut self, user: UserId, when: RevocationTime) -> Option<Generation> {
        let user = self.users.get_mut(user)?;
        user.generation = user.generation.next();
        user.session_floor = user.generation;
        self.blacklist.add(below(user, user.generation, when));
        Some(user.generation)
    }
}

/// The entry that refuses the tokens of the user below `min_generation`.
pub(super) fn below(user: &User, min_generation: Generation, when: RevocationTime) -> BlacklistEntry {
    let revoked = Revoked::User { user: user.id, min_generation };
    BlacklistEntry { tenant: user.tenant, revoked, until: when.until }
}

#[async_trait]
impl SessionRepository for MemoryStore {
    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
        effects: Effects,
    ) -> StoreResult<OpenOutcome> {
        let state = &mut *self.state()?;
        let Some(user) = state.users.log_in(user, verified, upgrade, session.created_at) else {
            return Ok(OpenOutcome::Refused);
        };
        let opened = Principal { user: user.clone(), session: session.open_for(user) };
        state.sessions.insert(opened.session.clone());
        state.audit.add(effects.audit);
        Ok(OpenOutcome::Opened(opened))
    }

    async fn find_principal(
        &self,
        session: SessionId,
        token: TokenId,
        key: KeyId,
    ) -> StoreResult<Option<Principal>> {
        let state = self.state()?;
        let mut refused_by = [Revoked::Token(token), Revoked::Key(key)].into_iter();
        let is_refused = refused_by.any(|one| state.blacklist.contains(one));
        Ok(if is_refused { None } else { state.principal(session) })
    }

    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects,
    ) -> StoreResult<RotateOutcome> {
        let mut state = self.state()?;
        // Before anything else: what a revoked key has signed tells nothing true about any session.
        if !state.has_key(key) {
            return Ok(RotateOutcome::KeyRevoked);
        }
        let Some(mut principal) = state.principal(session) else { return Ok(RotateOutcome::Unknown) };
        Ok(match principal.session.judge(&principal.user, presented, &policy, when.at) {
            RefreshVerdict::Rotate => {
                principal.session = principal.session.rotated(when.at);
                state.sessions.by_id.insert(session, principal.session.clone());
                RotateOutcome::Rotated(principal)
            }
            RefreshVerdict::Replay => RotateOutcome::Replayed(principal),
            RefreshVerdict::Reuse => {
                state.revoke(session, when);
                state.audit.add(on_reuse.audit);
                RotateOutcome::Reused(principal.user.id)
            }
            RefreshVerdict::Ended => RotateOutcome::Ended,
            RefreshVerdict::Expired => RotateOutcome::Expired,
        })
    }

    async fn revoke(&self, session: SessionId, when: RevocationTime, effects: Effects) -> StoreResult<()> {
        let mut state = self.state()?;
        if state.revoke(session, when) {
            state.audit.add(effects.audit);
        }
        Ok(())
    }

    async fn revoke_all(
        &self,
        by: SessionId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeAllOutcome> {
        let mut state = self.state()?;
        if let Some(Principal { user, session }) = state.principal(by)
            && session.is_live(&user, when.at)
            && let Some(generation) = state.end_sessions(user.id, when)
        {
            state.audit.add(effects.audit);
            return Ok(RevokeAllOutcome::Revoked(generation));
        }
        Ok(RevokeAllOutcome::Powerless)
    }

    async fn revoke_all_of(
        &self,
        tenant: TenantId,
        user: UserId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<Option<Generation>> {
        let mut state = self.state()?;
        if state.users.get(user).is_none_or(|user| user.tenant != tenant) {
            return Ok(None);
        }
        state.audit.add(effects.audit);
        Ok(state.end_sessions(user, when))
    }

    async fn revoke_token(
        &self,
        tenant: TenantId,
        token: TokenId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<()> {
        let state = &mut *self.state()?;
        let revoked = Revoked::Token(token);
        if !state.blacklist.contains(revoked) {
            state.blacklist.add(BlacklistEntry { tenant, revoked, until: when.until });
            state.audit.add(effects.audit);
        }
        Ok(())
    }

    async fn forget_expired(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let sessions = &mut self.state()?.sessions;
        let mut forgotten = 0;
        while forgotten < u64::from(limit) && sessions.forget_first_ended(before) {
            forgotten += 1;
        }
        Ok(forgotten)
    }
}
