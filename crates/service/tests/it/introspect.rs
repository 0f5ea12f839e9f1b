//! What registered services are told of tokens (RFC 7662, SEC-59).

use std::time::Duration;

use maestro_auth_domain::{Origin, TokenId};
use maestro_auth_ports::{StoreResult, TokenType};
use maestro_auth_service::{
    ActiveToken, Caller, Introspection, LogoutScope, RegistrationMode, SignedIn, TokenKind,
};
use serde_json::json;

use crate::support::{TestAuth, display_name, permissions, policies, role};
use crate::tokens::{claims, key_of};

const EMAIL: &str = "ada@example.com";

/// A registered service that acts.
pub(crate) async fn service(t: &TestAuth, name: &str) -> Caller {
    let made = t.auth.create_service(&Caller::operator(), display_name(name), permissions(&[])).await;
    let (service, secret) = made.unwrap();
    t.auth.admit_service(&service.id.to_string(), &secret, None, Origin::default()).await.unwrap()
}

async fn active(t: &TestAuth, by: &Caller, token: &str) -> Option<ActiveToken> {
    match t.auth.introspect(by, token).await.unwrap() {
        Introspection::Active(token) => Some(*token),
        Introspection::Inactive => None,
    }
}

#[tokio::test]
async fn a_good_token_says_whose_it_is_and_what_it_opens() {
    let t = TestAuth::new().await;
    let operator = Caller::operator();
    t.auth.put_role(&operator, role("printer", &["data:create"], &["viewer"])).await.unwrap();
    let ada = t.signed_in_as(EMAIL, &["printer", "ml_engineer"]).await;
    let by = service(&t, "reports").await;
    for is_warm in [false, true] {
        if is_warm {
            t.catch_up().await;
        }
        let access = active(&t, &by, &ada.access_token).await.unwrap();
        let said = claims(&ada.access_token);
        assert_eq!(access.user, ada.user.id);
        assert_eq!(access.session.to_string(), said["sid"]);
        assert_eq!(access.issuer, "https://auth.example.com");
        assert_eq!(access.issued_at.unix_seconds(), said["iat"].as_i64().unwrap());
        assert_eq!(access.expires_at.unix_seconds(), said["exp"].as_i64().unwrap());
        assert_eq!(access.roles, ada.user.roles);
        assert_eq!(access.permissions, ada.permissions);
        let id: TokenId = said["jti"].as_str().unwrap().parse().unwrap();
        assert_eq!(access.kind, TokenKind::Access { id, audience: "maestro-auth".to_owned() });

        let refresh = active(&t, &by, &ada.refresh_token).await.unwrap();
        assert_eq!(refresh.kind, TokenKind::Refresh);
        assert_eq!((refresh.user, refresh.session), (access.user, access.session));
        assert_eq!(refresh.permissions, ada.permissions);
        assert_eq!(refresh.expires_at.unix_seconds(), claims(&ada.refresh_token)["exp"].as_i64().unwrap());
    }
}

#[tokio::test]
async fn what_the_roles_permit_is_told_as_it_is_now() {
    let (here, there) = TestAuth::two_instances().await;
    let operator = Caller::operator();
    here.auth.put_role(&operator, role("printer", &["data:view"], &[])).await.unwrap();
    let ada = here.signed_in_as(EMAIL, &["printer"]).await;
    let by = service(&here, "reports").await;
    there.catch_up().await;
    assert!(active(&there, &by, &ada.access_token).await.is_some());

    here.auth.put_role(&operator, role("printer", &["data:create"], &[])).await.unwrap();
    there.catch_up().await;
    for t in [&here, &there] {
        let access = active(t, &by, &ada.access_token).await.unwrap();
        assert_eq!(access.permissions, permissions(&["data:create"]));
    }
}

/// What can end a token, one way a name.
async fn end(t: &TestAuth, ada: &SignedIn, cause: &str) {
    let operator = Caller::operator();
    match cause {
        "a logout" => t.logout(ada, LogoutScope::ThisSession).await.unwrap(),
        "a logout everywhere" => t.logout(ada, LogoutScope::Everywhere).await.unwrap(),
        "an administrator" => t.auth.end_sessions_of(&operator, ada.user.id).await.unwrap(),
        "a deactivation" => drop(t.set_active(ada.user.id, false).await.unwrap()),
        "a deletion" => t.auth.delete_user(&operator, ada.user.id).await.unwrap(),
        "the revocation of its key" => {
            t.auth.revoke_key(&operator, key_of(&ada.access_token)).await.unwrap();
        }
        "a reuse" => {
            t.refresh(ada).await.unwrap();
            t.clock.advance(Duration::from_secs(11));
            assert!(t.refresh(ada).await.is_err());
        }
        "the end of its session" => {
            t.clock.advance(Duration::from_hours(31 * 24));
        }
        other => panic!("{other} ends nothing"),
    }
}

