use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{Action, Actor, Origin, Password, RoleName, Subject, User, UserChange, UserFilter};
use maestro_auth_service::{AdminError, Caller, FirstAdmin, RefreshError, Revocations, SignedIn};

use super::{limited_managers, missing, told};
use crate::support::{
    PASSWORD, TestAuth, display_name, email, permission, permissions, role, role_name, roles,
};

fn named(name: &str) -> UserChange {
    UserChange { name: Some(display_name(name)), ..UserChange::default() }
}

fn with_roles(names: &[&str]) -> UserChange {
    UserChange { roles: Some(roles(names)), ..UserChange::default() }
}

#[tokio::test]
async fn an_operator_makes_accounts_of_any_role_that_exists() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    let made = t.auth.create_user(&operator, t.account("ada@example.org", &["viewer", "ml_engineer"])).await;
    let made = made.unwrap();
    assert!(made.permissions.contains(&permission("model:deploy")));
    assert_eq!(t.auth.find_user(&operator, made.user.id).await.unwrap(), made);
    assert!(t.login("ada@example.org", PASSWORD).await.is_ok());

    let again = t.auth.create_user(&operator, t.account("ADA@example.org", &["viewer"])).await;
    assert!(matches!(again, Err(AdminError::EmailTaken)));
    let unknown = t.auth.create_user(&operator, t.account("ida@example.org", &["viewer", "owner"])).await;
    assert!(matches!(unknown, Err(AdminError::UnknownRole(role)) if role.as_str() == "owner"));
    assert!(t.auth.find_account(&email("ida@example.org")).await.is_err());
    let told = told(&t, Action::UserCreated).await;
    assert_eq!(told.len(), 1, "what was refused leaves no entry");
    assert_eq!(
        (told[0].actor, told[0].subject.clone()),
        (Actor::Operator, Some(Subject::User(made.user.id)))
    );
}

#[tokio::test]
async fn the_first_admin_is_made_once_and_nobody_is_promoted() {
    let t = TestAuth::new().await;
    t.signed_in("ada@example.org").await;
    let first = |address| t.account(address, &["admin"]);
    assert_eq!(t.auth.ensure_first_admin(first("ada@example.org")).await.unwrap(), FirstAdmin::EmailTaken);
    assert_eq!(t.auth.ensure_first_admin(first("root@example.org")).await.unwrap(), FirstAdmin::Created);
    assert_eq!(t.auth.ensure_first_admin(first("root@example.org")).await.unwrap(), FirstAdmin::AdminExists);
    assert_eq!(t.auth.ensure_first_admin(first("eve@example.org")).await.unwrap(), FirstAdmin::AdminExists);
    let is_admin_password = async |address, password| {
        let password = Password::parse(password).unwrap();
        t.auth.is_admin_password(&email(address), password).await.unwrap()
    };
    assert!(is_admin_password("root@example.org", PASSWORD).await);
    assert!(!is_admin_password("root@example.org", "admin123").await);
    assert!(!is_admin_password("ada@example.org", PASSWORD).await, "the same password, but no admin");
}

#[tokio::test]
async fn lists_go_on_where_they_ended_and_show_what_was_asked_for() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    for number in 0..7 {
        let role = if number % 2 == 0 { "viewer" } else { "developer" };
        t.signed_in_as(&format!("user{number}@example.org"), &[role]).await;
        t.clock.advance(Duration::from_millis(1));
    }
    t.set_active(t.user_id("user3@example.org").await, false).await.unwrap();
    let list = async |filter: UserFilter| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = t.auth.list_users(&operator, &filter, after, 2).await.unwrap();
            assert!(page.len() <= 2);
            found.extend(page.into_iter().map(|view| view.user.email.as_str().to_owned()));
            match next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    };
    let all = list(UserFilter::default()).await;
    assert_eq!(all.len(), 7);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 7);
    let developers = UserFilter { role: Some(role_name("developer")), ..UserFilter::default() };
    let active = UserFilter { is_active: Some(true), ..developers.clone() };
    assert_eq!(list(developers).await, ["user1@example.org", "user3@example.org", "user5@example.org"]);
    assert_eq!(list(active).await, ["user1@example.org", "user5@example.org"]);
    let query = UserFilter { query: Some("USER6".to_owned()), ..UserFilter::default() };
    assert_eq!(list(query).await, ["user6@example.org"]);
}

