use maestro_auth_domain::{Action, AuditFilter, Subject, Timestamp};
use maestro_auth_service::Caller;

use super::{detail, flushed_trail, trail};
use crate::support::TestAuth;

async fn with_users(count: usize) -> TestAuth {
    let t = TestAuth::new().await;
    for number in 0..count {
        t.signed_in(&format!("user{number}@example.org")).await;
    }
    t
}

#[tokio::test]
async fn pages_show_each_entry_once_and_say_where_the_next_begins() {
    let t = with_users(7).await;
    let by = Caller::operator();
    for limit in [1, 3, 7, 8] {
        let filter = AuditFilter { action: Some(Action::UserRegistered), ..AuditFilter::default() };
        let (mut shown, mut before) = (Vec::new(), None);
        loop {
            let (entries, next) = t.auth.find_audit(&by, &filter, before, limit).await.unwrap();
            assert!(!entries.is_empty(), "a last page that is empty is one too many");
            shown.extend(entries);
            before = next;
            if before.is_none() {
                break;
            }
        }
        let mut all = trail(&t).await;
        all.retain(|entry| entry.action == Action::UserRegistered);
        assert_eq!(shown, all);
    }
}

#[tokio::test]
async fn a_look_at_the_trail_is_told_with_what_was_looked_for() {
    let t = with_users(1).await;
    let user = t.user_id("user0@example.org").await;
    let since = Timestamp::from_unix_seconds(0);
    let filter =
        AuditFilter { user: Some(user), action: Some(Action::LoggedOut), since: Some(since), until: None };
    t.auth.find_audit(&Caller::operator(), &filter, None, 10).await.unwrap();
    let told = &flushed_trail(&t).await[0];
    assert_eq!((told.action, &told.subject), (Action::AuditViewed, &Some(Subject::User(user))));
    assert_eq!(detail(told, "action"), Some("session.ended"));
    assert_eq!(detail(told, "since"), Some("1970-01-01T00:00:00Z"));
    assert_eq!(detail(told, "until"), None);
}

#[tokio::test]
async fn an_export_gives_out_everything_and_is_told_before_it_begins() {
    let t = with_users(1_200).await;
    let mut export = t.auth.export_audit(&Caller::operator(), AuditFilter::default()).await.unwrap();
    let at_first = trail(&t).await;
    assert_eq!(at_first.iter().filter(|entry| entry.action == Action::AuditExported).count(), 1);
    let mut given = export.next_page().await.unwrap().unwrap();
    t.storage.turn_off();
    assert!(export.next_page().await.is_err());
    t.storage.turn_on();
    let mut pages = 1;
    while let Some(page) = export.next_page().await.unwrap() {
        given.extend(page);
        pages += 1;
    }
    assert_eq!((given == at_first, pages), (true, 3));
}

#[tokio::test]
async fn rel_37_what_can_not_be_written_down_is_not_exported() {
    let t = with_users(1).await;
    t.storage.turn_off();
    assert!(t.auth.export_audit(&Caller::operator(), AuditFilter::default()).await.is_err());
}
