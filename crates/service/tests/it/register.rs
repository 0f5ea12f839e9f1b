use maestro_auth_domain::RoleName;
use maestro_auth_service::{AdminError, Caller, RegisterError, RegistrationMode, Revocations, SignedIn};

use crate::support::{TestAuth, permissions, policies, role, role_name};

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
    let again = t.register(t.register_form("ADA@example.ORG")).await;
    assert!(matches!(again, Err(RegisterError::EmailTaken)));
}

#[tokio::test]
async fn sec_82_nobody_registers_as_more_than_the_operator_lets_strangers_be() {
    let t = TestAuth::new().await;
    for (role, expected) in [("admin", "not one"), ("developer", "not one"), ("owner", "no such role")] {
        let mut form = t.register_form("ada@example.org");
        form.role = Some(RoleName::parse(role).unwrap());
        let refused = t.register(form).await.err().unwrap();
        assert!(refused.to_string().contains(expected), "{role}: {refused}");
    }
    let mut form = t.register_form("ada@example.org");
    form.role = Some(RoleName::viewer());
    assert!(t.register(form).await.is_ok());
}

#[tokio::test]
async fn a_closed_registration_takes_nobody() {
    let t = TestAuth::with(policies(RegistrationMode::Closed)).await;
    let refused = t.register(t.register_form("ada@example.org")).await;
    assert!(matches!(refused, Err(RegisterError::Closed)));
}

/// Somebody registers and asks for the role `guest`, which this server gives to whoever asks for it.
async fn register_as_guest(t: &TestAuth, address: &str) -> Result<SignedIn, RegisterError> {
    let mut form = t.register_form(address);
    form.role = Some(role_name("guest"));
    t.register(form).await
}

#[tokio::test]
async fn sec_83_a_role_that_permits_everything_is_nobodys_to_take_whatever_the_settings_say() {
    let mut lax = policies(RegistrationMode::Open);
    lax.registration.self_assignable_roles = ["admin", "guest"].map(role_name).to_vec();
    let t = TestAuth::with(lax).await;
    let mut form = t.register_form("eve@example.org");
    form.role = Some(RoleName::admin());
    assert!(matches!(t.register(form).await, Err(RegisterError::RoleNotAssignable)));

    assert!(matches!(register_as_guest(&t, "eve@example.org").await, Err(RegisterError::UnknownRole)));
    // Of an instance with other settings, which has no objection.
    let (elsewhere, operator) = (t.another_instance().await, Caller::operator());
    for (number, (guest, is_given)) in [
        (role("guest", &["data:view"], &[]), true),
        (role("guest", &["system:admin"], &[]), false),
        (role("guest", &[], &["admin"]), false),
        (role("guest", &[], &["viewer"]), true),
    ]
    .into_iter()
    .enumerate()
    {
        elsewhere.auth.put_role(&operator, guest.clone()).await.unwrap();
        t.catch_up().await;
        let registered = register_as_guest(&t, &format!("eve{number}@example.org")).await;
        match registered {
            Ok(_) => assert!(is_given, "{guest:?} was given"),
            Err(RegisterError::RoleNotAssignable) => assert!(!is_given, "{guest:?} was refused"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn sec_83_a_role_that_strangers_may_ask_for_stays_harmless() {
    let mut settings = policies(RegistrationMode::Open);
    settings.registration.self_assignable_roles = vec![role_name("guest")];
    let (t, operator) = (TestAuth::with(settings).await, Caller::operator());
    t.auth.put_role(&operator, role("base", &["data:view"], &[])).await.unwrap();
    t.auth.put_role(&operator, role("guest", &[], &["base"])).await.unwrap();
    for refused in [
        t.auth.put_role(&operator, role("guest", &["system:admin"], &[])).await.err(),
        t.auth.put_role(&operator, role("base", &[], &["admin"])).await.err(),
        t.auth.delete_role(&operator, &role_name("guest")).await.err(),
    ] {
        assert!(matches!(refused, Some(AdminError::RoleAssignable(_))), "{refused:?}");
    }
    assert_eq!(t.auth.first_unassignable_role().await.unwrap(), None);
    // Who leaves the role out asks for `viewer`, which these settings do not let strangers ask for.
    let plain = t.register(t.register_form("ada@example.org")).await;
    assert!(matches!(plain, Err(RegisterError::RoleNotAssignable)));
}

/// A role becomes powerful on one instance while the other lets people register by what it has in memory.
#[tokio::test]
async fn sec_83_a_registration_by_former_roles_is_judged_anew() {
    let mut lax = policies(RegistrationMode::Open);
    lax.registration.self_assignable_roles = vec![role_name("guest")];
    let here = TestAuth::with(lax).await;
    let there = here.another_instance().await;
    let operator = Caller::operator();
    there.auth.put_role(&operator, role("guest", &["data:view"], &[])).await.unwrap();
    here.catch_up().await;
    assert!(register_as_guest(&here, "ada@example.org").await.is_ok());

    there.auth.put_role(&operator, role("guest", &["system:admin"], &[])).await.unwrap();
    let refused = register_as_guest(&here, "eve@example.org").await;
    assert!(matches!(refused, Err(RegisterError::RoleNotAssignable)), "before it has heard of the change");

    there.auth.put_role(&operator, role("guest", &["model:view"], &[])).await.unwrap();
    here.clock.advance(Revocations::MAX_LAG * 2);
    let ida = register_as_guest(&here, "ida@example.org").await.unwrap();
    assert_eq!(ida.permissions, permissions(&["model:view"]));
}
