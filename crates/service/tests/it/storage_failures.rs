use maestro_auth_service::{
    AuthenticateError, LoginError, LogoutError, LogoutScope, RefreshError, RegisterError,
};

use crate::support::{PASSWORD, TestAuth};

#[tokio::test]
async fn no_use_case_succeeds_without_its_storage_and_all_do_again_with_it() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;

    t.storage.turn_off();
    assert!(matches!(t.register(t.register_form("ida@example.org")).await, Err(RegisterError::Store(_))));
    assert!(matches!(t.login("ada@example.org", PASSWORD).await, Err(LoginError::Store(_))));
    assert!(matches!(t.auth.authenticate(&signed_in.access_token).await, Err(AuthenticateError::Store(_))));
    assert!(matches!(t.refresh(&signed_in).await, Err(RefreshError::Store(_))));
    for scope in [LogoutScope::ThisSession, LogoutScope::Everywhere] {
        assert!(matches!(t.logout(&signed_in, scope).await, Err(LogoutError::Store(_))));
    }
    assert!(t.auth.check_storage().await.is_err());

    t.storage.turn_on();
    assert!(t.is_accepted(&signed_in.access_token).await);
    assert!(t.refresh(&signed_in).await.is_ok());
    assert!(t.auth.check_storage().await.is_ok());
}
