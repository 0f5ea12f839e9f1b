use maestro_auth_domain::RoleName;
use maestro_auth_service::{RegisterError, RegistrationMode};

use crate::support::TestAuth;

#[tokio::test]
async fn a_registered_user_is_a_viewer_and_signed_in() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("Ada@Example.org").await;
    assert_eq!(signed_in.user.roles.primary(), &RoleName::viewer());
    assert_eq!(signed_in.expires_in, t.policy.access_ttl);
    assert_eq!(*t.auth.authenticate(&signed_in.access_token).await.unwrap(), signed_in.user);
}

#[tokio::test]
async fn an_address_is_taken_in_any_spelling() {
    let t = TestAuth::new().await;
    t.signed_in("ada@example.org").await;
    let again = t.auth.register(t.register_form("ADA@example.ORG")).await;
    assert!(matches!(again, Err(RegisterError::EmailTaken)));
}

#[tokio::test]
async fn sec_82_nobody_registers_as_more_than_the_operator_lets_strangers_be() {
    let t = TestAuth::new().await;
    for (role, expected) in [("admin", "not one"), ("developer", "not one"), ("owner", "no such role")] {
        let mut form = t.register_form("ada@example.org");
        form.role = Some(RoleName::parse(role).unwrap());
        let refused = t.auth.register(form).await.err().unwrap();
        assert!(refused.to_string().contains(expected), "{role}: {refused}");
    }
    let mut form = t.register_form("ada@example.org");
    form.role = Some(RoleName::viewer());
    assert!(t.auth.register(form).await.is_ok());
}

#[tokio::test]
async fn a_closed_registration_takes_nobody() {
    let t = TestAuth::with_registration(RegistrationMode::Closed).await;
    let refused = t.auth.register(t.register_form("ada@example.org")).await;
    assert!(matches!(refused, Err(RegisterError::Closed)));
}
