//! Defects that are put in on purpose, each of which the simulation must find.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maestro_auth_adapters::system::testing::ManualClock;
use maestro_auth_domain::{
    BlacklistEntry, NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy, RevocationTime,
    Revoked, SessionId, Timestamp, TokenId, UserId,
};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, Clock, OpenOutcome, Principal, RotateOutcome, SessionRepository,
    StoreResult, Stores, TokenBlacklist, UserRepository,
};

use super::rounds;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// One page in three lacks its first entry.
    FeedSkipsEntries,
    /// One instance reads the log and applies nothing of it.
    ImageStaysEmpty,
    /// A session ends without an entry.
    EndsWithoutEntry,
    /// The instances believe that no time passes, and so that their feed is fresh.
    ClockStandsStill,
    /// The store shows sessions and users as they once were.
    StalePrincipals,
    /// A logout is acknowledged and not done.
    LogoutIsLost,
    /// A refresh token of an ended session buys its successor.
    RefreshResurrects,
    /// A login that verified a former password is let in.
    OldPasswordOpens,
    /// Two tabs that race are taken for a thief.
    NoGrace,
    /// The store does not look whether a token was revoked by itself.
    StoreForgetsTokens,
    /// The feed tells of an end that never was.
    FeedInvents,
}

/// The storage with a defect, or without.
pub(super) struct Mutant {
    inner: Stores,
    mutation: Option<Mutation>,
    is_first_instance: bool,
    memory: Mutex<Memory>,
}

/// What a defect needs of the past.
#[derive(Default)]
struct Memory {
    pages: u64,
    principals: BTreeMap<SessionId, Principal>,
}

impl Mutant {
    pub(super) fn over(inner: Stores, mutation: Option<Mutation>, instance: usize) -> Self {
        Self { inner, mutation, is_first_instance: instance == 0, memory: Mutex::default() }
    }

    pub(super) fn users(&self) -> &dyn UserRepository {
        &*self.inner.users
    }

    pub(super) fn sessions(&self) -> &dyn SessionRepository {
        &*self.inner.sessions
    }

    pub(super) fn blacklist(&self) -> &dyn TokenBlacklist {
        &*self.inner.blacklist
    }

    pub(super) async fn open(
        &self,
        user: UserId,
        mut verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
    ) -> StoreResult<OpenOutcome> {
        let guesses = if self.has(Mutation::OldPasswordOpens) { 20 } else { 0 };
        for _ in 0..guesses {
            let opened = self.sessions().open(user, verified, upgrade.clone(), session).await?;
            if matches!(opened, OpenOutcome::Opened(_)) {
                return Ok(opened);
            }
            verified = verified.next();
        }
        self.sessions().open(user, verified, upgrade, session).await
    }

    pub(super) async fn find_principal(
        &self,
        session: SessionId,
        token: TokenId,
    ) -> StoreResult<Option<Principal>> {
        let is_blind = self.has(Mutation::StoreForgetsTokens);
        let token = if is_blind { TokenId::from_uuid(session.as_uuid()) } else { token };
        let found = self.sessions().find_principal(session, token).await?;
        Ok(found.map(|found| {
            let first = self.remember(&found);
            if self.has(Mutation::StalePrincipals) { first } else { found }
        }))
    }

    pub(super) async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        mut policy: RefreshPolicy,
        when: RevocationTime,
    ) -> StoreResult<RotateOutcome> {
        if self.has(Mutation::NoGrace) {
            policy.reuse_grace = Duration::ZERO;
        }
        let outcome = self.sessions().rotate(session, presented, policy, when).await?;
        let mut memory = self.memory.lock().unwrap();
        if let RotateOutcome::Rotated(principal) = &outcome {
            memory.principals.insert(session, principal.clone());
        }
        Ok(match (&outcome, memory.principals.get(&session).cloned()) {
            (RotateOutcome::Ended, Some(mut principal)) if self.has(Mutation::RefreshResurrects) => {
                principal.session.counter = presented.next();
                RotateOutcome::Rotated(principal)
            }
            _ => outcome,
        })
    }

    pub(super) async fn revoke(&self, session: SessionId, when: RevocationTime) -> StoreResult<()> {
        if self.has(Mutation::LogoutIsLost) { Ok(()) } else { self.sessions().revoke(session, when).await }
    }

    pub(super) async fn read(
        &self,
        after: Option<&BlacklistCursor>,
        limit: u32,
    ) -> StoreResult<BlacklistPage> {
        let mut page = rounds::read(self.blacklist(), after, limit).await?;
        let entries = &mut page.entries;
        let mut memory = self.memory.lock().unwrap();
        match self.mutation {
            Some(Mutation::FeedSkipsEntries) if !entries.is_empty() => {
                memory.pages += 1;
                if memory.pages.is_multiple_of(3) {
                    entries.remove(0);
                }
            }
            Some(Mutation::ImageStaysEmpty) if self.is_first_instance => entries.clear(),
            Some(Mutation::EndsWithoutEntry) => {
                entries.retain(|entry| !matches!(entry.revoked, Revoked::Session(_)));
            }
            Some(Mutation::FeedInvents) => {
                memory.pages += 1;
                let seen = memory.principals.values().last().filter(|_| memory.pages.is_multiple_of(10));
                entries.extend(seen.map(|seen| BlacklistEntry {
                    tenant: seen.user.tenant,
                    revoked: Revoked::Session(seen.session.id),
                    until: seen.session.expires_at,
                }));
            }
            _ => {}
        }
        Ok(page)
    }

    fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// What was seen of the session at first.
    fn remember(&self, seen: &Principal) -> Principal {
        let principals = &mut self.memory.lock().unwrap().principals;
        principals.entry(seen.session.id).or_insert_with(|| seen.clone()).clone()
    }
}

/// The clock of the instances.
pub(super) struct InstanceClock {
    pub(super) clock: Arc<ManualClock>,
    pub(super) stands_still: bool,
}

impl Clock for InstanceClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        if self.stands_still { Duration::ZERO } else { self.clock.monotonic() }
    }
}