#[tokio::test]
async fn sec_59_what_has_ended_is_inactive_on_every_instance() {
    for cause in [
        "a logout",
        "a logout everywhere",
        "an administrator",
        "a deactivation",
        "a deletion",
        "the revocation of its key",
        "a reuse",
        "the end of its session",
    ] {
        let (here, there) = TestAuth::two_instances().await;
        let ada = here.signed_in(EMAIL).await;
        let by = service(&here, "reports").await;
        there.catch_up().await;
        for token in [&ada.access_token, &ada.refresh_token] {
            assert!(active(&there, &by, token).await.is_some(), "{cause}");
        }

        end(&here, &ada, cause).await;
        for token in [&ada.access_token, &ada.refresh_token] {
            assert!(active(&here, &by, token).await.is_none(), "{cause}: where it was done");
        }
        assert!(active(&there, &by, &ada.refresh_token).await.is_none(), "{cause}: the store tells at once");
        there.catch_up().await;
        assert!(active(&there, &by, &ada.access_token).await.is_none(), "{cause}: on another instance");
    }
}

#[tokio::test]
async fn sec_59_a_change_of_the_user_outdates_access_tokens_alone() {
    let t = TestAuth::new().await;
    let ada = t.signed_in(EMAIL).await;
    let by = service(&t, "reports").await;
    t.set_roles(ada.user.id, &["developer"]).await.unwrap();
    assert!(active(&t, &by, &ada.access_token).await.is_none());
    let refresh = active(&t, &by, &ada.refresh_token).await.unwrap();
    assert_eq!(refresh.roles.primary().as_str(), "developer", "it would buy a token with these");
}

#[tokio::test]
async fn sec_59_junk_and_what_others_have_signed_is_inactive() {
    let t = TestAuth::new().await;
    let foreign = TestAuth::with(policies(RegistrationMode::Open)).await.signed_in(EMAIL).await;
    let ada = t.signed_in(EMAIL).await;
    let by = service(&t, "reports").await;
    let with = |kind: TokenType, token: &str, name: &str, value: serde_json::Value| {
        let mut claims = claims(token);
        claims[name] = value;
        t.signer.sign(kind, claims.to_string().as_bytes()).unwrap().token
    };
    let (access, refresh) = (&ada.access_token, &ada.refresh_token);
    for junk in [
        String::new(),
        "a.b.c".to_owned(),
        format!("{access}x"),
        format!("{access} "),
        access.rsplit_once('.').unwrap().0.to_owned(),
        foreign.access_token.clone(),
        foreign.refresh_token.clone(),
        with(TokenType::Access, access, "iss", json!("https://other.example.com")),
        with(TokenType::Access, access, "aud", json!("other")),
        with(TokenType::Access, access, "sub", json!("0190a000-0000-7000-8000-000000000000")),
        with(TokenType::Access, access, "sid", json!("0190a000-0000-7000-8000-000000000000")),
        with(TokenType::Access, access, "gen", json!(0)),
        with(TokenType::Access, access, "exp", json!(1)),
        with(TokenType::Refresh, access, "iss", json!("https://auth.example.com")),
        with(TokenType::Access, refresh, "iss", json!("https://auth.example.com")),
        with(TokenType::Refresh, refresh, "sub", json!("0190a000-0000-7000-8000-000000000000")),
        with(TokenType::Refresh, refresh, "ctr", json!(2)),
        with(TokenType::Refresh, refresh, "exp", json!(1)),
    ] {
        assert!(active(&t, &by, &junk).await.is_none(), "{junk:.200}");
    }
    assert!(active(&t, &by, access).await.is_some());
    assert!(active(&t, &by, refresh).await.is_some(), "asking about a forged one ends no session");
}

#[tokio::test]
async fn a_spent_refresh_token_is_inactive_and_asking_spends_none() {
    let t = TestAuth::new().await;
    let ada = t.signed_in(EMAIL).await;
    let by = service(&t, "reports").await;
    let next = t.refresh(&ada).await.unwrap();
    for _ in 0..3 {
        assert!(active(&t, &by, &ada.refresh_token).await.is_none(), "only one is live");
        assert!(active(&t, &by, &next.refresh_token).await.is_some());
        t.clock.advance(Duration::from_secs(20));
    }
    assert!(t.refresh(&next).await.is_ok(), "the session goes on");
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let t = TestAuth::new().await;
    let ada = t.signed_in(EMAIL).await;
    let by = service(&t, "reports").await;
    t.clock.advance(t.policy.access_ttl + t.policy.leeway);
    assert!(active(&t, &by, &ada.access_token).await.is_none());
    assert!(active(&t, &by, &ada.refresh_token).await.is_some());
    t.clock.advance(t.policy.refresh.idle_ttl);
    assert!(active(&t, &by, &ada.refresh_token).await.is_none());
}

#[tokio::test]
async fn without_the_store_nothing_is_said_that_might_be_wrong() {
    let t = TestAuth::new().await;
    let ada = t.signed_in(EMAIL).await;
    let by = service(&t, "reports").await;
    let asked = async |token: &str| -> StoreResult<Introspection> { t.auth.introspect(&by, token).await };
    t.storage.turn_off();
    for token in [&ada.access_token, &ada.refresh_token] {
        assert!(asked(token).await.is_err(), "it never guesses");
    }
    assert!(matches!(asked("junk").await, Ok(Introspection::Inactive)), "which needs no store");
}
