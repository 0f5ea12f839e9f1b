//! The cases of [`AuditTrail`](crate::AuditTrail).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maestro_auth_domain::{
    Action, Actor, AuditEntry, AuditFilter, AuditId, AuditLink, CatalogueRevision, ClientId, NewUser, Origin,
    Outcome, SessionId, Subject, TenantId, Timestamp, UserId,
};

use super::StorageUnderTest;
use super::fixtures::{at, audit_entry, key_id, permission_name, role_name, service, session, user};
use super::race::race;
use crate::{CreateOutcome, Effects, RegisterOutcome, StoredEntry, Stores, Unlinked};

/// Every entry comes back with all that it was added with, and without what it was added without, on every instance.
pub async fn audit_entries_come_back_as_added(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    let other = storage.another_tenant().await;
    let mut added = entries_of_every_kind();
    here.audit.append(&added).await.unwrap();
    let foreign = AuditEntry { tenant: other, ..audit_entry(5) };
    there.audit.append(std::slice::from_ref(&foreign)).await.unwrap();
    there.audit.append(&[]).await.unwrap();

    added.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    for stores in [&here, &there] {
        assert_eq!(whole_trail(stores, TenantId::DEFAULT).await, added);
        assert_eq!(whole_trail(stores, other).await, std::slice::from_ref(&foreign));
    }
    added.push(foreign);
    let mut unlinked = waiting(&there, None, 1_000).await;
    unlinked.reverse();
    added.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    assert_eq!(unlinked, added, "whoever lays the chain sees the same");
}

fn entries_of_every_kind() -> Vec<AuditEntry> {
    let client = service().id;
    let actors =
        [Actor::Anonymous, Actor::User(user().id), Actor::Service(client), Actor::Operator, Actor::Server];
    let subjects = [
        None,
        Some(Subject::User(user().id)),
        Some(Subject::Session(session(0).id)),
        Some(Subject::Service(client)),
        Some(Subject::Role(role_name("data_scientist-2"))),
        Some(Subject::Permission(permission_name("report-1:print_2"))),
        Some(Subject::Key(key_id())),
    ];
    let long = ("Mözilla/5.0 🦀 ".repeat(40), "r\u{E9}quest\"'\\-".repeat(40));
    let origins = [
        Origin::default(),
        Origin::new(Some([192, 0, 2, 255].into()), None, Some("")),
        Origin::new(Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()), Some(""), None),
        Origin::new(Some([0, 0, 0, 0, 0, 0xffff, 0xC000, 0x0201].into()), Some("a\r\nb"), Some("'; --")),
        Origin::new(None, Some(&long.0), Some(&long.1)),
    ];
    let detail = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let details = [
        vec![],
        vec![detail("z", "last, and yet first"), detail("a", ""), detail("", "nameless")],
        vec![detail("twice", "1"), detail("twice", "2"), detail("twice", "1")],
        vec![detail("ünï", "😀 \"quoted\" \\ 'single' \u{1}\t\r\n ]}"), detail("null", "null")],
        vec![detail("long", &"ö".repeat(5_000))],
    ];
    let actions = Action::ALL.iter().zip(Outcome::ALL.iter().cycle());
    let actors = actors.iter().cycle();
    let rest = subjects.iter().cycle().zip(origins.iter().cycle()).zip(details.iter().cycle());
    actions
        .zip(actors)
        .zip(rest)
        .zip(0..)
        .map(|((((action, outcome), actor), ((subject, origin), details)), seconds)| AuditEntry {
            at: at(seconds) + Duration::from_micros(1),
            action: *action,
            outcome: *outcome,
            actor: *actor,
            subject: subject.clone(),
            origin: origin.clone(),
            details: details.clone(),
            ..audit_entry(seconds)
        })
        .collect()
}

