use maestro_auth_domain::{Action, AuditEntry, Origin, Outcome, Subject, UserChange};
use maestro_auth_service::{AuthorizeError, Caller};

use super::{limited_managers, missing, told};
use crate::support::{TestAuth, display_name, permission, permissions, role, roles};

fn office() -> Origin {
    Origin::new("192.0.2.7".parse().ok(), Some("a browser"), Some("request-1"))
}

/// What the trail tells of an action, once everything that was told is written.
async fn told_by_now(t: &TestAuth, action: Action) -> Vec<AuditEntry> {
    t.auth.flush_audit().await.unwrap();
    told(t, action).await
}

#[tokio::test]
async fn whoever_is_denied_a_route_is_told_of() {
    let t = TestAuth::new().await;
    let ada = t.signed_in("ada@example.org").await;
    let denied = t.auth.admit_user(&ada.access_token, Some(permission("user:view")), office()).await;
    assert!(matches!(denied, Err(AuthorizeError::PermissionMissing(it)) if it.as_str() == "user:view"));

    let told = told_by_now(&t, Action::AccessDenied).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].outcome, Outcome::Denied);
    assert_eq!(told[0].actor.user(), Some(ada.user.id));
    assert_eq!(told[0].origin, office());
    assert_eq!(told[0].details, [("permission".to_owned(), "user:view".to_owned())]);

    let admitted = t.auth.admit_user(&ada.access_token, Some(permission("model:view")), office()).await;
    assert!(admitted.is_ok());
    assert_eq!(told_by_now(&t, Action::AccessDenied).await.len(), 1, "who is let through is no news");
}

#[tokio::test]
async fn sec_88_whoever_orders_more_than_they_may_is_told_of() {
    let t = TestAuth::new().await;
    let ada = t.signed_in("ada@example.org").await.user.id;
    let admin = t.signed_in_as("root@example.org", &["admin"]).await.user.id;
    for by in limited_managers(&t).await {
        let more = UserChange { roles: Some(roles(&["admin"])), ..UserChange::default() };
        assert_eq!(missing(t.auth.update_user(&by, ada, more).await), "system:admin");
        assert_eq!(missing(t.auth.delete_user(&by, admin).await), "system:admin");
        assert_eq!(missing(t.auth.end_sessions_of(&by, admin).await), "system:admin");
        let all = permissions(&["system:admin"]);
        assert_eq!(missing(t.auth.create_service(&by, display_name("a"), all).await), "system:admin");
        assert_eq!(missing(t.auth.put_role(&by, role("a", &[], &["admin"])).await), "system:admin");

        let told = told_by_now(&t, Action::AccessDenied).await;
        assert!(told.iter().any(|entry| entry.actor == by.actor()), "{:?} is told of", by.actor());
    }
}

#[tokio::test]
async fn whoever_shows_wrong_credentials_of_a_service_is_told_of() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    let (gateway, secret) =
        t.auth.create_service(&operator, display_name("gateway"), permissions(&[])).await.unwrap();
    let id = gateway.id.to_string();
    assert!(t.auth.admit_service(&id, "guessed", None, office()).await.is_err());
    let refused = told_by_now(&t, Action::ServiceRefused).await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].subject, Some(Subject::Service(gateway.id)));
    assert_eq!((refused[0].outcome, &refused[0].origin), (Outcome::Failure, &office()));
    assert!(!format!("{refused:?}").contains("guessed"), "no secret is ever told, not even a wrong one");

    assert!(t.auth.admit_service(&id, &secret, None, office()).await.is_ok());
    assert_eq!(told_by_now(&t, Action::ServiceRefused).await.len(), 1);
}
