use std::time::Duration;

use maestro_auth_domain::{Action, CatalogueError, Description, RoleDefinition, Subject};
use maestro_auth_service::{AdminError, AuthorizeError, Caller, Demand, Revocations, SignedIn};

use super::{limited_managers, missing, told};
use crate::support::{TestAuth, permission, permissions, role, role_name};

async fn put(t: &TestAuth, definition: RoleDefinition) -> bool {
    t.auth.put_role(&Caller::operator(), definition).await.unwrap().1
}

/// Whether that instance lets whoever signed in do this.
async fn permits(t: &TestAuth, who: &SignedIn, what: &str) -> bool {
    let demand = Demand { permission: Some(permission(what)), role: None };
    match t.auth.authorize(&who.access_token, demand).await {
        Ok(_) => true,
        Err(AuthorizeError::PermissionMissing(_)) => false,
        Err(other) => panic!("refused for another reason: {other}"),
    }
}

#[tokio::test]
async fn a_role_permits_what_it_holds_and_inherits() {
    let t = TestAuth::new().await;
    assert!(put(&t, role("lead", &["user:view"], &["ml_engineer"])).await);
    assert!(put(&t, role("chief", &[], &["lead", "viewer"])).await);
    assert!(!put(&t, role("lead", &["user:view"], &["ml_engineer"])).await, "it is there already");
    let chief = t.signed_in_as("ada@example.org", &["chief"]).await;
    assert!(permits(&t, &chief, "model:deploy").await && permits(&t, &chief, "user:view").await);
    assert!(!permits(&t, &chief, "user:update").await);
    let put = told(&t, Action::RolePut).await;
    assert_eq!(put.len(), 3);
    assert_eq!(put[0].subject, Some(Subject::Role(role_name("lead"))));
}

#[tokio::test]
async fn what_a_role_permits_changes_at_once_here_and_with_the_feed_elsewhere() {
    let (here, there) = TestAuth::two_instances().await;
    put(&here, role("lead", &["model:view"], &[])).await;
    let lead = here.signed_in_as("ada@example.org", &["lead"]).await;
    for t in [&here, &there] {
        t.catch_up().await;
        assert!(!permits(t, &lead, "user:view").await);
    }

    put(&here, role("lead", &["user:view"], &[])).await;
    assert!(permits(&here, &lead, "user:view").await && !permits(&here, &lead, "model:view").await);
    assert!(permits(&there, &lead, "model:view").await, "it has not heard of it, and may say so");
    there.catch_up().await;
    assert!(permits(&there, &lead, "user:view").await && !permits(&there, &lead, "model:view").await);
    assert_eq!(there.refresh(&lead).await.unwrap().permissions, permissions(&["user:view"]));
    assert!(here.is_accepted(&lead.access_token).await, "a token names roles, and is as true as before");
}

#[tokio::test]
async fn an_instance_without_a_fresh_feed_asks_what_roles_permit() {
    let (here, there) = TestAuth::two_instances().await;
    put(&here, role("lead", &["model:view"], &[])).await;
    let lead = here.signed_in_as("ada@example.org", &["lead"]).await;
    there.catch_up().await;
    assert!(permits(&there, &lead, "model:view").await);

    put(&here, role("lead", &["user:view"], &[])).await;
    there.clock.advance(Revocations::MAX_LAG * 2);
    assert!(permits(&there, &lead, "user:view").await && !permits(&there, &lead, "model:view").await);

    put(&here, role("lead", &["audit:view"], &[])).await;
    assert!(permits(&there, &lead, "audit:view").await && !permits(&there, &lead, "user:view").await);
}

/// What has changed meanwhile may be forgotten by the log, and nobody tells of it any more.
#[tokio::test]
async fn an_instance_that_was_out_of_touch_for_long_does_not_trust_the_roles_that_it_knew() {
    let (here, there) = TestAuth::two_instances().await;
    put(&here, role("lead", &["model:view"], &[])).await;
    let lead = here.signed_in_as("ada@example.org", &["lead"]).await;
    there.catch_up().await;
    assert!(permits(&there, &lead, "model:view").await);

    put(&here, role("lead", &["user:view"], &[])).await;
    here.clock.advance(Duration::from_hours(24));
    while here.auth.forget_expired_revocations(100).await.unwrap() > 0 {}
    there.catch_up().await;
    assert!(there.auth.revocations().status().is_fresh);
    assert_eq!(there.refresh(&lead).await.unwrap().permissions, permissions(&["user:view"]));
}

#[tokio::test]
async fn what_roles_permit_costs_no_question_to_the_store_while_the_feed_is_fresh() {
    let t = TestAuth::new().await;
    let ada = t.signed_in("ada@example.org").await;
    t.catch_up().await;
    assert!(permits(&t, &ada, "model:view").await);
    t.storage.turn_off();
    assert!(permits(&t, &ada, "model:view").await && !permits(&t, &ada, "model:create").await);
    t.clock.advance(Revocations::MAX_LAG * 2);
    let demand = Demand { permission: Some(permission("model:view")), role: None };
    let refused = t.auth.authorize(&ada.access_token, demand).await;
    assert!(matches!(refused, Err(AuthorizeError::Authenticate(_))), "it never guesses: {refused:?}");
}

