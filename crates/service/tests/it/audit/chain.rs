use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{Action, AuditEntry, AuditId, AuditLink, Origin, TenantId};
use maestro_auth_ports::StoredEntry;
use maestro_auth_service::{ChainFault, ChainReport};

use super::spoilt::{Chain, Spoilt};
use super::trail;
use crate::support::TestAuth;

/// What is done to an entry, and what it is called.
type Change<'a> = (&'a str, &'a dyn Fn(&mut AuditEntry));

/// An instance whose trail of so many entries hangs on the chain.
async fn linked(entries: usize) -> TestAuth {
    let t = TestAuth::new().await;
    for number in 0..entries {
        t.signed_in(&format!("user{number}@example.org")).await;
    }
    t.auth.lay_chain().await.unwrap();
    t
}

async fn chain(t: &TestAuth) -> Chain {
    t.stores.audit.read_chain(0, 1_000_000).await.unwrap()
}

/// What is found once the chain was tampered with, and these entries were put beside it.
async fn report(t: &TestAuth, tamper: impl FnOnce(&mut Chain), strays: Vec<AuditId>) -> ChainReport {
    let mut chain = chain(t).await;
    tamper(&mut chain);
    let tampered = Spoilt { chain: Some(chain), strays, ..Spoilt::of(t) };
    Arc::new(tampered).instance(t).await.auth.verify_audit().await.unwrap()
}

/// Changes what the entry of a link says.
fn change(chain: &mut Chain, index: usize, change: impl FnOnce(&mut AuditEntry)) {
    let Some(StoredEntry::Readable(entry)) = &mut chain[index].1 else { panic!("it is there") };
    change(entry);
}

#[tokio::test]
async fn a_chain_that_nobody_touched_is_sound_and_says_where_it_ends() {
    let t = linked(1_203).await;
    t.signed_in("one-more@example.org").await;
    let report = t.auth.verify_audit().await.unwrap();
    assert!(report.is_sound());
    assert_eq!((report.linked, report.waiting), (1_203, 1));
    let head = report.head.unwrap();
    assert_eq!(head.position, 1_203);
    assert!(t.auth.has_audit_link(head.position, head.mac).await.unwrap());
    for (position, mac) in [(head.position, [0; 32]), (1, head.mac), (1_204, head.mac), (i64::MIN, head.mac)]
    {
        assert!(!t.auth.has_audit_link(position, mac).await.unwrap(), "{position}");
    }
}

#[tokio::test]
async fn an_empty_trail_is_sound() {
    let report = TestAuth::new().await.auth.verify_audit().await.unwrap();
    assert_eq!((report.is_sound(), report), (true, ChainReport::default()));
}

#[tokio::test]
async fn sec_118_every_change_of_an_entry_is_found() {
    let t = linked(5).await;
    let [_, other, ..] = &trail(&t).await[..] else { panic!("there are five") };
    let long = |entry: &AuditEntry| Some(format!("{}\r\n{}", entry.id, "x".repeat(1_000)));
    let changes: [Change<'_>; 9] = [
        ("action", &|entry| entry.action = Action::LoggedOut),
        ("time", &|entry| entry.at = entry.at + Duration::from_micros(1)),
        ("actor", &|entry| entry.actor = other.actor),
        ("subject", &|entry| entry.subject = None),
        ("origin", &|entry| entry.origin = super::somewhere()),
        ("origin as nobody sends it", &|entry| {
            entry.origin = Origin::from_stored(None, long(entry), long(entry));
        }),
        ("details", &|entry| entry.details.clear()),
        ("more details", &|entry| entry.details.push(Default::default())),
        ("tenant", &|entry| entry.tenant = TenantId::from_uuid(entry.id.as_uuid())),
    ];
    for (what, changed) in changes {
        let tamper = |chain: &mut Chain| change(chain, 4, changed);
        let entry = chain(&t).await[4].0.entry;
        let report = report(&t, tamper, vec![]).await;
        assert_eq!(report.faults, [ChainFault::Changed { position: 5, entry }], "{what}");
        assert_eq!((report.linked, report.fault_count), (5, 1));
    }
}

#[tokio::test]
async fn sec_118_what_was_deleted_or_added_is_found_and_each_fault_named_once() {
    let t = linked(9).await;
    let links: Vec<AuditLink> = chain(&t).await.iter().map(|(link, _)| *link).collect();
    let stray = links[0].entry;
    let tamper = |chain: &mut Chain| {
        chain[1].1 = None;
        change(chain, 3, |entry| entry.details.clear());
        chain.drain(5..7);
    };
    let report = report(&t, tamper, vec![stray]).await;
    assert_eq!(
        report.faults,
        [
            ChainFault::Deleted { position: 2, entry: links[1].entry },
            ChainFault::Changed { position: 4, entry: links[3].entry },
            ChainFault::Gap { first: 6, last: 7 },
            ChainFault::Stray { entry: stray },
        ]
    );
    assert_eq!((report.linked, report.head), (6, Some(links[8])));
}