/// Whatever is asked for, pages of any size give each entry that matches once, the newest first, and nothing of another
/// tenant; what comes in meanwhile shifts no page.
pub async fn pages_of_the_audit_trail_are_complete_and_ordered(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let other = storage.another_tenant().await;
    let (one, two) = (user().id, user().id);
    let mut trail: Vec<_> = (0..40).map(|number| an_entry_to_look_for(number, one, two)).collect();
    let foreign: Vec<_> = (0..40)
        .map(|number| AuditEntry { tenant: other, ..an_entry_to_look_for(number, one, two) })
        .collect();
    trail.swap(3, 30);
    trail.swap(11, 12);
    for few in trail.chunks(7) {
        stores.audit.append(few).await.unwrap();
    }
    stores.audit.append(&foreign).await.unwrap();
    trail.sort_by_key(|entry| std::cmp::Reverse(entry.id));

    let exact = trail[20].at; // bounds at the microsecond: the first counts, the second does not
    for user in [None, Some(one), Some(two), Some(super::fixtures::user().id)] {
        for action in [None, Some(Action::LoginFailed), Some(Action::KeyRotated)] {
            for (since, until) in bounds(exact) {
                let filter = AuditFilter { user, action, since, until };
                let expected: Vec<_> = trail.iter().filter(|entry| filter.matches(entry)).cloned().collect();
                for limit in [1, 7, 40, 1_000] {
                    let found = find_in_pages(&stores, TenantId::DEFAULT, &filter, limit).await;
                    assert_eq!(found, expected, "pages of {limit} for {filter:?}");
                }
            }
        }
    }
    let everything = AuditFilter::default();
    let first = stores.audit.find_entries(TenantId::DEFAULT, &everything, None, 10).await.unwrap();
    stores.audit.append(&[audit_entry(1_000)]).await.unwrap();
    let before = first.last().map(|entry| entry.id);
    let second = stores.audit.find_entries(TenantId::DEFAULT, &everything, before, 1_000).await.unwrap();
    assert_eq!([first, second].concat(), trail);
}

fn bounds(exact: Timestamp) -> Vec<(Option<Timestamp>, Option<Timestamp>)> {
    let micro = Duration::from_micros(1);
    vec![
        (None, None),
        (Some(exact), None),
        (Some(exact + micro), None),
        (None, Some(exact)),
        (None, Some(exact + micro)),
        (Some(exact - Duration::from_secs(3)), Some(exact + Duration::from_secs(3))),
        (Some(exact), Some(exact)),
        (Some(at(-1_000_000)), Some(at(1_000_000))),
    ]
}

/// Entries by, about, by and about, and without either of two users; some at the same time.
fn an_entry_to_look_for(number: usize, one: UserId, two: UserId) -> AuditEntry {
    let seconds = i64::try_from(number / 2).unwrap();
    let action = if number.is_multiple_of(3) { Action::LoginFailed } else { Action::UserUpdated };
    let (actor, subject) = match number % 7 {
        0 => (Actor::User(one), None),
        1 => (Actor::Anonymous, Some(Subject::User(one))),
        2 => (Actor::User(one), Some(Subject::User(one))),
        3 => (Actor::User(two), Some(Subject::User(one))),
        4 => (Actor::User(one), Some(Subject::Session(SessionId::from_uuid(two.as_uuid())))),
        5 => (Actor::Service(ClientId::from_uuid(one.as_uuid())), Some(Subject::Role(role_name("admin")))),
        _ => (Actor::User(two), Some(Subject::User(two))),
    };
    AuditEntry { action, actor, subject, ..audit_entry(seconds) }
}

