//! What only a relay can meet: it goes away, comes back without its data, and holds what others wrote.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use maestro_auth_adapters::redis::RedisBlacklist;
use maestro_auth_adapters::testing::RedisServer;
use maestro_auth_domain::{BlacklistEntry, KeyId, Revoked, TenantId};
use maestro_auth_ports::contract::fixtures::{entry, token};
use maestro_auth_ports::{BlacklistCursor, BlacklistWakeups, TokenBlacklist};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_redis_that_lost_its_data_starts_every_cursor_over() {
    let Some(mut server) = RedisServer::start() else { return };
    let (here, there) = (blacklist(&server), blacklist(&server));
    let (lost, early, late) = (an_entry(), an_entry(), an_entry());
    here.add(&[lost, an_entry()]).await.unwrap();
    let (cursor, _) = read(&there, None).await;

    server.stop();
    assert!(here.add(&[lost]).await.is_err());
    assert!(there.read(Some(&cursor), 10).await.is_err());
    server.start_again();

    let (cursor, nothing) = read(&there, Some(&cursor)).await;
    assert_eq!(nothing, HashSet::new());
    here.add(&[early]).await.unwrap();
    let (cursor, of_early) = read(&there, Some(&cursor)).await;
    assert_eq!(of_early, HashSet::from([early]));
    here.add(&[late]).await.unwrap();
    assert_eq!(read(&there, Some(&cursor)).await.1, HashSet::from([late]));
}

/// Whatever of the data is lost, also when what comes next stands before the cursor, as after a change of the clock.
#[tokio::test]
async fn a_cursor_of_another_history_skips_nothing() {
    let Some(server) = RedisServer::start() else { return };
    let blacklist = blacklist(&server);
    for loss in [["FLUSHALL", "SYNC"], ["DEL", LOG], ["DEL", HISTORY]] {
        blacklist.add(&[an_entry()]).await.unwrap();
        let (cursor, _) = read(&blacklist, None).await;
        let (history, _) = cursor.as_str().split_once(' ').unwrap();
        let far_ahead = BlacklistCursor::new(format!("{history} 9999999999999-0"));
        assert_eq!(read(&blacklist, Some(&far_ahead)).await.1, HashSet::new());

        run(&server, &loss).await;
        let late = an_entry();
        blacklist.add(&[late]).await.unwrap();
        assert!(read(&blacklist, Some(&far_ahead)).await.1.contains(&late), "{loss:?}");
    }
}

#[tokio::test]
async fn a_frozen_redis_costs_a_second_and_is_used_again_when_it_answers() {
    let Some(server) = RedisServer::start() else { return };
    let blacklist = blacklist(&server);
    blacklist.add(&[an_entry()]).await.unwrap();

    server.freeze();
    for _ in 0..2 {
        let start = Instant::now();
        assert!(blacklist.add(&[an_entry()]).await.is_err());
        assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    }
    server.thaw();
    let late = an_entry();
    blacklist.add(&[late]).await.unwrap();
    assert!(read(&blacklist, None).await.1.contains(&late));
}

#[tokio::test]
async fn a_subscriber_learns_that_its_redis_is_gone() {
    let Some(mut server) = RedisServer::start() else { return };
    let blacklist = blacklist(&server);
    let mut stopped = blacklist.subscribe().await.unwrap();
    server.stop();
    assert!(in_time(&mut stopped).await.is_err());
    assert!(blacklist.subscribe().await.is_err());

    server.start_again();
    let mut frozen = blacklist.subscribe().await.unwrap();
    server.freeze();
    assert!(in_time(&mut frozen).await.is_err());
    assert!(blacklist.subscribe().await.is_err());
}

/// A follower waits for the subscription and for other things at once, so it gives up and asks again all the time.
#[tokio::test]
async fn a_subscriber_may_give_up_and_ask_again() {
    let Some(server) = RedisServer::start() else { return };
    let blacklist = blacklist(&server);
    let mut subscription = blacklist.subscribe().await.unwrap();
    // Ten short waits, and one that is longer than what Redis may take for an answer.
    for patience in [[10; 10].as_slice(), &[3_000]].concat() {
        let nothing = tokio::time::timeout(Duration::from_millis(patience), subscription.next()).await;
        assert!(nothing.is_err(), "woken by nothing, or lost: {nothing:?}");
    }
    blacklist.add(&[an_entry()]).await.unwrap();
    in_time(&mut subscription).await.unwrap();
}

