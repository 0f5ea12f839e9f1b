use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use maestro_auth_domain::{
    BlacklistEntry, NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy, RefreshVerdict,
    RevocationTime, Revoked, Session, SessionId, Timestamp, TokenId, User, UserId,
};
use maestro_auth_ports::{
    OpenOutcome, Principal, RevokeAllOutcome, RotateOutcome, SessionRepository, StoreResult,
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

    /// Ends a session that has not been ended before.
    fn revoke(&mut self, id: SessionId, when: RevocationTime) {
        let Some(session) = self.sessions.by_id.get_mut(&id).filter(|session| session.revoked_at.is_none())
        else {
            return;
        };
        session.revoked_at = Some(when.at);
        if let Some(User { tenant, .. }) = self.users.get(session.user) {
            let entry = BlacklistEntry { tenant: *tenant, revoked: Revoked::Session(id), until: when.until };
            self.blacklist.add(entry);
        }
    }

    /// Raises the generation of a user, and gives the user as it is then.
    pub(super) fn raise_generation(&mut self, user: UserId, when: RevocationTime) -> Option<&mut User> {
        let user = self.users.get_mut(user)?;
        user.generation = user.generation.next();
        let revoked = Revoked::User { user: user.id, min_generation: user.generation };
        self.blacklist.add(BlacklistEntry { tenant: user.tenant, revoked, until: when.until });
        Some(user)
    }

    /// Ends every session that the user has opened until now, and gives the user as it is then.
    pub(super) fn end_sessions(&mut self, user: UserId, when: RevocationTime) -> Option<&mut User> {
        let user = self.raise_generation(user, when)?;
        user.session_floor = user.generation;
        Some(user)
    }
}

#[async_trait]
impl SessionRepository for MemoryStore {
    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
    ) -> StoreResult<OpenOutcome> {
        let state = &mut *self.state()?;
        let Some(user) = state.users.log_in(user, verified, upgrade, session.created_at) else {
            return Ok(OpenOutcome::Refused);
        };
        let opened = Principal { user: user.clone(), session: session.open_for(user) };
        state.sessions.insert(opened.session.clone());
        Ok(OpenOutcome::Opened(opened))
    }

    async fn find_principal(&self, session: SessionId, token: TokenId) -> StoreResult<Option<Principal>> {
        let state = self.state()?;
        Ok(if state.blacklist.contains_token(token) { None } else { state.principal(session) })
    }

    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        when: RevocationTime,
    ) -> StoreResult<RotateOutcome> {
        let mut state = self.state()?;
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
                RotateOutcome::Reused(principal.user.id)
            }
            RefreshVerdict::Ended => RotateOutcome::Ended,
            RefreshVerdict::Expired => RotateOutcome::Expired,
        })
    }

    async fn revoke(&self, session: SessionId, when: RevocationTime) -> StoreResult<()> {
        self.state()?.revoke(session, when);
        Ok(())
    }

    async fn revoke_all(&self, by: SessionId, when: RevocationTime) -> StoreResult<RevokeAllOutcome> {
        let mut state = self.state()?;
        if let Some(Principal { user, session }) = state.principal(by)
            && session.is_live(&user, when.at)
            && let Some(user) = state.end_sessions(user.id, when)
        {
            return Ok(RevokeAllOutcome::Revoked(user.generation));
        }
        Ok(RevokeAllOutcome::Powerless)
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
