use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use maestro_auth_domain::{Action, Actor, AuditEntry, Outcome, Subject};

/// What was told within the last minute. Entries that are alike are told once, and then how often more: so neither a guesser of
/// passwords nor a page that reloads itself floods the trail.
#[derive(Default)]
pub(super) struct Repeats {
    recent: HashMap<Likeness, Recent>,
}

/// What entries have in common that are alike: everything but times, user agents and request ids.
#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    action: Action,
    outcome: Outcome,
    actor: Actor,
    subject: Option<Subject>,
    address: Option<IpAddr>,
    details: Vec<(String, String)>,
}

struct Recent {
    since: Duration,
    /// How often it came again, and the last one that did.
    again: Option<(u64, AuditEntry)>,
}

/// There are as many different entries as there may be.
pub(super) struct NoRoom;

impl Repeats {
    const WINDOW: Duration = Duration::from_mins(1);
    const MAX: usize = 10_000;
    /// How many of them strangers may cause: they must not be able to hide what is done by somebody who is known.
    const MAX_OF_STRANGERS: usize = 8_000;
    /// The name of the detail that says how many more entries there would be.
    const REPEATED: &'static str = "repeated";

    /// Gives the entry back if there was none like it; else counts it.
    pub(super) fn tell(&mut self, entry: AuditEntry, moment: Duration) -> Result<Option<AuditEntry>, NoRoom> {
        let likeness = Likeness::of(&entry);
        if let Some(recent) = self.recent.get_mut(&likeness) {
            let before = recent.again.as_ref().map_or(0, |(times, _)| *times);
            recent.again = Some((before + 1, entry));
            return Ok(None);
        }
        let is_stranger = likeness.actor == Actor::Anonymous;
        if self.recent.len() >= if is_stranger { Self::MAX_OF_STRANGERS } else { Self::MAX } {
            return Err(NoRoom);
        }
        self.recent.insert(likeness, Recent { since: moment, again: None });
        Ok(Some(entry))
    }

    /// Forgets what was first told at `until` or before, and gives what is to be told of its repetitions: the last of them, with
    /// how many there were.
    pub(super) fn end(&mut self, until: Duration) -> Vec<AuditEntry> {
        let ended = self.recent.extract_if(|_, recent| recent.since <= until);
        let mut repeated: Vec<_> = ended.filter_map(|(_, recent)| recent.again).map(with_count).collect();
        repeated.sort_unstable_by_key(|entry| entry.id);
        repeated
    }

    /// What was first told until then may be told anew at `moment`.
    pub(super) fn over_at(moment: Duration) -> Option<Duration> {
        moment.checked_sub(Self::WINDOW)
    }
}

impl Likeness {
    fn of(entry: &AuditEntry) -> Self {
        Self {
            action: entry.action,
            outcome: entry.outcome,
            actor: entry.actor,
            subject: entry.subject.clone(),
            address: entry.origin.address,
            details: entry.details.clone(),
        }
    }
}

fn with_count((times, mut entry): (u64, AuditEntry)) -> AuditEntry {
    entry.details.push((Repeats::REPEATED.to_owned(), times.to_string()));
    entry
}

#[cfg(test)]
pub(super) mod tests {
    use maestro_auth_domain::{AuditId, Origin, TenantId, Timestamp, UserId};

    use super::*;

    /// An entry that is like no other but those of the same actor and number.
    pub(in super::super) fn entry(actor: Actor, number: u32) -> AuditEntry {
        let at = Timestamp::from_unix_seconds(1_800_000_000);
        AuditEntry {
            id: AuditId::generate(at, [0; 10]),
            tenant: TenantId::DEFAULT,
            at,
            action: Action::AccessDenied,
            outcome: Outcome::Denied,
            actor,
            subject: None,
            origin: Origin::new(Some(std::net::Ipv4Addr::from_bits(number).into()), None, None),
            details: vec![("permission".to_owned(), "model:view".to_owned())],
        }
    }

    fn is_news(repeats: &mut Repeats, entry: AuditEntry) -> Option<bool> {
        repeats.tell(entry, Duration::from_secs(10)).ok().map(|news| news.is_some())
    }

    #[test]
    fn sec_118_strangers_leave_room_for_those_who_are_known() {
        let mut repeats = Repeats::default();
        let known = Actor::User(UserId::generate(Timestamp::from_unix_seconds(1), [1; 10]));
        let new = |repeats: &mut Repeats, actor| {
            (0..20_000).filter(|number| is_news(repeats, entry(actor, *number)) == Some(true)).count()
        };
        assert_eq!(new(&mut repeats, Actor::Anonymous), Repeats::MAX_OF_STRANGERS);
        assert_eq!(new(&mut repeats, known), Repeats::MAX - Repeats::MAX_OF_STRANGERS);
        assert_eq!(is_news(&mut repeats, entry(known, 1)), Some(false), "it is counted all the same");
        assert_eq!(is_news(&mut repeats, entry(Actor::Operator, 1)), None);
        assert_eq!(repeats.end(Duration::from_secs(9)).len(), 0, "their minute is not over");
        assert_eq!(repeats.end(Duration::from_secs(10)).len(), 1);
        assert_eq!(new(&mut repeats, Actor::Anonymous), Repeats::MAX_OF_STRANGERS);
    }

    #[test]
    fn the_last_repetition_says_how_many_there_were() {
        let mut repeats = Repeats::default();
        let told = |agent: &str| {
            let origin = Origin::new(None, Some(agent), None);
            AuditEntry { origin, ..entry(Actor::Operator, 1) }
        };
        for agent in ["a", "b", "c"] {
            assert_eq!(is_news(&mut repeats, told(agent)), Some(agent == "a"));
        }
        let [last] = &repeats.end(Duration::MAX)[..] else { panic!("they are alike") };
        assert_eq!(last.origin.user_agent(), Some("c"));
        assert_eq!(last.details[1], ("repeated".to_owned(), "2".to_owned()));
        assert_eq!(repeats.end(Duration::MAX), []);
    }
}
