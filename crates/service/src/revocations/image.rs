use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use maestro_auth_domain::{
    BlacklistEntry, Generation, RevocableToken, Revoked, SessionId, Timestamp, TokenId, UserId,
};
use quick_cache::DefaultHashBuilder;
use uuid::Uuid;

/// The unexpired entries of the blacklist, in memory: at most 50 bytes or so for each, and a look-up takes well under a
/// microsecond.
///
/// Entries only add up, so their order does not matter and adding one twice changes nothing.
pub(super) struct BlacklistImage {
    /// By the last byte of an id, which is random: no writer holds up all readers, and no map grows in one great step.
    shards: [RwLock<Shard>; Self::SHARDS],
    /// Whether an entry found no room.
    is_incomplete: AtomicBool,
}

#[derive(Default)]
struct Shard {
    tokens: IdMap<TokenId, Expiry>,
    sessions: IdMap<SessionId, Expiry>,
    users: IdMap<UserId, (Generation, Expiry)>,
}

/// With a fast hash: the ids are random and this server's own, so nobody can choose them to collide.
type IdMap<K, V> = HashMap<K, V, DefaultHashBuilder>;

impl BlacklistImage {
    const SHARDS: usize = 16;
    /// Beyond two millions, which are half an hour of a thousand logouts a second, memory is worth more than the queries
    /// that it saves.
    const MAX_ENTRIES_OF_SHARD: usize = 2_000_000 / Self::SHARDS;

    pub(super) fn new() -> Self {
        Self { shards: Default::default(), is_incomplete: AtomicBool::new(false) }
    }

    pub(super) fn add(&self, entry: &BlacklistEntry) {
        let expiry = Expiry::of(entry.until);
        let mut shard = self.write(match entry.revoked {
            Revoked::Token(token) => token.as_uuid(),
            Revoked::Session(session) => session.as_uuid(),
            Revoked::User { user, .. } => user.as_uuid(),
            Revoked::Key(_) | Revoked::RoleDefinitions => return, // nothing that a token is looked up by here
        });
        if shard.len() >= Self::MAX_ENTRIES_OF_SHARD {
            self.is_incomplete.store(true, Ordering::SeqCst);
            return;
        }
        match entry.revoked {
            Revoked::Token(token) => keep_longer(&mut shard.tokens, token, expiry),
            Revoked::Session(session) => keep_longer(&mut shard.sessions, session, expiry),
            Revoked::User { user, min_generation } => {
                let known = shard.users.entry(user).or_insert((min_generation, expiry));
                *known = (known.0.max(min_generation), known.1.max(expiry));
            }
            Revoked::Key(_) | Revoked::RoleDefinitions => {}
        }
    }

    /// Whether an entry refuses the token.
    pub(super) fn covers(&self, token: &RevocableToken) -> bool {
        self.read(token.session.as_uuid()).sessions.contains_key(&token.session)
            || self.read(token.id.as_uuid()).tokens.contains_key(&token.id)
            || self
                .read(token.user.as_uuid())
                .users
                .get(&token.user)
                .is_some_and(|(min_generation, _)| token.generation < *min_generation)
    }

    /// Whether every entry that came has found room.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_incomplete.load(Ordering::SeqCst)
    }

    /// Drops the entries that have expired by `now`.
    pub(super) fn forget_expired(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.tokens.retain(|_, expiry| expiry.is_after(now));
            shard.sessions.retain(|_, expiry| expiry.is_after(now));
            shard.users.retain(|_, (_, expiry)| expiry.is_after(now));
        }
    }

    /// Drops everything; what found no room before can then be added again.
    pub(super) fn clear(&self) {
        self.is_incomplete.store(false, Ordering::SeqCst);
        for shard in &self.shards {
            *shard.write().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn read(&self, id: Uuid) -> RwLockReadGuard<'_, Shard> {
        self.shards[shard_of(id)].read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, id: Uuid) -> RwLockWriteGuard<'_, Shard> {
        self.shards[shard_of(id)].write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn len(&self) -> usize {
        self.tokens.len() + self.sessions.len() + self.users.len()
    }
}

fn shard_of(id: Uuid) -> usize {
    usize::from(id.as_bytes()[15]) % BlacklistImage::SHARDS
}

