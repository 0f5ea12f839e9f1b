//! The cases of [`TokenBlacklist`](crate::TokenBlacklist).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maestro_auth_domain::{BlacklistEntry, Generation, Revoked};

use super::StorageUnderTest;
use super::fixtures::{entry, session, token, user};
use crate::{BlacklistCursor, BlacklistPage, BlacklistWakeups, Stores};

/// Entries of each kind come back as they were added, here and there, also when they are added again.
pub async fn an_added_entry_is_read_by_every_instance(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    assert_eq!(whole_log(&here).await, HashSet::new());
    let tenant = storage.another_tenant().await;
    let (user, min_generation) = (user().id, Generation::from_number(i64::MAX));
    let added = [
        entry(Revoked::Token(token()), 60),
        entry(Revoked::Session(session(0).id), 120),
        entry(Revoked::User { user, min_generation: Generation::FIRST }, 180),
        entry(Revoked::User { user, min_generation }, 180),
        BlacklistEntry { tenant, ..entry(Revoked::Session(session(0).id), 1_000_000_000) },
    ];

    here.blacklist.add(&added).await.unwrap();
    here.blacklist.add(&added[..2]).await.unwrap();
    there.blacklist.add(&[]).await.unwrap();

    assert_eq!(whole_log(&here).await, HashSet::from(added));
    assert_eq!(whole_log(&there).await, HashSet::from(added));
}

/// 8 writers on two instances beside two readers with small pages: each reader gets every entry, with the cursor that it
/// has been moving all along.
pub async fn no_cursor_skips_a_concurrent_writer(storage: &dyn StorageUnderTest) {
    const WRITERS: usize = 8;
    const ENTRIES: usize = 40;

    let instances = [storage.open().await, storage.open().await];
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let readers: Vec<_> = instances
        .iter()
        .cloned()
        .map(|stores| {
            let writing = Arc::clone(&writing);
            tokio::spawn(async move {
                let (mut cursor, mut seen) = (None, HashSet::new());
                loop {
                    let is_last_round = writing.load(Ordering::SeqCst) == 0;
                    cursor = Some(drain(&stores, cursor, 3, &mut seen).await);
                    if is_last_round {
                        return seen;
                    }
                    tokio::task::yield_now().await; // a storage that never waits must let the writers have their turn
                }
            })
        })
        .collect();
    let writers: Vec<_> = instances
        .iter()
        .cycle()
        .take(WRITERS)
        .cloned()
        .map(|stores| {
            let writing = Arc::clone(&writing);
            tokio::spawn(async move {
                let mut added = Vec::new();
                for number in 0..ENTRIES {
                    let few: Vec<_> =
                        (0..=number % 3).map(|_| entry(Revoked::Session(session(0).id), 60)).collect();
                    stores.blacklist.add(&few).await.unwrap();
                    added.extend(few);
                }
                writing.fetch_sub(1, Ordering::SeqCst);
                added
            })
        })
        .collect();

    let mut added = HashSet::new();
    for writer in writers {
        added.extend(writer.await.unwrap());
    }
    for reader in readers {
        let seen = reader.await.unwrap();
        let skipped = added.difference(&seen).count();
        assert_eq!(skipped, 0, "a reader skipped {skipped} of {} entries", added.len());
    }
}

/// Whatever the size of the pages, together they give everything; no page is longer than asked for, and a cursor at the
/// end gives what comes next and nothing else.
pub async fn pages_of_entries_are_complete_and_end(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let mut expected = HashSet::new();
    for _ in 0..5 {
        let five: Vec<_> = (0..5).map(|_| entry(Revoked::Session(session(0).id), 60)).collect();
        stores.blacklist.add(&five).await.unwrap();
        expected.extend(five);
    }
    for limit in [1, 7, 25, 1_000] {
        let mut seen = HashSet::new();
        let end = drain(&stores, None, limit, &mut seen).await;
        assert_eq!(seen, expected, "pages of {limit}");

        let nothing = read(&stores, Some(&end), limit).await;
        assert_eq!((nothing.entries, nothing.is_complete), (Vec::new(), true));
        let next = entry(Revoked::Token(token()), 60);
        stores.blacklist.add(&[next]).await.unwrap();
        expected.insert(next);
        for cursor in [end, nothing.next] {
            let mut seen = HashSet::new();
            drain(&stores, Some(cursor), limit, &mut seen).await;
            assert_eq!(seen, HashSet::from([next]), "what came after the end");
        }
    }
}

/// Entries past their time go, at most `limit` at once; a cursor that stood among them still finds what comes next.
pub async fn only_expired_entries_are_forgotten(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let of_any = |seconds| entry(Revoked::Session(session(0).id), seconds);
    let kept = [of_any(61), of_any(10_000), entry(Revoked::Token(token()), 60)];
    let expired = [of_any(10), entry(Revoked::Token(token()), 59), of_any(30), of_any(40), of_any(50)];
    stores.blacklist.add(&kept[..2]).await.unwrap();
    stores.blacklist.add(&expired).await.unwrap();
    let cursor = drain(&stores, None, 100, &mut HashSet::new()).await;
    stores.blacklist.add(&kept[2..]).await.unwrap();
    let forget = |limit| stores.blacklist.forget_expired_entries(super::fixtures::at(60), limit);

    assert_eq!(forget(3).await.unwrap(), 3);
    assert_eq!(forget(100).await.unwrap(), 2);
    assert_eq!(forget(100).await.unwrap(), 0);

    assert_eq!(whole_log(&stores).await, HashSet::from(kept));
    let mut seen = HashSet::new();
    drain(&stores, Some(cursor), 100, &mut seen).await;
    assert_eq!(seen, HashSet::from([kept[2]]));
}

/// A subscriber hears of what it was waiting for, of what came in between, and of what another instance added.
pub async fn a_subscriber_is_woken_by_every_instance(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let mut subscription = instances[0].blacklist.subscribe().await.unwrap();
    let (mut cursor, mut seen) = (None, HashSet::new());
    for stores in instances.iter().cycle().take(6) {
        let added = entry(Revoked::Session(session(0).id), 60);
        stores.blacklist.add(&[added]).await.unwrap();
        while !seen.contains(&added) {
            woken(&mut *subscription).await;
            cursor = Some(drain(&instances[0], cursor, 100, &mut seen).await);
        }
    }
}

/// Waits to be woken.
pub(super) async fn woken(subscription: &mut dyn BlacklistWakeups) {
    let woken = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await;
    woken.expect("nobody woke the subscriber").unwrap();
}

/// Every entry that is in the log now.
pub(super) async fn whole_log(stores: &Stores) -> HashSet<BlacklistEntry> {
    let mut entries = HashSet::new();
    drain(stores, None, 1_000, &mut entries).await;
    entries
}

/// Reads page after page until one is complete.
async fn drain(
    stores: &Stores,
    mut cursor: Option<BlacklistCursor>,
    limit: u32,
    seen: &mut HashSet<BlacklistEntry>,
) -> BlacklistCursor {
    for _ in 0..100_000 {
        let page = read(stores, cursor.as_ref(), limit).await;
        assert!(page.entries.len() <= limit as usize, "a page is longer than its limit");
        assert!(page.is_complete || !page.entries.is_empty(), "a page neither brings something nor ends");
        seen.extend(page.entries);
        if page.is_complete {
            return page.next;
        }
        cursor = Some(page.next);
    }
    panic!("the pages never end");
}

async fn read(stores: &Stores, after: Option<&BlacklistCursor>, limit: u32) -> BlacklistPage {
    stores.blacklist.read(after, limit).await.unwrap()
}