/// 8 writers on two instances, some with causes and some without, beside two who lay the chain: in the end every entry
/// hangs on it once, at positions without a gap, as it was laid; and at no time is one a stray.
pub async fn every_entry_is_linked_exactly_once(storage: &dyn StorageUnderTest) {
    const WRITERS: usize = 8;

    let instances = [storage.open().await, storage.open().await];
    let other = storage.another_tenant().await;
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let linkers: Vec<_> = instances
        .iter()
        .cloned()
        .zip([3, 50])
        .map(|(stores, limit)| tokio::spawn(link_while(stores, writing.clone(), limit)))
        .collect();
    let written = race(instances.iter().cycle().take(WRITERS).enumerate().map(|(writer, stores)| {
        let (stores, writing) = (stores.clone(), writing.clone());
        async move {
            let tenant = if writer % 4 == 0 { other } else { TenantId::DEFAULT };
            let written = write_entries(&stores, tenant, writer).await;
            writing.fetch_sub(1, Ordering::SeqCst);
            written
        }
    }))
    .await
    .concat();
    let mut laid = Vec::new();
    for linker in linkers {
        laid.extend(linker.await.unwrap());
    }
    laid.extend(link_while(instances[0].clone(), Arc::default(), 1_000).await);
    laid.sort_by_key(|link| link.position);

    for (stores, limit) in [(&instances[0], 1_000), (&instances[1], 7)] {
        let chain = read_chain(stores, limit).await;
        let links: Vec<_> = chain.iter().map(|(link, _)| *link).collect();
        assert_eq!(links, laid, "the chain is not as it was laid");
        assert!(
            links.iter().zip(1..).all(|(link, position)| link.position == position),
            "a gap in the chain"
        );
        for (link, entry) in &chain {
            assert_eq!(entry.as_ref().map(StoredEntry::id), Some(link.entry), "a link with another entry");
        }
        let mut entries: Vec<_> =
            chain.into_iter().filter_map(|(_, entry)| entry.and_then(StoredEntry::readable)).collect();
        entries.sort_by_key(|entry| entry.id);
        let mut expected = written.clone();
        expected.sort_by_key(|entry| entry.id);
        assert_eq!(entries, expected, "an entry is missing from the chain, or hangs there twice");
        let unlinked = stores.audit.unlinked(None, 10).await.unwrap();
        assert_eq!(unlinked, Unlinked { entries: Vec::new(), last: laid.last().copied() });
        assert_eq!(stores.audit.find_strays(None, 10).await.unwrap(), []);
    }

    let late = audit_entry(0); // its id is older than those that are linked already
    instances[0].audit.append(std::slice::from_ref(&late)).await.unwrap();
    let end = laid.last().unwrap().position;
    for wrong in [0, end - 1, end + 1] {
        let link = links_after(wrong, std::slice::from_ref(&late));
        assert!(!instances[1].audit.link(wrong, &link).await.unwrap(), "the chain goes on from its end only");
    }
    let later = audit_entry(1);
    instances[1].audit.append(std::slice::from_ref(&later)).await.unwrap();
    assert_eq!(waiting(&instances[0], None, 1).await, std::slice::from_ref(&late));
    assert_eq!(waiting(&instances[0], Some(late.id), 10).await, std::slice::from_ref(&later));
    assert_eq!(waiting(&instances[1], None, 10).await, [late, later]);
}

/// Entries that wait for their links. Each can be read.
pub(super) async fn waiting(stores: &Stores, after: Option<AuditId>, limit: u32) -> Vec<AuditEntry> {
    let Unlinked { entries, .. } = stores.audit.unlinked(after, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.readable().unwrap()).collect()
}

/// 30 entries, with no cause, the cause of a user that was created, or of one that was registered.
async fn write_entries(stores: &Stores, tenant: TenantId, writer: usize) -> Vec<AuditEntry> {
    let mut written = Vec::new();
    for number in 0..10 {
        let few: Vec<_> = (0..3)
            .map(|_| AuditEntry { tenant, ..audit_entry(i64::try_from(number % 4).unwrap()) })
            .collect();
        let told = Effects::audit(few[0].clone());
        let new = NewUser { tenant, ..user() };
        let checked = CatalogueRevision::FIRST;
        match (writer + number) % 3 {
            0 => stores.audit.append(&few[..1]).await.unwrap(),
            1 => {
                let outcome = stores.users.create(new, checked, told).await.unwrap();
                assert!(matches!(outcome, CreateOutcome::Created(_)));
            }
            _ => {
                let outcome = stores.users.register(new, session(0), checked, told).await.unwrap();
                assert!(matches!(outcome, RegisterOutcome::Registered(..)));
            }
        }
        stores.audit.append(&few[1..]).await.unwrap();
        written.extend(few);
    }
    written
}

