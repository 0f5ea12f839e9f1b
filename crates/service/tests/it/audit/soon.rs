use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{Action, Origin, UserFilter};
use maestro_auth_service::{AuthService, Caller};
use tokio::task::JoinHandle;

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
    let ada = t.signed_in(ADA).await;
    for number in 0..1_200 {
        let missing = Some(permission(&format!("report:print{number}")));
        t.auth.admit_user(&ada.access_token, missing, Origin::default()).await.unwrap_err();
    }
    t.storage.turn_off();
    for _ in 0..2 {
        assert!(t.auth.flush_audit().await.is_err());
    }
    t.storage.turn_on();
    flushed_trail(&t).await;
    assert_eq!(count(&t, Action::AccessDenied).await, 1_200);
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
async fn entries_that_differ_in_whom_they_concern_are_not_alike() {
    let t = TestAuth::new().await;
    let (ada, ida) = (t.signed_in(ADA).await, t.signed_in("ida@example.org").await);
    for _ in 0..2 {
        for user in [ada.user.id, ida.user.id] {
            t.auth.find_user(&Caller::operator(), user).await.unwrap();
        }
        t.auth.list_users(&Caller::operator(), &UserFilter::default(), None, 50).await.unwrap();
        for missing in ["user:view", "role:view"] {
            let missing = Some(permission(missing));
            t.auth.admit_user(&ada.access_token, missing, Origin::default()).await.unwrap_err();
        }
    }
    let written = flushed_trail(&t).await;
    for (action, expected) in [(Action::UserViewed, 4), (Action::UserListed, 2), (Action::AccessDenied, 4)] {
        assert_eq!(count(&t, action).await, expected, "{}", action.as_str());
    }
    let repeated = written.iter().filter(|entry| detail(entry, "repeated") == Some("1")).count();
    assert_eq!(repeated, 5);
}
