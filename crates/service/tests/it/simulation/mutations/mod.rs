//! Defects that are put in on purpose, each of which the simulation must find.

mod sessions;
mod users;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maestro_auth_adapters::system::testing::ManualClock;
use maestro_auth_domain::{
    BlacklistEntry, Generation, Revoked, SessionId, TenantId, Timestamp, User, UserId,
};
use maestro_auth_ports::{
    BlacklistCursor, BlacklistPage, Clock, Principal, RoleRepository, SessionRepository,
    SigningKeyRepository, StoreResult, StoredCatalogue, Stores, TokenBlacklist, UserRepository,
};

use super::rounds;
use super::world::World;

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
    /// The end of all sessions of a user is acknowledged and not done.
    EndOfSessionsIsLost,
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
    /// Other roles leave the generation as it was.
    UpdateKeepsGeneration,
    /// A change of a user leaves no entry.
    UpdateWithoutEntry,
    /// A user is deleted without an entry.
    DeletionWithoutEntry,
    /// The last active admin can be demoted and deactivated.
    LastAdminGoes,
    /// Roles and permissions change without an entry.
    CatalogueWithoutEntry,
    /// The store shows roles and permissions as they once were.
    StaleCatalogue,
    /// A key is revoked without an entry.
    KeyWithoutEntry,
    /// The store rotates refresh tokens of revoked keys.
    RevokedKeyRefreshes,
}

/// The storage with a defect, or without.
pub(super) struct Mutant {
    inner: Stores,
    world: Arc<World>,
    is_first_instance: bool,
    memory: Mutex<Memory>,
}

/// What a defect of one instance needs of the past.
#[derive(Default)]
struct Memory {
    pages: u64,
    principals: BTreeMap<SessionId, Principal>,
    catalogue: Option<StoredCatalogue>,
}

/// What a defect of the storage needs of the past.
#[derive(Default)]
pub(super) struct Planted {
    /// Entries that are not in the log.
    forgotten: HashSet<Revoked>,
    /// How much lower the generation of a user is than it should be.
    held_back: HashMap<UserId, i64>,
}

impl Mutant {
    pub(super) fn over(inner: Stores, world: &Arc<World>, instance: usize) -> Self {
        Self { inner, world: Arc::clone(world), is_first_instance: instance == 0, memory: Mutex::default() }
    }

    /// Where the steps are that may have a defect.
    pub(super) const fn mutant(&self) -> &Self {
        self
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

    pub(super) fn roles(&self) -> &dyn RoleRepository {
        &*self.inner.roles
    }

    pub(super) fn keys(&self) -> &dyn SigningKeyRepository {
        &*self.inner.keys
    }

    pub(super) async fn catalogue(&self, tenant: TenantId) -> StoreResult<StoredCatalogue> {
        let found = self.roles().catalogue(tenant).await?;
        if self.has(Mutation::StaleCatalogue) {
            return Ok(self.memory.lock().unwrap().catalogue.get_or_insert(found).clone());
        }
        Ok(found)
    }

    pub(super) async fn read(
        &self,
        after: Option<&BlacklistCursor>,
        limit: u32,
    ) -> StoreResult<BlacklistPage> {
        let mut page = rounds::read(self.blacklist(), after, limit).await?;
        let entries = &mut page.entries;
        let mut memory = self.memory.lock().unwrap();
        let forgotten = &self.world.planted.lock().unwrap().forgotten;
        entries.retain(|entry| !forgotten.contains(&entry.revoked));
        match self.world.mutation {
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
            Some(Mutation::CatalogueWithoutEntry) => {
                entries.retain(|entry| entry.revoked != Revoked::RoleDefinitions);
            }
            Some(Mutation::KeyWithoutEntry) => {
                entries.retain(|entry| !matches!(entry.revoked, Revoked::Key(_)));
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
        self.world.mutation == Some(mutation)
    }

    /// Leaves no entry for what was just revoked.
    fn forget_entry(&self, user: UserId, min_generation: Generation) {
        let revoked = Revoked::User { user, min_generation };
        self.world.planted.lock().unwrap().forgotten.insert(revoked);
    }

    /// The user as it is shown.
    fn shown(&self, mut user: User) -> User {
        let held_back = self.held_back(user.id);
        user.generation = Generation::from_number(user.generation.number() - held_back);
        user
    }

    /// The user as it is stored, who was seen as it is shown.
    fn stored(&self, mut seen: User) -> User {
        let held_back = self.held_back(seen.id);
        seen.generation = Generation::from_number(seen.generation.number() + held_back);
        seen
    }

    fn held_back(&self, user: UserId) -> i64 {
        self.world.planted.lock().unwrap().held_back.get(&user).copied().unwrap_or(0)
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