/// Lays links as long as somebody writes and something is left, and gives those that it has laid.
async fn link_while(stores: Stores, writing: Arc<AtomicUsize>, limit: u32) -> Vec<AuditLink> {
    let (mut laid, mut linked) = (Vec::new(), HashSet::new());
    loop {
        let is_last_round = writing.load(Ordering::SeqCst) == 0;
        let Unlinked { entries, last } = stores.audit.unlinked(None, limit).await.unwrap();
        let entries: Vec<_> = entries.into_iter().map(|entry| entry.readable().unwrap()).collect();
        assert!(entries.len() <= limit as usize, "a page is longer than its limit");
        assert!(entries.is_sorted_by_key(|entry| entry.id), "the oldest ids come first");
        assert_eq!(
            stores.audit.find_strays(None, 10).await.unwrap(),
            [],
            "an entry that came in by a port is a stray"
        );
        if entries.is_empty() {
            if is_last_round {
                return laid;
            }
            tokio::task::yield_now().await; // a storage that never waits must let the writers have their turn
            continue;
        }
        let after = last.map_or(0, |link| link.position);
        let links = links_after(after, &entries);
        if stores.audit.link(after, &links).await.unwrap() {
            assert!(links.iter().all(|link| linked.insert(link.entry)), "a linked entry waits for its link");
            laid.extend(links);
        }
    }
}

/// Links with a mark that no other has, since the kit has no key.
pub(super) fn links_after(after: i64, entries: &[AuditEntry]) -> Vec<AuditLink> {
    let mark = |entry: &AuditEntry| {
        let mut mac = [0xA5; 32];
        mac[..16].copy_from_slice(entry.id.as_uuid().as_bytes());
        mac
    };
    let link =
        |(entry, position): (&AuditEntry, i64)| AuditLink { position, entry: entry.id, mac: mark(entry) };
    entries.iter().zip(after + 1..).map(link).collect()
}

/// The chain as it hangs there now, read in pages.
pub(super) async fn read_chain(stores: &Stores, limit: u32) -> Vec<(AuditLink, Option<StoredEntry>)> {
    let mut chain: Vec<(AuditLink, _)> = Vec::new();
    loop {
        let after = chain.last().map_or(0, |(link, _)| link.position);
        let page = stores.audit.read_chain(after, limit).await.unwrap();
        assert!(page.len() <= limit as usize, "a page is longer than its limit");
        assert!(page.iter().all(|(link, _)| link.position > after), "a page goes back");
        if page.is_empty() {
            return chain;
        }
        chain.extend(page);
    }
}

async fn find_in_pages(
    stores: &Stores,
    tenant: TenantId,
    filter: &AuditFilter,
    limit: u32,
) -> Vec<AuditEntry> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    loop {
        let before = found.last().map(|entry: &AuditEntry| entry.id);
        let page = stores.audit.find_entries(tenant, filter, before, limit).await.unwrap();
        assert!(page.len() <= limit as usize, "a page is longer than its limit");
        assert!(page.iter().all(|entry| seen.insert(entry.id)), "an entry is on two pages");
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

/// Every entry of a tenant that is in the audit trail now, the newest first.
pub(super) async fn whole_trail(stores: &Stores, tenant: TenantId) -> Vec<AuditEntry> {
    find_in_pages(stores, tenant, &AuditFilter::default(), 1_000).await
}

/// Whether an entry is in the audit trail. It looks at those of the same time, which is of its own for each of
/// [`effects`](super::fixtures::effects).
pub(super) async fn is_told(stores: &Stores, entry: &AuditEntry) -> bool {
    let until = entry.at + Duration::from_micros(1);
    let filter = AuditFilter { since: Some(entry.at), until: Some(until), ..AuditFilter::default() };
    let found = find_in_pages(stores, entry.tenant, &filter, 100).await;
    let same_id: Vec<_> = found.iter().filter(|found| found.id == entry.id).collect();
    assert!(same_id.is_empty() || same_id == [entry], "an entry came back as another: {same_id:?}");
    !same_id.is_empty()
}
