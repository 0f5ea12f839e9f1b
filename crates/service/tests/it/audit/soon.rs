use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use maestro_auth_domain::{Action, Actor, AuditFilter, Origin, Outcome, Timestamp, UserFilter};
use maestro_auth_service::{AuthService, Caller};
use tokio::task::JoinHandle;

use super::spoilt::Spoilt;
use super::{detail, flushed_trail, trail};
use crate::support::{PASSWORD, TestAuth, permission};

const ADA: &str = "ada@example.org";

/// Follows the trail as a server does, by the paused clock of the test.
fn following(t: &TestAuth) -> JoinHandle<()> {
    let auth: Arc<AuthService> = Arc::clone(&t.auth);
    tokio::spawn(async move { match auth.follow_audit().await {} })
}

async fn count(t: &TestAuth, action: Action) -> usize {
    trail(t).await.iter().filter(|entry| entry.action == action).count()
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_in_the_trail_within_a_second_and_on_the_chain_within_two() {
    let t = TestAuth::new().await;
    let follower = following(&t);
    t.login(ADA, PASSWORD).await.err().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(&t, Action::LoginFailed).await, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(t.stores.audit.read_chain(0, 10).await.unwrap().len(), 1);
    follower.abort();
}

#[tokio::test]
async fn what_the_storage_did_not_take_is_written_once_it_is_back() {
    let t = TestAuth::new().await;
    deny(&t, 1_200).await;
    t.storage.turn_off();
    for _ in 0..2 {
        assert!(t.auth.flush_audit().await.is_err());
    }
    t.storage.turn_on();
    flushed_trail(&t).await;
    assert_eq!(count(&t, Action::AccessDenied).await, 1_200);
}

/// Lets as many denials be told, each of which is like no other.
async fn deny(t: &TestAuth, count: usize) {
    let ada = t.login_or_register(ADA).await;
    for number in 0..count {
        let missing = Some(permission(&format!("report:print{number}")));
        t.auth.admit_user(&ada.access_token, missing, Origin::default()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_storage_that_takes_few_at_once_gets_few_and_more_again_when_it_can() {
    let storage = TestAuth::new().await;
    let spoilt = Arc::new(Spoilt::of(&storage));
    let t = Arc::clone(&spoilt).instance(&storage).await;
    deny(&t, 300).await;
    spoilt.capacity.store(3, Ordering::SeqCst);
    let mut failures = 0;
    while t.auth.flush_audit().await.is_err() {
        failures += 1;
        assert!(failures < 100, "the storage could take them");
    }
    assert_eq!(count(&t, Action::AccessDenied).await, 300);
    let given = std::mem::take(&mut *spoilt.appended.lock().unwrap());
    assert_eq!(given[..7], [200, 100, 50, 25, 12, 6, 3]);

    spoilt.capacity.store(usize::MAX, Ordering::SeqCst);
    t.clock.advance(Duration::from_mins(1));
    deny(&t, 2_500).await;
    t.auth.flush_audit().await.unwrap();
    let given = std::mem::take(&mut *spoilt.appended.lock().unwrap());
    assert_eq!(given.iter().max(), Some(&200), "{given:?}");
    assert_eq!(count(&t, Action::AccessDenied).await, 2_800);

    spoilt.capacity.store(0, Ordering::SeqCst);
    deny(&t, 9).await;
    for _ in 0..20 {
        assert!(t.auth.flush_audit().await.is_err());
    }
    assert_eq!(spoilt.appended.lock().unwrap().last(), Some(&1), "never none");
}

#[tokio::test]
async fn how_many_entries_were_lost_is_told_in_the_trail() {
    let t = TestAuth::new().await;
    t.signed_in(ADA).await;
    deny(&t, 10_007).await;
    let written = flushed_trail(&t).await;
    let [lost] = &written.iter().filter(|entry| entry.action == Action::EntriesLost).collect::<Vec<_>>()[..]
    else {
        panic!("it is told once")
    };
    assert_eq!(
        (lost.actor, lost.outcome, detail(lost, "count")),
        (Actor::Server, Outcome::Failure, Some("7"))
    );
    assert_eq!((&lost.subject, &lost.origin), (&None, &Origin::default()));
    assert_eq!(count(&t, Action::AccessDenied).await, 10_000);
    flushed_trail(&t).await;
    assert_eq!(count(&t, Action::EntriesLost).await, 1, "nothing was lost since");
}

#[tokio::test(start_paused = true)]
async fn a_server_tells_what_was_lost_once_a_minute() {
    let t = TestAuth::new().await;
    let follower = following(&t);
    deny(&t, 10_001).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(count(&t, Action::EntriesLost).await, 1);
    follower.abort();
}

#[tokio::test(start_paused = true)]
async fn a_server_goes_on_writing_when_the_storage_is_back() {
    let t = TestAuth::new().await;
    let follower = following(&t);
    t.login(ADA, PASSWORD).await.err().unwrap();
    t.storage.turn_off();
    tokio::time::sleep(Duration::from_secs(5)).await;
    t.storage.turn_on();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(count(&t, Action::LoginFailed).await, 1);
    assert_eq!(t.auth.verify_audit().await.unwrap().linked, 1);
    follower.abort();
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_stops_writes_what_it_was_told() {
    let t = TestAuth::new().await;
    t.login(ADA, PASSWORD).await.err().unwrap();
    t.clock.advance(Duration::from_millis(1));
    t.login(ADA, PASSWORD).await.err().unwrap();
    assert_eq!(trail(&t).await, []);
    let written = flushed_trail(&t).await;
    assert_eq!(written.len(), 2);
    assert_eq!((detail(&written[1], "repeated"), detail(&written[0], "repeated")), (None, Some("1")));
}

#[tokio::test(start_paused = true)]
async fn alike_entries_of_one_minute_are_two_the_second_of_which_counts() {
    let t = TestAuth::new().await;
    let follower = following(&t);
    for _ in 0..100 {
        t.login(ADA, PASSWORD).await.err().unwrap(); // takes the floor of a failed login each time
        t.clock.advance(Duration::from_millis(300));
    }
    t.login("ida@example.org", PASSWORD).await.err().unwrap();
    assert_eq!(count(&t, Action::LoginFailed).await, 1, "the trail does not tell addresses that nobody has");
    t.clock.advance(Duration::from_mins(1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = trail(&t).await;
    assert_eq!(told.len(), 2);
    assert_eq!(detail(&told[0], "repeated"), Some("100"));
    t.login(ADA, PASSWORD).await.err().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(&t, Action::LoginFailed).await, 3, "another minute");
    follower.abort();
}

#[tokio::test]
async fn entries_that_differ_in_whom_they_concern_or_in_a_detail_are_not_alike() {
    let t = TestAuth::new().await;
    let (ada, ida) = (t.signed_in(ADA).await, t.signed_in("ida@example.org").await);
    for _ in 0..2 {
        for user in [ada.user.id, ida.user.id] {
            t.auth.find_user(&Caller::operator(), user).await.unwrap();
        }
        t.auth.list_users(&Caller::operator(), &UserFilter::default(), None, 50).await.unwrap();
        for since in [1, 2] {
            let since = Some(Timestamp::from_unix_seconds(since));
            let filter = AuditFilter { since, ..AuditFilter::default() };
            t.auth.find_audit(&Caller::operator(), &filter, None, 1).await.unwrap();
        }
        for missing in ["user:view", "role:view"] {
            let missing = Some(permission(missing));
            t.auth.admit_user(&ada.access_token, missing, Origin::default()).await.unwrap_err();
        }
    }
    let written = flushed_trail(&t).await;
    for (action, expected) in [
        (Action::UserViewed, 4),
        (Action::UserListed, 2),
        (Action::AuditViewed, 4),
        (Action::AccessDenied, 4),
    ] {
        assert_eq!(count(&t, action).await, expected, "{}", action.as_str());
    }
    let repeated = written.iter().filter(|entry| detail(entry, "repeated") == Some("1")).count();
    assert_eq!(repeated, 7);
}
