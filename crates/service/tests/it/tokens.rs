//! Which tokens are believed. Each forgery is signed by the server's own key, so that nothing but its claims is wrong.

use base64ct::{Base64UrlUnpadded, Encoding};
use maestro_auth_domain::{KeyId, Origin};
use maestro_auth_ports::TokenType;
use maestro_auth_service::{AuthenticateError, RefreshError, SignedIn};
use serde_json::{Value, json};

use crate::support::TestAuth;

/// The claims of a token, read without checking anything.
pub(crate) fn claims(token: &str) -> Value {
    segment(token, 1)
}

/// The key that signed a token, by its header.
pub(crate) fn key_of(token: &str) -> KeyId {
    KeyId::parse(segment(token, 0)["kid"].as_str().unwrap()).unwrap()
}

fn segment(token: &str, number: usize) -> Value {
    let segment = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(segment).unwrap()).unwrap()
}

async fn refusal(t: &TestAuth, claims: &str) -> Option<AuthenticateError> {
    let token = t.signer.sign(TokenType::Access, claims.as_bytes()).unwrap();
    t.auth.authenticate(&token.token).await.err()
}

/// The claims of `signed_in`'s access token with `name` replaced.
fn with(signed_in: &SignedIn, name: &str, value: Value) -> String {
    let mut claims = claims(&signed_in.access_token);
    claims[name] = value;
    claims.to_string()
}

#[tokio::test]
async fn an_access_token_says_what_the_contract_lists() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    let access = claims(&signed_in.access_token);
    let names: Vec<_> = access.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "exp", "gen", "iat", "iss", "jti", "roles", "sid", "sub", "token_type"]);
    assert_eq!(access["sub"], signed_in.user.id.to_string());
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 900);
    let refresh = claims(&signed_in.refresh_token);
    let names: Vec<_> = refresh.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["ctr", "exp", "iat", "iss", "sid", "sub", "token_type"]);
}

#[tokio::test]
async fn sec_39_every_claim_is_required() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    let complete = claims(&signed_in.access_token);
    assert!(refusal(&t, &complete.to_string()).await.is_none(), "the untouched claims are good");
    for name in complete.as_object().unwrap().keys() {
        let mut lacking = complete.clone();
        lacking.as_object_mut().unwrap().remove(name);
        let refusal = refusal(&t, &lacking.to_string()).await;
        assert!(matches!(refusal, Some(AuthenticateError::Invalid)), "{name} is missing: {refusal:?}");
    }
}

#[tokio::test]
async fn sec_40_a_claim_of_the_wrong_type_is_a_failure() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(1e300)),
        ("exp", json!(1_900_000_000.5)),
        ("exp", Value::Null),
        ("iat", json!([])),
        ("aud", json!(5)),
        ("aud", json!(["maestro-auth"])),
        ("sub", json!("not-an-id")),
        ("sid", json!({})),
        ("jti", json!("")),
        ("gen", json!("1")),
        ("roles", json!("viewer")),
        ("token_type", json!("refresh")),
        ("nbf", json!([])),
        ("admin", json!(true)),
    ] {
        let refusal = refusal(&t, &with(&signed_in, name, value.clone())).await;
        assert!(matches!(refusal, Some(AuthenticateError::Invalid)), "{name}: {value}: {refusal:?}");
    }
    let doubled = with(&signed_in, "gen", json!(1)).replace("\"gen\":1", "\"gen\":1,\"gen\":1");
    assert!(refusal(&t, &doubled).await.is_some());
}

#[tokio::test]
async fn sec_41_times_hold_within_the_leeway() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    let now = claims(&signed_in.access_token)["iat"].as_i64().unwrap();
    assert!(refusal(&t, &with(&signed_in, "exp", json!(now - 29))).await.is_none());
    assert!(matches!(
        refusal(&t, &with(&signed_in, "exp", json!(now - 30))).await,
        Some(AuthenticateError::Expired)
    ));
    assert!(matches!(
        refusal(&t, &with(&signed_in, "exp", json!(-1))).await,
        Some(AuthenticateError::Expired)
    ));
    assert!(refusal(&t, &with(&signed_in, "iat", json!(now + 30))).await.is_none());
    assert!(matches!(
        refusal(&t, &with(&signed_in, "iat", json!(now + 31))).await,
        Some(AuthenticateError::Invalid)
    ));
}

#[tokio::test]
async fn sec_43_issuer_and_audience_match_exactly() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    for (name, value) in [("iss", "https://auth.example.com/"), ("iss", ""), ("aud", "Maestro-Auth")] {
        let refusal = refusal(&t, &with(&signed_in, name, json!(value))).await;
        assert!(matches!(refusal, Some(AuthenticateError::Invalid)), "{name}: {value}");
    }
}

#[tokio::test]
async fn sec_42_one_kind_is_never_taken_for_the_other() {
    let t = TestAuth::new().await;
    let signed_in = t.signed_in("ada@example.org").await;
    assert!(matches!(t.auth.authenticate(&signed_in.refresh_token).await, Err(AuthenticateError::Invalid)));
    let disguised = claims(&signed_in.access_token).to_string();
    let disguised = t.signer.sign(TokenType::Refresh, disguised.as_bytes()).unwrap().token;
    for access_token in [&signed_in.access_token, &disguised] {
        let refused = t.auth.refresh(access_token, &Origin::default()).await;
        assert!(matches!(refused, Err(RefreshError::Invalid)));
    }
}

#[tokio::test]
async fn a_token_of_another_user_or_generation_is_refused() {
    let t = TestAuth::new().await;
    let ada = t.signed_in("ada@example.org").await;
    let ida = t.signed_in("ida@example.org").await;
    let stolen = with(&ada, "sub", json!(ida.user.id.to_string()));
    assert!(refusal(&t, &stolen).await.is_some(), "the session is another user's");
    for generation in [0, 2] {
        let refusal = refusal(&t, &with(&ada, "gen", json!(generation))).await;
        assert!(matches!(refusal, Some(AuthenticateError::Revoked)), "generation {generation}");
    }
}