#[tokio::test]
async fn sec_88_nobody_defines_or_redefines_a_role_beyond_their_own() {
    let t = TestAuth::new().await;
    let managers = limited_managers(&t).await;
    put(&t, role("deployer", &["model:deploy"], &[])).await;
    for by in &managers {
        t.auth.put_role(by, role("helper", &["user:view"], &["viewer"])).await.unwrap();
        for (beyond, lacks) in [
            (role("helper", &["user:view", "model:deploy"], &[]), "model:deploy"),
            (role("helper", &[], &["viewer", "deployer"]), "model:deploy"),
            (role("new", &["system:admin"], &[]), "system:admin"),
            (role("new", &[], &["admin"]), "system:admin"),
            (role("manager", &["system:admin"], &["viewer"]), "system:admin"),
            (role("deployer", &[], &[]), "model:deploy"),
            (role("developer", &[], &[]), "data:create"),
        ] {
            assert_eq!(missing(t.auth.put_role(by, beyond.clone()).await), lacks, "{beyond:?}");
        }
        assert_eq!(missing(t.auth.delete_role(by, &role_name("deployer")).await), "model:deploy");
    }
    let catalogue = t.auth.catalogue().await.unwrap();
    let helper = catalogue.catalogue.role(&role_name("helper")).unwrap();
    assert_eq!(helper.definition, role("helper", &["user:view"], &["viewer"]));
    assert!(catalogue.catalogue.role(&role_name("new")).is_none());
    t.auth.delete_role(&managers[0], &role_name("helper")).await.unwrap();
}

#[tokio::test]
async fn what_a_catalogue_does_not_take_is_refused_and_changes_nothing() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    put(&t, role("lead", &[], &["viewer"])).await;
    put(&t, role("chief", &[], &["lead"])).await;
    let before = t.auth.catalogue().await.unwrap();
    for (refused, why) in [
        (role("admin", &[], &[]), CatalogueError::BuiltIn),
        (role("new", &["no:such"], &[]), CatalogueError::UnknownPermission(permission("no:such"))),
        (role("new", &[], &["none"]), CatalogueError::UnknownInherited(role_name("none"))),
        (role("lead", &[], &["chief"]), CatalogueError::Cycle(role_name("chief"))),
        (role("lead", &[], &["lead"]), CatalogueError::Cycle(role_name("lead"))),
    ] {
        let answer = t.auth.put_role(&operator, refused.clone()).await;
        assert!(matches!(answer, Err(AdminError::Catalogue(error)) if error == why), "{refused:?}");
    }
    let delete = async |name: &str| t.auth.delete_role(&operator, &role_name(name)).await.unwrap_err();
    assert!(matches!(delete("none").await, AdminError::NotFound));
    assert!(matches!(delete("viewer").await, AdminError::Catalogue(CatalogueError::BuiltIn)));
    assert!(matches!(delete("lead").await, AdminError::Catalogue(CatalogueError::NamedByRole(_))));
    assert_eq!(t.auth.catalogue().await.unwrap(), before);
}

#[tokio::test]
async fn a_role_that_somebody_has_stays_until_nobody_has_it() {
    let t = TestAuth::new().await;
    let (operator, lead) = (Caller::operator(), role_name("lead"));
    put(&t, role("lead", &[], &[])).await;
    let ada = t.signed_in_as("ada@example.org", &["viewer", "lead"]).await.user.id;
    t.set_active(ada, false).await.unwrap();
    let held = t.auth.delete_role(&operator, &lead).await;
    assert!(matches!(held, Err(AdminError::RoleHeld)), "an inactive user may come back");
    t.set_roles(ada, &["viewer"]).await.unwrap();
    t.auth.delete_role(&operator, &lead).await.unwrap();
    let unknown = t.set_roles(ada, &["lead"]).await;
    assert!(matches!(unknown, Err(AdminError::UnknownRole(role)) if role == lead));
}

#[tokio::test]
async fn permissions_are_made_described_anew_and_deleted() {
    let t = TestAuth::new().await;
    let (operator, own) = (Caller::operator(), permission("report:send"));
    let describe = async |text: &str| {
        let text = Description::parse(text).unwrap();
        t.auth.put_permission(&operator, own.clone(), text).await.unwrap()
    };
    assert!(describe("Send reports.").await.1);
    let (described, is_new) = describe("Send monthly reports.").await;
    assert!(!is_new && !described.built_in);
    assert_eq!(described.description.as_str(), "Send monthly reports.");

    put(&t, role("reporter", &["report:send"], &[])).await;
    let reporter = t.signed_in_as("ada@example.org", &["reporter"]).await;
    assert!(permits(&t, &reporter, "report:send").await);
    let named = t.auth.delete_permission(&operator, &own).await;
    assert!(matches!(named, Err(AdminError::Catalogue(CatalogueError::NamedByRole(_)))));
    put(&t, role("reporter", &[], &[])).await;
    t.auth.delete_permission(&operator, &own).await.unwrap();
    assert!(!permits(&t, &reporter, "report:send").await);

    let again = t.auth.delete_permission(&operator, &own).await;
    assert!(matches!(again, Err(AdminError::NotFound)));
    let built_in = t.auth.delete_permission(&operator, &permission("user:view")).await;
    assert!(matches!(built_in, Err(AdminError::Catalogue(CatalogueError::BuiltIn))));
}
