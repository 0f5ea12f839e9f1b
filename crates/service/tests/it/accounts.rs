use maestro_auth_domain::{DisplayName, Email, Password, RoleName, Roles};
use maestro_auth_service::{AccountError, FirstAdmin, NewAccount};

use crate::support::{PASSWORD, TestAuth};

fn account(t: &TestAuth, email: &str, role: &str) -> NewAccount {
    NewAccount {
        email: Email::parse(email).unwrap(),
        name: DisplayName::parse("Ada").unwrap(),
        password: t.new_password(PASSWORD),
        roles: Roles::single(RoleName::parse(role).unwrap()),
    }
}

#[tokio::test]
async fn an_operator_makes_accounts_of_any_role_that_exists() {
    let t = TestAuth::new().await;
    let user = t.auth.create_account(account(&t, "ada@example.org", "developer")).await.unwrap();
    assert_eq!(user.roles.primary().as_str(), "developer");
    assert!(t.login("ada@example.org", PASSWORD).await.is_ok());
    let again = t.auth.create_account(account(&t, "ADA@example.org", "viewer")).await;
    assert!(matches!(again, Err(AccountError::EmailTaken)));
    let unknown = t.auth.create_account(account(&t, "ida@example.org", "owner")).await;
    assert!(matches!(unknown, Err(AccountError::UnknownRole)));
    assert_eq!(
        t.auth.list_accounts(None, 10).await.unwrap(),
        [t.login("ada@example.org", PASSWORD).await.unwrap().user]
    );
}

#[tokio::test]
async fn the_first_admin_is_made_once_and_nobody_is_promoted() {
    let t = TestAuth::new().await;
    t.signed_in("ada@example.org").await;
    let first = |email| account(&t, email, "admin");
    assert_eq!(t.auth.ensure_first_admin(first("ada@example.org")).await.unwrap(), FirstAdmin::EmailTaken);
    assert_eq!(t.auth.ensure_first_admin(first("root@example.org")).await.unwrap(), FirstAdmin::Created);
    assert_eq!(t.auth.ensure_first_admin(first("root@example.org")).await.unwrap(), FirstAdmin::AdminExists);
    assert_eq!(t.auth.ensure_first_admin(first("eve@example.org")).await.unwrap(), FirstAdmin::AdminExists);
    let root = Email::parse("root@example.org").unwrap();
    assert!(t.auth.is_admin_password(&root, Password::parse(PASSWORD).unwrap()).await.unwrap());
    assert!(!t.auth.is_admin_password(&root, Password::parse("admin123").unwrap()).await.unwrap());
    let ada = Email::parse("ada@example.org").unwrap(); // has the same password, but is no admin
    assert!(!t.auth.is_admin_password(&ada, Password::parse(PASSWORD).unwrap()).await.unwrap());
}

#[tokio::test]
async fn the_last_active_admin_stays() {
    let t = TestAuth::new().await;
    let admin = t.auth.create_account(account(&t, "root@example.org", "admin")).await.unwrap();
    assert!(matches!(t.auth.set_active(admin.id, false).await, Err(AccountError::LastAdmin)));
    t.auth.create_account(account(&t, "ada@example.org", "admin")).await.unwrap();
    assert!(!t.auth.set_active(admin.id, false).await.unwrap().is_active);
}
