use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::Hash;

use super::page::{Entry, Until};
use crate::server::ServerError;
use crate::tokens::AccessToken;
use crate::{SessionId, TokenId, UserId};

/// All revocations that have not expired.
#[derive(Default)]
pub(super) struct Image {
    tokens: HashMap<TokenId, Until>,
    sessions: HashMap<SessionId, Until>,
    users: HashMap<UserId, (i64, Until)>,
    swept_at: i64,
}

impl Image {
    /// Some 80 MiB. A feed that holds more is not followed any further, and so becomes stale.
    const MAX_ENTRIES: usize = 1_000_000;
    const SWEEP_PAUSE: i64 = 60;
    /// The server keeps an entry until the last token that it refuses has expired. This much longer is it kept here, so that it
    /// does not matter when the clocks differ a little.
    const MARGIN: i64 = 120;

    pub(super) fn refuses(&self, token: &AccessToken) -> bool {
        self.tokens.contains_key(&token.id)
            || self.sessions.contains_key(&token.session)
            || self.users.get(&token.user).is_some_and(|(min_gen, _)| token.generation < *min_gen)
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len() + self.sessions.len() + self.users.len()
    }

    /// Takes over all of the entries, or none of them. Entries may come repeatedly and in any order.
    pub(super) fn add(&mut self, entries: &[Entry], now: i64) -> Result<(), ServerError> {
        let is_full = self.len() + entries.len() > Self::MAX_ENTRIES;
        if is_full || now.saturating_sub(self.swept_at) >= Self::SWEEP_PAUSE {
            self.sweep(now);
        }
        if self.len() + entries.len() > Self::MAX_ENTRIES {
            return Err(ServerError::TooManyRevocations);
        }
        for entry in entries {
            match entry {
                Entry::Token { id, until } => keep(&mut self.tokens, *id, *until, Until::max),
                Entry::Session { id, until } => keep(&mut self.sessions, *id, *until, Until::max),
                Entry::User { id, min_gen, until } => {
                    keep(&mut self.users, *id, (*min_gen, *until), |one, other| {
                        (one.0.max(other.0), one.1.max(other.1))
                    });
                }
                Entry::Key { .. } | Entry::Roles | Entry::Unknown => {}
            }
        }
        Ok(())
    }

    fn sweep(&mut self, now: i64) {
        let is_needed = |until: Until| until.0.saturating_add(Self::MARGIN) > now;
        self.tokens.retain(|_, until| is_needed(*until));
        self.sessions.retain(|_, until| is_needed(*until));
        self.users.retain(|_, (_, until)| is_needed(*until));
        self.swept_at = now;
    }
}

fn keep<K: Eq + Hash, V: Copy>(map: &mut HashMap<K, V>, id: K, value: V, stricter: fn(V, V) -> V) {
    match map.entry(id) {
        Slot::Vacant(slot) => {
            slot.insert(value);
        }
        Slot::Occupied(mut slot) => *slot.get_mut() = stricter(*slot.get(), value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, number: u64, more: &str, until: &str) -> Entry {
        let id = format!("01936c5e-7c1a-7000-8000-{number:012}");
        serde_json::from_str(&format!(r#"{{"kind":"{kind}","id":"{id}"{more},"until":"{until}"}}"#)).unwrap()
    }

    #[test]
    fn entries_are_forgotten_a_little_after_their_time_and_an_older_one_weakens_none() {
        let mut image = Image::default();
        let at = |minute: u32| format!("1970-01-01T00:{minute:02}:00Z");
        image.add(&[entry("token", 1, "", &at(10)), entry("session", 2, "", &at(20))], 0).unwrap();
        image.add(&[entry("user", 3, r#","min_gen":7"#, &at(30))], 0).unwrap();
        image.add(&[entry("user", 3, r#","min_gen":5"#, &at(25)), entry("token", 1, "", &at(5))], 0).unwrap();
        assert_eq!(image.users.values().next().unwrap().0, 7);

        let left_at = |image: &mut Image, minute: i64| {
            image.add(&[], minute * 60).unwrap();
            image.len()
        };
        assert_eq!(left_at(&mut image, 11), 3, "within the margin");
        assert_eq!(left_at(&mut image, 13), 2);
        assert_eq!(left_at(&mut image, 27), 1);
        assert_eq!(left_at(&mut image, 33), 0);
    }
}
