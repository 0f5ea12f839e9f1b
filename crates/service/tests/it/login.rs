use maestro_auth_domain::{CatalogueRevision, NewUser, PasswordHash, TenantId, Timestamp, UserId};
use maestro_auth_service::LoginError;
use tokio::time::Instant;

use crate::support::{FLOOR, PASSWORD, TestAuth, display_name, email, permissions, roles, some_effects};

#[tokio::test]
async fn each_login_opens_a_session_of_its_own() {
    let t = TestAuth::new().await;
    t.signed_in("ada@example.org").await;
    let first = t.login("ada@example.org", PASSWORD).await.unwrap();
    let second = t.login("ADA@example.org", PASSWORD).await.unwrap();
    assert_ne!(first.access_token, second.access_token);
    assert!(t.is_accepted(&first.access_token).await && t.is_accepted(&second.access_token).await);
    assert!(second.user.last_login_at.is_some());
}

#[tokio::test]
async fn whoever_signs_in_is_told_what_its_roles_permit() {
    let t = TestAuth::new().await;
    let viewer = permissions(&["data:view", "experiment:view", "model:view"]);
    let ada = t.signed_in("ada@example.org").await;
    assert_eq!(ada.permissions, viewer);
    assert_eq!(t.refresh(&ada).await.unwrap().permissions, viewer);
    let admin = t.signed_in_as("root@example.org", &["admin", "viewer"]).await;
    assert!(admin.permissions.permit_all());
    assert_eq!(admin.permissions.len(), viewer.len() + 1);
}

#[tokio::test]
async fn sec_15_unknown_wrong_and_inactive_are_one_refusal() {
    let t = TestAuth::new().await;
    t.signed_in("ada@example.org").await;
    t.signed_in("ida@example.org").await;
    t.set_active(t.user_id("ida@example.org").await, false).await.unwrap();
    for (email, password) in [
        ("nobody@example.org", PASSWORD),
        ("ada@example.org", "wrong password"),
        ("ida@example.org", PASSWORD),
    ] {
        let refused = t.login(email, password).await;
        assert!(matches!(refused, Err(LoginError::InvalidCredentials)), "{email}");
    }
}

#[tokio::test(start_paused = true)]
async fn sec_17_a_failed_login_answers_no_earlier_than_the_floor() {
    let t = TestAuth::new().await;
    t.signed_in("ada@example.org").await;
    for (email, password) in [("nobody@example.org", PASSWORD), ("ada@example.org", "wrong password")] {
        let started = Instant::now();
        assert!(t.login(email, password).await.is_err());
        assert!(started.elapsed() >= FLOOR, "{email}");
    }
    let started = Instant::now();
    assert!(t.login("ada@example.org", PASSWORD).await.is_ok());
    assert!(started.elapsed() < FLOOR, "a login that succeeds waits for nothing");
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let t = TestAuth::new().await;
    let before = t.signed_in("ada@example.org").await;
    let user = before.user.id;
    t.auth.set_password(user, t.new_password("another battery horse")).await.unwrap();
    assert!(!t.is_accepted(&before.access_token).await);
    assert!(t.refresh(&before).await.is_err());
    assert!(t.login("ada@example.org", PASSWORD).await.is_err());
    assert!(t.login("ada@example.org", "another battery horse").await.is_ok());
}

#[tokio::test]
async fn sec_11_a_login_replaces_an_outdated_hash() {
    let t = TestAuth::new().await;
    let email = email("old@example.org");
    let imported = NewUser {
        id: UserId::generate(Timestamp::from_unix_seconds(0), [7; 10]),
        tenant: TenantId::DEFAULT,
        email: email.clone(),
        name: display_name("Old"),
        roles: roles(&["viewer"]),
        password_hash: PasswordHash::new(format!("old:{PASSWORD}")),
        created_at: Timestamp::from_unix_seconds(0),
    };
    t.stores.users.create(imported, CatalogueRevision::FIRST, some_effects()).await.unwrap();
    let first = t.login("old@example.org", PASSWORD).await.unwrap();
    let stored = t.stores.users.find_credentials(TenantId::DEFAULT, &email).await.unwrap().unwrap();
    assert_eq!(stored.password_hash.as_str(), format!("new:{PASSWORD}"));
    assert!(t.is_accepted(&first.access_token).await, "an upgrade is no password change");
    assert!(t.login("old@example.org", PASSWORD).await.is_ok());
}
