use std::time::Duration;

use maestro_auth_domain::{
    Action, Actor, AuditEntry, AuditFilter, Description, Origin, Outcome, Password, Subject, UserChange,
    UserFilter, UserId,
};
use maestro_auth_service::{Caller, Login, LogoutScope, SignedIn};

use super::{detail, flushed_trail, somewhere};
use crate::support::{PASSWORD, TestAuth, display_name, email, permission, permissions, role, role_name};

/// Takes the one entry of that kind out of the trail.
fn take_one(
    trail: &mut Vec<AuditEntry>,
    action: Action,
    actor: Actor,
    subject: Option<&Subject>,
) -> AuditEntry {
    let is_it = |entry: &AuditEntry| {
        entry.action == action && entry.actor == actor && entry.subject.as_ref() == subject
    };
    let found = trail.extract_if(.., |entry| is_it(entry)).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{} by {} of {subject:?}: {found:#?}", action.as_str(), actor.to_text());
    found.into_iter().next().unwrap()
}

async fn login(t: &TestAuth, address: &str, password: &str) -> Option<SignedIn> {
    let request = Login { email: email(address), password: Password::parse(password).unwrap() };
    t.auth.login(request, &somewhere()).await.ok()
}

async fn admin(t: &TestAuth) -> (UserId, Caller) {
    let admin = t.signed_in_as("admin@example.org", &["admin"]).await;
    let caller = t.auth.admit_user(&admin.access_token, None, somewhere()).await.unwrap();
    (admin.user.id, caller)
}

#[tokio::test]
async fn sec_118_each_event_of_a_user_leaves_one_entry_with_who_what_and_where() {
    let t = TestAuth::new().await;
    let first = t.auth.register(t.register_form("ada@example.org"), &somewhere()).await.unwrap();
    let user = first.user.id;
    let second = login(&t, "ada@example.org", PASSWORD).await.unwrap();
    assert!(login(&t, "ada@example.org", "wrong password").await.is_none());
    assert!(login(&t, "nobody@example.org", PASSWORD).await.is_none());
    t.auth.refresh(&second.refresh_token, &somewhere()).await.unwrap();
    t.clock.advance(Duration::from_mins(1));
    assert!(t.auth.refresh(&second.refresh_token, &somewhere()).await.is_err());
    let third = login(&t, "ada@example.org", PASSWORD).await.unwrap();
    t.auth.logout(&third.access_token, LogoutScope::ThisSession, &somewhere()).await.unwrap();
    t.auth.logout(&first.access_token, LogoutScope::Everywhere, &somewhere()).await.unwrap();

    let mut trail = flushed_trail(&t).await;
    assert!(trail.iter().all(|entry| entry.origin == somewhere()));
    let logins = trail.extract_if(.., |entry| entry.action == Action::LoginSucceeded);
    let sessions = logins.map(|entry| Subject::Session(detail(&entry, "session").unwrap().parse().unwrap()));
    let [left, reused] = &sessions.collect::<Vec<_>>()[..] else { panic!("two have logged in") };
    let (itself, user) = (Actor::User(user), Subject::User(user));
    let about = Some(&user);
    let mut ended = |action, actor, subject| take_one(&mut trail, action, actor, subject).outcome;
    assert_eq!(ended(Action::UserRegistered, itself, about), Outcome::Success);
    assert_eq!(ended(Action::LoginFailed, Actor::Anonymous, about), Outcome::Failure);
    assert_eq!(ended(Action::LoginFailed, Actor::Anonymous, None), Outcome::Failure);
    assert_eq!(ended(Action::RefreshReused, itself, Some(reused)), Outcome::Failure);
    assert_eq!(ended(Action::LoggedOut, itself, Some(left)), Outcome::Success);
    assert_eq!(ended(Action::LoggedOutEverywhere, itself, about), Outcome::Success);
    assert_eq!(trail, []);
}

#[tokio::test]
async fn sec_118_each_event_among_users_leaves_one_entry_of_its_administrator() {
    let t = TestAuth::new().await;
    let (admin, by) = admin(&t).await;
    let before = flushed_trail(&t).await;
    let user = t.auth.create_user(&by, t.account("ida@example.org", &["viewer"])).await.unwrap().user.id;
    let change = UserChange { is_active: Some(false), ..UserChange::default() };
    t.auth.update_user(&by, user, change).await.unwrap();
    t.auth.end_sessions_of(&by, user).await.unwrap();
    t.auth.list_users(&by, &UserFilter::default(), None, 50).await.unwrap();
    t.auth.find_user(&by, user).await.unwrap();
    t.auth.set_password(user, t.new_password("another battery horse")).await.unwrap();
    t.auth.delete_user(&by, user).await.unwrap();

    let mut trail = flushed_trail(&t).await;
    trail.retain(|entry| !before.contains(entry));
    let user = Subject::User(user);
    let about = Some(&user);
    let operator = take_one(&mut trail, Action::PasswordSet, Actor::Operator, about);
    assert_eq!(operator.origin, Origin::default());
    for action in [
        Action::UserCreated,
        Action::UserUpdated,
        Action::LoggedOutEverywhere,
        Action::UserViewed,
        Action::UserDeleted,
    ] {
        let entry = take_one(&mut trail, action, Actor::User(admin), about);
        assert_eq!((entry.outcome, entry.origin), (Outcome::Success, somewhere()));
    }
    take_one(&mut trail, Action::UserListed, Actor::User(admin), None);
    assert_eq!(trail, []);
}

#[tokio::test]
async fn sec_118_each_event_of_the_administration_leaves_one_entry() {
    let t = TestAuth::new().await;
    let (admin, by) = admin(&t).await;
    let ada = t.signed_in("ada@example.org").await;
    let before = flushed_trail(&t).await;
    let report = permission("report:print");
    t.auth.put_permission(&by, report.clone(), Description::default()).await.unwrap();
    t.auth.put_role(&by, role("printer", &[], &[])).await.unwrap();
    t.auth.delete_role(&by, &role_name("printer")).await.unwrap();
    t.auth.delete_permission(&by, &report).await.unwrap();
    let (service, secret) =
        t.auth.create_service(&by, display_name("Printer"), permissions(&["user:view"])).await.unwrap();
    let client = service.id.to_string();
    t.auth.admit_service(&client, "wrong", None, somewhere()).await.unwrap_err();
    let role_update = Some(permission("role:update"));
    t.auth.admit_service(&client, &secret, role_update, somewhere()).await.unwrap_err();
    t.auth.delete_service(&by, service.id).await.unwrap();
    let key = t.auth.rotate_key(&by, false).await.unwrap().kid;
    t.auth.revoke_key(&by, key).await.unwrap();
    t.auth.revoke_token(&by, &ada.access_token).await.unwrap();
    t.auth.find_audit(&by, &AuditFilter::default(), None, 50).await.unwrap();
    t.auth.export_audit(&by, AuditFilter::default()).await.unwrap();

    let mut trail = flushed_trail(&t).await;
    trail.retain(|entry| !before.contains(entry));
    assert!(trail.iter().all(|entry| entry.origin == somewhere()));
    let about = Subject::Service(service.id);
    let refused = take_one(&mut trail, Action::ServiceRefused, Actor::Anonymous, Some(&about));
    assert_eq!(refused.outcome, Outcome::Failure);
    let denied = take_one(&mut trail, Action::AccessDenied, Actor::Service(service.id), None);
    assert_eq!(denied.outcome, Outcome::Denied);
    assert_eq!(detail(&denied, "permission"), Some("role:update"));
    let registered = before.iter().find(|entry| entry.action == Action::UserRegistered).unwrap();
    let session = Subject::Session(detail(registered, "session").unwrap().parse().unwrap());
    for (action, subject) in [
        (Action::PermissionPut, Some(Subject::Permission(report.clone()))),
        (Action::PermissionDeleted, Some(Subject::Permission(report))),
        (Action::RolePut, Some(Subject::Role(role_name("printer")))),
        (Action::RoleDeleted, Some(Subject::Role(role_name("printer")))),
        (Action::ServiceCreated, Some(about.clone())),
        (Action::ServiceDeleted, Some(about)),
        (Action::KeyRotated, Some(Subject::Key(key))),
        (Action::KeyRevoked, Some(Subject::Key(key))),
        (Action::TokenRevoked, Some(session)),
        (Action::AuditViewed, None),
        (Action::AuditExported, None),
    ] {
        take_one(&mut trail, action, Actor::User(admin), subject.as_ref());
    }
    assert_eq!(trail, []);
}