#[tokio::test]
async fn sec_88_nobody_grants_what_they_do_not_hold() {
    let t = TestAuth::new().await;
    for (number, by) in limited_managers(&t).await.iter().enumerate() {
        let address = |name: &str| format!("{name}{number}@example.org");
        let made = t.auth.create_user(by, t.account(&address("ada"), &["viewer"])).await.unwrap().user;
        t.auth.update_user(by, made.id, with_roles(&["manager", "viewer"])).await.unwrap();
        for (beyond, lacks) in [("admin", "system:admin"), ("developer", "data:create")] {
            let account = t.account(&address("eve"), &["viewer", beyond]);
            assert_eq!(missing(t.auth.create_user(by, account).await), lacks);
            let more = with_roles(&["manager", "viewer", beyond]);
            assert_eq!(missing(t.auth.update_user(by, made.id, more.clone()).await), lacks);
            let itself = t.user_id("manager@example.org").await;
            assert_eq!(missing(t.auth.update_user(by, itself, more).await), lacks, "self-elevation");
        }
        assert!(t.auth.find_account(&email(&address("eve"))).await.is_err());
        let now = t.auth.find_user(by, made.id).await.unwrap().user;
        assert_eq!(now.roles, roles(&["manager", "viewer"]));
    }
}

#[tokio::test]
async fn sec_88_nobody_touches_a_user_who_holds_more() {
    let t = TestAuth::new().await;
    for (number, by) in limited_managers(&t).await.iter().enumerate() {
        for (role, lacks) in [("admin", "system:admin"), ("developer", "data:create")] {
            let powerful = t.signed_in_as(&format!("{role}{number}@example.org"), &[role, "viewer"]).await;
            let user = powerful.user.id;
            let deactivated = UserChange { is_active: Some(false), ..UserChange::default() };
            for change in [named("Eve"), with_roles(&["viewer"]), deactivated, UserChange::default()] {
                assert_eq!(missing(t.auth.update_user(by, user, change).await), lacks);
            }
            assert_eq!(missing(t.auth.delete_user(by, user).await), lacks);
            assert_eq!(missing(t.auth.end_sessions_of(by, user).await), lacks);
            assert_eq!(*t.auth.authenticate(&powerful.access_token).await.unwrap(), powerful.user);
        }
    }
    for action in [Action::UserUpdated, Action::UserDeleted, Action::LoggedOutEverywhere] {
        assert!(told(&t, action).await.is_empty(), "what was refused leaves no entry: {action:?}");
    }
}