#[tokio::test]
async fn sec_118_what_can_not_be_read_or_is_found_by_others_than_it_names_is_a_fault_among_others() {
    let t = linked(6).await;
    let ids: Vec<AuditId> = chain(&t).await.iter().map(|(link, _)| link.entry).collect();
    let tamper = |chain: &mut Chain| {
        chain[1].1 = Some(StoredEntry::Unreadable(ids[1]));
        chain[2].1 = Some(StoredEntry::Misfiled(ids[2]));
        change(chain, 4, |entry| entry.details.clear());
    };
    let report = report(&t, tamper, vec![]).await;
    assert_eq!(
        report.faults,
        [
            ChainFault::Unreadable { entry: ids[1] },
            ChainFault::Changed { position: 3, entry: ids[2] },
            ChainFault::Changed { position: 5, entry: ids[4] },
        ]
    );
    assert_eq!(report.linked, 6);
}

#[tokio::test]
async fn entries_that_can_not_be_read_stay_behind_and_keep_nothing_else_from_the_chain() {
    let t = linked(2).await;
    for number in 2..1_300 {
        t.signed_in(&format!("user{number}@example.org")).await;
    }
    // More than are read at once, and the oldest.
    let waiting = t.stores.audit.unlinked(None, 2_000).await.unwrap().entries;
    let waiting: Vec<AuditId> = waiting.iter().map(StoredEntry::id).collect();
    let (unreadable, readable) = waiting.split_at(1_100);
    let spoilt = Spoilt { unreadable: unreadable.iter().copied().collect(), ..Spoilt::of(&t) };
    let spoilt = Arc::new(spoilt).instance(&t).await;
    spoilt.auth.lay_chain().await.unwrap();

    let linked: Vec<AuditId> = chain(&t).await.iter().map(|(link, _)| link.entry).collect();
    assert!(readable.iter().all(|id| linked.contains(id)));
    assert_eq!(linked.len(), 2 + readable.len());
    let report = spoilt.auth.verify_audit().await.unwrap();
    assert_eq!((report.linked, report.waiting, report.fault_count), (200, 1_100, 1_100));
    assert_eq!(report.faults[0], ChainFault::Unreadable { entry: unreadable[0] });

    // A version that can read them links them.
    t.auth.lay_chain().await.unwrap();
    let report = t.auth.verify_audit().await.unwrap();
    assert_eq!((report.is_sound(), report.linked, report.waiting), (true, 1_300, 0));
}

#[tokio::test]
async fn sec_118_links_that_somebody_without_the_key_made_are_found() {
    let t = linked(3).await;
    let links: Vec<AuditLink> = chain(&t).await.iter().map(|(link, _)| *link).collect();
    // Two entries change places, with their links.
    let swapped = report(
        &t,
        |chain| {
            let (first, second) = (chain[0].0.position, chain[1].0.position);
            chain.swap(0, 1);
            (chain[0].0.position, chain[1].0.position) = (first, second);
        },
        vec![],
    );
    assert!(swapped.await.fault_count >= 2);
    // An entry hangs before the beginning, where nobody might look.
    let entry = links[2].entry;
    let before = report(
        &t,
        |chain| {
            let (link, entry) = chain.pop().unwrap();
            chain.insert(0, (AuditLink { position: -5, ..link }, entry));
        },
        vec![],
    );
    assert_eq!(before.await.faults, [ChainFault::Changed { position: -5, entry }]);
    let after = report(&t, |chain| chain[2].0.position = i64::MAX, vec![]).await;
    assert_eq!(after.faults, [ChainFault::Gap { first: 3, last: i64::MAX - 1 }]);
    let emptied = report(&t, |chain| drop(chain.drain(..2)), vec![]).await;
    assert_eq!(emptied.faults, [ChainFault::Gap { first: 1, last: 2 }]);
}

#[tokio::test]
async fn faults_are_counted_though_not_all_are_listed() {
    let t = linked(1_150).await;
    let gone = |chain: &mut Chain| chain.iter_mut().for_each(|(_, entry)| *entry = None);
    let report = report(&t, gone, vec![]).await;
    assert_eq!((report.faults.len(), report.fault_count), (ChainReport::MAX_FAULTS, 1_150));
    assert_eq!(report.linked, 0);
}

#[tokio::test]
async fn another_key_finds_every_entry_changed() {
    let t = linked(3).await;
    let tamper = |chain: &mut Chain| chain.iter_mut().for_each(|(link, _)| link.mac[31] ^= 1);
    assert_eq!(report(&t, tamper, vec![]).await.fault_count, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_lay_the_chain_at_once_lay_one() {
    let (here, there) = TestAuth::two_instances().await;
    let all = [&here, &there].map(|t| async move {
        for number in 0..300 {
            t.signed_in(&format!("{}{number}@example.org", std::ptr::from_ref(t).addr())).await;
            t.auth.lay_chain().await.unwrap();
        }
    });
    let [first, second] = all;
    tokio::join!(first, second);
    let report = here.auth.verify_audit().await.unwrap();
    assert!(report.is_sound());
    assert_eq!((report.linked, report.waiting), (600, 0));
}