#[tokio::test]
async fn what_others_wrote_into_the_log_is_skipped() {
    let Some(server) = RedisServer::start() else { return };
    let blacklist = blacklist(&server);
    let (first, last) = (an_entry(), an_entry());
    blacklist.add(&[first]).await.unwrap();
    for strange in ["", "one two three four five six seven", "\u{0}", "tenant until token id"] {
        run(&server, &["XADD", LOG, "*", "entry", strange]).await;
    }
    // An instance of a newer version beside this one.
    let newer = format!("{} 1800000000000000 a-newer-kind id", TenantId::DEFAULT);
    run(&server, &["XADD", LOG, "*", "entry", &newer]).await;
    run(&server, &["XADD", LOG, "*", "a", "b", "c", "d"]).await;
    blacklist.add(&[last]).await.unwrap();

    assert_eq!(read(&blacklist, None).await.1, HashSet::from([first, last]));
}

#[tokio::test]
async fn every_kind_of_entry_comes_back_as_it_was_added() {
    let Some(server) = RedisServer::start() else { return };
    let key = KeyId::parse(&"k".repeat(KeyId::LENGTH)).unwrap();
    let entries = [an_entry(), entry(Revoked::Key(key), 60), entry(Revoked::RoleDefinitions, 60)];
    blacklist(&server).add(&entries).await.unwrap();
    assert_eq!(read(&blacklist(&server), None).await.1, HashSet::from(entries));
}

#[tokio::test]
async fn blacklists_under_other_keys_do_not_meet() {
    let Some(server) = RedisServer::start() else { return };
    let other = RedisBlacklist::at(&server.url(), "other:").unwrap();
    other.add(&[an_entry()]).await.unwrap();
    assert_eq!(read(&blacklist(&server), None).await.1, HashSet::new());
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_its_absence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://:canary@{}", listener.local_addr().unwrap());
    let first_byte = tokio::spawn(async move { listener.accept().await.unwrap().0.read_u8().await.unwrap() });
    let blacklist = RedisBlacklist::at(&url, "").unwrap();
    assert!(blacklist.read(None, 1).await.is_err());
    assert_eq!(first_byte.await.unwrap(), 22, "not a TLS handshake");
}

#[tokio::test]
async fn no_error_shows_the_password() {
    for url in
        ["http://:canary@localhost", "redis://:canary@localhost/x", "redis://:canary@0.0.0.0", "canary"]
    {
        let error = RedisBlacklist::at(url, "").err().unwrap();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    let Some(server) = RedisServer::start() else { return };
    let refused = RedisBlacklist::at(&format!("{}?user=somebody&pass=canary", server.url()), "").unwrap();
    let error = refused.add(&[an_entry()]).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

const LOG: &str = "test:revocations:log";
const HISTORY: &str = "test:revocations:history";

fn blacklist(server: &RedisServer) -> RedisBlacklist {
    RedisBlacklist::at(&server.url(), "test:").unwrap()
}

fn an_entry() -> BlacklistEntry {
    entry(Revoked::Token(token()), 60)
}

/// Reads page after page to the end.
async fn read(
    blacklist: &RedisBlacklist,
    after: Option<&BlacklistCursor>,
) -> (BlacklistCursor, HashSet<BlacklistEntry>) {
    let (mut after, mut seen) = (after.cloned(), HashSet::new());
    loop {
        let page = blacklist.read(after.as_ref(), 2).await.unwrap();
        seen.extend(page.entries);
        if page.is_complete {
            return (page.next, seen);
        }
        after = Some(page.next);
    }
}

async fn in_time(subscription: &mut Box<dyn BlacklistWakeups>) -> maestro_auth_ports::StoreResult<()> {
    tokio::time::timeout(Duration::from_secs(10), subscription.next())
        .await
        .expect("the subscriber hears something")
}

/// Does to the server what no client of ours does.
async fn run(server: &RedisServer, words: &[&str]) {
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = ::redis::Cmd::new();
    command.arg(words);
    command.exec_async(&mut connection).await.unwrap();
}