#[tokio::test]
async fn sec_89_the_last_active_admin_is_neither_demoted_deactivated_nor_deleted() {
    let t = TestAuth::new().await;
    let (operator, root) = (Caller::operator(), t.signed_in_as("root@example.org", &["admin"]).await);
    let admin = root.user.id;
    let stays = async || {
        assert!(matches!(t.set_active(admin, false).await, Err(AdminError::LastAdmin)));
        assert!(matches!(t.set_roles(admin, &["viewer"]).await, Err(AdminError::LastAdmin)));
        assert!(matches!(t.auth.delete_user(&operator, admin).await, Err(AdminError::LastAdmin)));
        assert!(t.is_accepted(&root.access_token).await);
    };
    stays().await;
    t.set_roles(admin, &["viewer", "admin"]).await.unwrap();
    t.set_roles(admin, &["admin"]).await.unwrap();
    let root = t.login("root@example.org", PASSWORD).await.unwrap();
    let other = t.signed_in_as("ada@example.org", &["viewer", "admin"]).await.user.id;
    t.set_active(other, false).await.unwrap();
    assert!(matches!(t.set_active(admin, false).await, Err(AdminError::LastAdmin)), "the other is inactive");
    t.set_active(other, true).await.unwrap();
    assert!(!t.set_active(admin, false).await.unwrap().is_active);
    assert!(!t.is_accepted(&root.access_token).await);
    assert!(matches!(t.auth.delete_user(&operator, other).await, Err(AdminError::LastAdmin)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_89_two_admins_who_demote_each_other_leave_one() {
    let (here, there) = TestAuth::two_instances().await;
    let [ada, ida] = ["ada", "ida"].map(|name| format!("{name}@example.org"));
    let (ada, ida) = (here.signed_in_as(&ada, &["admin"]).await, here.signed_in_as(&ida, &["admin"]).await);
    for _ in 0..100 {
        let (first, second) = (caller(&here, &ada.user).await, caller(&there, &ida.user).await);
        let demote = |t: &TestAuth, by: Caller, whom: &SignedIn| {
            let (auth, whom) = (Arc::clone(&t.auth), whom.user.id);
            tokio::spawn(async move { auth.update_user(&by, whom, with_roles(&["viewer"])).await })
        };
        let (first, second) = tokio::join!(demote(&here, first, &ida), demote(&there, second, &ada));
        let mut answers = [first.unwrap(), second.unwrap()];
        answers.sort_by_key(Result::is_err);
        // The loser is the last admin, or was demoted before it was looked at.
        assert!(
            matches!(answers, [Ok(_), Err(AdminError::LastAdmin | AdminError::Caller(_))]),
            "{answers:?}"
        );
        for admin in [&ada, &ida] {
            here.set_roles(admin.user.id, &["admin"]).await.unwrap();
        }
    }
}

/// Somebody who signs in for it.
async fn caller(t: &TestAuth, user: &User) -> Caller {
    let signed_in = t.login(user.email.as_str(), PASSWORD).await.unwrap();
    t.auth.admit_user(&signed_in.access_token, None, Origin::default()).await.unwrap()
}

#[tokio::test]
async fn sec_91_who_was_dismissed_meanwhile_changes_nothing_any_more() {
    let (here, there) = TestAuth::two_instances().await;
    let admin = here.signed_in_as("ada@example.org", &["admin"]).await;
    let friend = here.signed_in("friend@example.org").await.user.id;
    // Admitted while it was an admin; the rest of its request takes its time.
    let by = caller(&there, &admin.user).await;
    here.signed_in_as("root@example.org", &["admin"]).await;
    here.set_active(admin.user.id, false).await.unwrap();

    let refused = there.auth.update_user(&by, friend, with_roles(&["admin"])).await;
    assert!(matches!(refused, Err(AdminError::Caller(_))), "{refused:?}");
    for refused in [
        there.auth.delete_user(&by, friend).await.err(),
        there.auth.end_sessions_of(&by, friend).await.err(),
        there.auth.delete_role(&by, &RoleName::viewer()).await.err(),
        there.auth.rotate_key(&by, false).await.err(),
    ] {
        assert!(matches!(refused, Some(AdminError::Caller(_))), "{refused:?}");
    }
    let user = here.auth.find_user(&Caller::operator(), friend).await.unwrap().user;
    assert_eq!(user.roles, roles(&["viewer"]));
}

#[tokio::test]
async fn a_deleted_user_is_out_everywhere_and_its_address_is_somebody_elses() {
    let (here, there) = TestAuth::two_instances().await;
    let operator = Caller::operator();
    let former = here.signed_in_as("ada@example.org", &["developer"]).await;
    there.catch_up().await;
    assert!(there.is_accepted(&former.access_token).await);

    here.auth.delete_user(&operator, former.user.id).await.unwrap();
    there.catch_up().await;
    for t in [&here, &there] {
        assert!(!t.is_accepted(&former.access_token).await);
        assert!(matches!(t.refresh(&former).await, Err(RefreshError::Invalid | RefreshError::Revoked)));
        assert!(t.login("ada@example.org", PASSWORD).await.is_err());
        assert!(matches!(t.auth.find_user(&operator, former.user.id).await, Err(AdminError::NotFound)));
    }
    let gone = former.user.id;
    assert!(matches!(here.auth.delete_user(&operator, gone).await, Err(AdminError::NotFound)));
    assert!(matches!(here.auth.end_sessions_of(&operator, gone).await, Err(AdminError::NotFound)));
    assert!(matches!(here.auth.update_user(&operator, gone, named("A")).await, Err(AdminError::NotFound)));

    let heir = there.signed_in("ada@example.org").await;
    assert_ne!(heir.user.id, former.user.id, "SEC-93");
    assert_eq!(heir.user.roles.primary(), &RoleName::viewer());
    for t in [&here, &there] {
        assert!(t.is_accepted(&heir.access_token).await);
        assert!(!t.is_accepted(&former.access_token).await);
        assert!(t.refresh(&former).await.is_err());
    }
}

#[tokio::test]
async fn an_instance_that_has_not_heard_of_a_deletion_learns_of_it_within_the_bound() {
    let (here, there) = TestAuth::two_instances().await;
    let ada = here.signed_in("ada@example.org").await;
    there.catch_up().await;
    assert!(there.is_accepted(&ada.access_token).await);
    here.auth.delete_user(&Caller::operator(), ada.user.id).await.unwrap();
    there.clock.advance(Revocations::MAX_LAG * 2);
    assert!(!there.is_accepted(&ada.access_token).await);
}

#[tokio::test]
async fn sec_64_whoever_manages_users_ends_their_sessions() {
    let (here, there) = TestAuth::two_instances().await;
    let [by, _] = limited_managers(&here).await;
    let phone = here.signed_in("ada@example.org").await;
    let laptop = there.login("ada@example.org", PASSWORD).await.unwrap();
    here.auth.end_sessions_of(&by, phone.user.id).await.unwrap();
    there.catch_up().await;
    for t in [&here, &there] {
        for ended in [&phone, &laptop] {
            assert!(!t.is_accepted(&ended.access_token).await);
            assert!(matches!(t.refresh(ended).await, Err(RefreshError::Revoked)));
        }
    }
    assert!(there.login("ada@example.org", PASSWORD).await.is_ok());
    let told = told(&here, Action::LoggedOutEverywhere).await;
    assert_eq!((told[0].actor, told[0].subject.clone()), (by.actor(), Some(Subject::User(phone.user.id))));
}

#[tokio::test]
async fn a_change_of_the_name_and_one_to_what_is_so_end_nothing() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    let ada = t.signed_in("ada@example.org").await;
    let same = UserChange { name: None, roles: Some(roles(&["viewer"])), is_active: Some(true) };
    assert_eq!(t.auth.update_user(&operator, ada.user.id, same).await.unwrap().user, ada.user);
    assert!(told(&t, Action::UserUpdated).await.is_empty());
    let renamed = t.auth.update_user(&operator, ada.user.id, named("Countess")).await.unwrap();
    assert_eq!(renamed.permissions, permissions(&["data:view", "experiment:view", "model:view"]));
    assert_eq!(t.auth.find_user(&operator, ada.user.id).await.unwrap(), renamed);
    assert!(t.is_accepted(&ada.access_token).await);
    let told = told(&t, Action::UserUpdated).await;
    let details = [("name.from", "Ada"), ("name.to", "Countess")];
    assert_eq!(told[0].details, details.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn sec_60_nobody_gets_more_roles_than_a_token_carries() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    let names: Vec<_> = (0..51).map(|number| format!("role{number}")).collect();
    for name in &names {
        t.auth.put_role(&operator, role(name, &[], &[])).await.unwrap();
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let too_many = t.auth.create_user(&operator, t.account("ada@example.org", &names)).await;
    assert!(matches!(too_many, Err(AdminError::TooManyRoles)));
    assert!(t.auth.create_user(&operator, t.account("ada@example.org", &names[..50])).await.is_ok());
}
