use std::time::Duration;

use maestro_auth_domain::{
    Generation, KeyId, NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy,
    RevocationTime, SessionId, TenantId, TokenId, UserId,
};
use maestro_auth_ports::{Effects, OpenOutcome, Principal, RotateOutcome, StoreResult};

use super::{Mutant, Mutation};

impl Mutant {
    pub(in super::super) async fn open(
        &self,
        user: UserId,
        mut verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
        effects: Effects,
    ) -> StoreResult<OpenOutcome> {
        let guesses = if self.has(Mutation::OldPasswordOpens) { 20 } else { 1 };
        for _ in 0..guesses {
            let (upgrade, effects) = (upgrade.clone(), effects.clone());
            let outcome = self.sessions().open(user, verified, upgrade, session, effects).await?;
            if let OpenOutcome::Opened(principal) = outcome {
                return Ok(OpenOutcome::Opened(self.principal(principal)));
            }
            verified = verified.next();
        }
        Ok(OpenOutcome::Refused)
    }

    pub(in super::super) async fn find_principal(
        &self,
        session: SessionId,
        token: TokenId,
        key: KeyId,
    ) -> StoreResult<Option<Principal>> {
        let is_blind = self.has(Mutation::StoreForgetsTokens);
        let token = if is_blind { TokenId::from_uuid(session.as_uuid()) } else { token };
        let found = self.sessions().find_principal(session, token, key).await?;
        Ok(found.map(|found| {
            let first = self.remember(&found);
            if self.has(Mutation::StalePrincipals) { first } else { self.principal(found) }
        }))
    }

    pub(in super::super) async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        mut policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects,
    ) -> StoreResult<RotateOutcome> {
        if self.has(Mutation::NoGrace) {
            policy.reuse_grace = Duration::ZERO;
        }
        let key = if self.has(Mutation::RevokedKeyRefreshes) {
            self.keys().list_keys(when.at).await?[0].public.kid
        } else {
            key
        };
        let outcome = self.sessions().rotate(session, presented, key, policy, when, on_reuse).await?;
        let mut memory = self.memory.lock().unwrap();
        if let RotateOutcome::Rotated(principal) = &outcome {
            memory.principals.insert(session, principal.clone());
        }
        Ok(match (outcome, memory.principals.get(&session).cloned()) {
            (RotateOutcome::Ended, Some(mut principal)) if self.has(Mutation::RefreshResurrects) => {
                principal.session.counter = presented.next();
                RotateOutcome::Rotated(principal)
            }
            (RotateOutcome::Rotated(principal), _) => RotateOutcome::Rotated(self.principal(principal)),
            (RotateOutcome::Replayed(principal), _) => RotateOutcome::Replayed(self.principal(principal)),
            (outcome, _) => outcome,
        })
    }

    pub(in super::super) async fn revoke(
        &self,
        session: SessionId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<()> {
        if self.has(Mutation::LogoutIsLost) {
            return Ok(());
        }
        self.sessions().revoke(session, when, effects).await
    }

    pub(in super::super) async fn revoke_all_of(
        &self,
        tenant: TenantId,
        user: UserId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<Option<Generation>> {
        if self.has(Mutation::EndOfSessionsIsLost) {
            let user = self.users().find(tenant, user).await?;
            return Ok(user.map(|user| user.generation));
        }
        self.sessions().revoke_all_of(tenant, user, when, effects).await
    }

    /// What was seen of the session at first.
    fn remember(&self, seen: &Principal) -> Principal {
        let principals = &mut self.memory.lock().unwrap().principals;
        principals.entry(seen.session.id).or_insert_with(|| seen.clone()).clone()
    }

    fn principal(&self, found: Principal) -> Principal {
        Principal { user: self.shown(found.user), session: found.session }
    }
}
