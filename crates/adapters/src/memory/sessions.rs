use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use maestro_auth_domain::{
    NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy, RefreshVerdict, Session,
    SessionId, Timestamp, UserId,
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

    fn revoke(&mut self, session: SessionId, now: Timestamp) {
        if let Some(session) = self.by_id.get_mut(&session) {
            session.revoked_at.get_or_insert(now);
        }
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

    async fn find_principal(&self, session: SessionId) -> StoreResult<Option<Principal>> {
        Ok(self.state()?.principal(session))
    }

    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        policy: RefreshPolicy,
        now: Timestamp,
    ) -> StoreResult<RotateOutcome> {
        let mut state = self.state()?;
        let Some(mut principal) = state.principal(session) else { return Ok(RotateOutcome::Unknown) };
        Ok(match principal.session.judge(&principal.user, presented, &policy, now) {
            RefreshVerdict::Rotate => {
                principal.session = principal.session.rotated(now);
                state.sessions.by_id.insert(session, principal.session.clone());
                RotateOutcome::Rotated(principal)
            }
            RefreshVerdict::Replay => RotateOutcome::Replayed(principal),
            RefreshVerdict::Reuse => {
                state.sessions.revoke(session, now);
                RotateOutcome::Reused(principal.user.id)
            }
            RefreshVerdict::Ended => RotateOutcome::Ended,
            RefreshVerdict::Expired => RotateOutcome::Expired,
        })
    }

    async fn revoke(&self, session: SessionId, now: Timestamp) -> StoreResult<()> {
        self.state()?.sessions.revoke(session, now);
        Ok(())
    }

    async fn revoke_all(&self, by: SessionId, now: Timestamp) -> StoreResult<RevokeAllOutcome> {
        let mut state = self.state()?;
        if let Some(Principal { user, session }) = state.principal(by)
            && session.is_live(&user, now)
        {
            state.users.end_sessions(user.id);
            return Ok(RevokeAllOutcome::Revoked);
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