fn keep_longer<K: Eq + Hash>(map: &mut IdMap<K, Expiry>, key: K, expiry: Expiry) {
    let known = map.entry(key).or_insert(expiry);
    *known = (*known).max(expiry);
}

/// When an entry expires, in whole seconds since the epoch, rounded up. 32 bits reach until 2106.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Expiry(u32);

impl Expiry {
    fn of(until: Timestamp) -> Self {
        Self(u32::try_from(until.unix_seconds().saturating_add(1).max(0)).unwrap_or(u32::MAX))
    }

    fn is_after(self, now: Timestamp) -> bool {
        i64::from(self.0) > now.unix_seconds() || self.0 == u32::MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use maestro_auth_domain::{KeyId, TenantId};

    /// A few ids of each kind, so that entries and tokens meet.
    fn id(number: u8) -> Uuid {
        Uuid::from_u128(u128::from(number))
    }

    fn entries() -> impl Strategy<Value = Vec<BlacklistEntry>> {
        let revoked = prop_oneof![
            (0_u8..8).prop_map(|number| Revoked::Token(TokenId::from_uuid(id(number)))),
            (0_u8..8).prop_map(|number| Revoked::Session(SessionId::from_uuid(id(number)))),
            (0_u8..8, 1_i64..5).prop_map(|(number, generation)| Revoked::User {
                user: UserId::from_uuid(id(number)),
                min_generation: Generation::from_number(generation),
            }),
        ];
        let entry = (revoked, 0_i64..100).prop_map(|(revoked, until)| BlacklistEntry {
            tenant: TenantId::DEFAULT,
            revoked,
            until: Timestamp::from_unix_seconds(until),
        });
        proptest::collection::vec(entry, 0..40)
    }

    fn tokens() -> impl Iterator<Item = RevocableToken> {
        (0_u8..8).flat_map(|number| {
            (0..5).map(move |generation| RevocableToken {
                id: TokenId::from_uuid(id(number)),
                session: SessionId::from_uuid(id((number + 3) % 8)),
                user: UserId::from_uuid(id((number + 5) % 8)),
                generation: Generation::from_number(generation),
                key: KeyId::parse(&"k".repeat(KeyId::LENGTH)).unwrap(),
            })
        })
    }

    proptest! {
        /// While an entry lives, its tokens are refused; and no token is that no entry has ever covered.
        #[test]
        fn it_refuses_what_its_entries_cover(entries in entries(), now in 0_i64..100) {
            let image = BlacklistImage::new();
            for entry in &entries {
                image.add(entry);
            }
            let covered = |token: &RevocableToken, entries: &[BlacklistEntry]| {
                entries.iter().any(|entry| entry.revoked.covers(token))
            };
            for token in tokens() {
                prop_assert_eq!(image.covers(&token), covered(&token, &entries));
            }

            let now = Timestamp::from_unix_seconds(now);
            image.forget_expired(now);
            let (alive, expired): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.until >= now);
            for token in tokens() {
                if covered(&token, &alive) {
                    prop_assert!(image.covers(&token), "a live entry was forgotten");
                } else if !covered(&token, &expired) {
                    prop_assert!(!image.covers(&token), "refused for no reason");
                }
            }
            if alive.is_empty() {
                prop_assert_eq!(image.len(), 0);
            }
        }
    }

    #[test]
    fn an_entry_without_room_makes_it_incomplete_until_it_is_cleared() {
        let image = BlacklistImage::new();
        let entry = |number: usize| BlacklistEntry {
            tenant: TenantId::DEFAULT,
            revoked: Revoked::Session(SessionId::from_uuid(Uuid::from_u128((number as u128) << 8))),
            until: Timestamp::from_unix_seconds(10),
        };
        (0..BlacklistImage::MAX_ENTRIES_OF_SHARD).for_each(|number| image.add(&entry(number)));
        assert!(image.is_complete());
        image.add(&entry(usize::MAX));
        assert!(!image.is_complete());
        assert_eq!(image.len(), BlacklistImage::MAX_ENTRIES_OF_SHARD);

        image.clear();
        image.add(&entry(usize::MAX));
        assert!(image.is_complete());
        assert_eq!(image.len(), 1);
    }
}
