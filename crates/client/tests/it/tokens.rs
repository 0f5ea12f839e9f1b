use serde_json::{Value, json};

use crate::support::{CLIENT_ID, Claims, FakeServer, PATIENCE, Scene, Signer, id, settings, verdict};
use maestro_auth_client::MaestroAuth;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn a_good_token_says_who_makes_the_request_and_what_they_may_do() {
    let scene = Scene::new().await;
    let claims = Claims::of(&["viewer", "nobody-knows"]).with("email", "ada@example.com").with("later", 1);

    let identity = scene.auth.verify(&scene.token(claims)).await.unwrap();

    assert_eq!(identity.user_id().to_string(), id(1));
    assert_eq!(identity.session_id().to_string(), id(2));
    assert_eq!(identity.token_id().to_string(), id(3));
    assert_eq!(identity.roles(), ["viewer", "nobody-knows"]);
    assert_eq!(identity.email(), Some("ada@example.com"));
    assert!(identity.has_role("viewer") && !identity.has_role("admin"));
    assert!(identity.has_permission("model:view") && !identity.has_permission("model:deploy"));
    assert!(!format!("{identity:?}").contains("ada@"), "an address is in a debug line");
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_accepted_again_and_again() {
    let signers = [Signer::es256("es"), Signer::eddsa("ed"), Signer::rs256("rs")];
    let server = FakeServer::start(&signers.each_ref());
    let auth = settings(&server.url).start().unwrap();
    timeout(PATIENCE, auth.ready()).await.unwrap();
    for signer in &signers {
        let token = signer.token(&Claims::of(&["viewer"]));
        assert_eq!(verdict(&auth, &token).await, "accepted", "{}", signer.kid);
        assert_eq!(verdict(&auth, &token).await, "accepted", "{}", signer.kid);
    }
    assert_eq!(server.facts(|facts| facts.key_fetches), 1);
}

#[tokio::test]
async fn a_token_with_a_wrong_missing_or_mistyped_claim_is_refused() {
    let scene = Scene::new().await;
    let good = || Claims::of(&["viewer"]);
    let future = jsonwebtoken::get_current_timestamp() + 45;
    let past = jsonwebtoken::get_current_timestamp() - 45;

    for claim in ["iss", "aud", "sub", "exp", "iat", "jti", "sid", "gen", "roles", "token_type"] {
        let is_text = good().0[claim].is_string();
        let wrong = [
            json!(null),
            json!([]),
            json!({}),
            json!(true),
            json!(1.5),
            if is_text { json!(7) } else { json!("7") },
        ];
        for value in wrong.into_iter().filter(|value| claim != "roles" || *value != json!([])) {
            let token = scene.token(good().with(claim, value.clone()));
            assert_eq!(scene.verdict(&token).await, "invalid_token", "{claim}: {value}");
        }
        assert_eq!(scene.verdict(&scene.token(good().without(claim))).await, "invalid_token", "no {claim}");
    }
    for (claim, value, verdict) in [
        ("iss", json!("maestro-auth2"), "invalid_token"),
        ("aud", json!("maestro"), "invalid_token"),
        ("aud", json!(["maestro-auth"]), "invalid_token"),
        ("sub", json!("ada"), "invalid_token"),
        ("jti", json!(id(3).replace('-', "")), "invalid_token"),
        ("roles", json!(["viewer", 5]), "invalid_token"),
        ("token_type", json!("refresh"), "invalid_token"),
        ("email", json!(null), "invalid_token"),
        ("nbf", json!([]), "invalid_token"),
        ("nbf", json!(null), "invalid_token"),
        ("nbf", json!(future), "invalid_token"),
        ("nbf", json!(past), "accepted"),
        ("iat", json!(future), "invalid_token"),
        ("exp", json!(past), "token_expired"),
        ("exp", json!(-1), "token_expired"),
        ("exp", json!(past + 20), "accepted"), // 25 s ago: within the leeway
    ] {
        let token = scene.token(good().with(claim, value.clone()));
        assert_eq!(scene.verdict(&token).await, verdict, "{claim}: {value}");
    }
}

#[tokio::test]
async fn a_token_that_is_spelt_or_signed_otherwise_is_refused() {
    let scene = Scene::new().await;
    let good = Claims::of(&["viewer"]);
    let header = json!({"typ": "at+jwt", "alg": "ES256", "kid": "key-1"});
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        scene.signer.token_with_header(&header, &good)
    };
    let token = scene.token(good.clone());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (head, payload) = input.split_once('.').unwrap();
    let another = Signer::es256("key-1");

    for (what, bad) in [
        ("typ", with("typ", json!("rt+jwt"))),
        ("typ", with("typ", json!("JWT"))),
        ("alg none", with("alg", json!("none"))),
        ("another alg", with("alg", json!("HS256"))),
        ("another alg", with("alg", json!("EdDSA"))),
        ("crit", with("crit", json!(["exp"]))),
        ("jku", with("jku", json!("http://127.0.0.1/"))),
        ("jwk", with("jwk", scene.signer.jwk())),
        ("x5u", with("x5u", json!("http://127.0.0.1/"))),
        ("x5c", with("x5c", json!([]))),
        ("another key", another.token(&good)),
        ("no signature", format!("{input}.")),
        ("two segments", input.to_owned()),
        ("another payload", format!("{head}.{}.{signature}", payload.replacen('i', "j", 1))),
        ("a padded end", format!("{token}=")),
        ("white space", format!("{token} ")),
        ("too long", scene.token(good.clone().with("pad", "x".repeat(8_000)))),
        (
            "two of a claim",
            scene.signer.sign(&header.to_string(), &good.0.to_string().replacen('{', r#"{"gen":9,"#, 1)),
        ),
        ("nothing", String::new()),
    ] {
        assert_eq!(scene.verdict(&bad).await, "invalid_token", "{what}");
    }
    assert_eq!(scene.verdict(&token).await, "accepted");
}

#[tokio::test]
async fn settings_that_can_not_work_do_not_start() {
    let start = |url: &str| settings(url).start().map(drop).map_err(|error| error.to_string());
    for url in ["", "auth.example.com", "ftp://a", "http://a:b@c", "http://a/?b", "http://a/#b", "file:///a"]
    {
        assert!(start(url).unwrap_err().contains("URL"), "{url}");
    }
    let settings = || settings("http://127.0.0.1:9");
    assert!(settings().leeway(Duration::from_secs(61)).start().unwrap_err().to_string().contains("leeway"));
    assert!(settings().max_staleness(Duration::ZERO).start().is_err());
    assert!(settings().service(CLIENT_ID, "").start().is_err());
    assert!(MaestroAuth::builder("http://127.0.0.1:9").start().is_err());
    assert!(!format!("{:?}", settings()).contains("secret-of"), "the client secret is in a debug line");
}

#[test]
fn nothing_starts_outside_of_a_runtime() {
    assert!(settings("http://127.0.0.1:9").start().unwrap_err().to_string().contains("runtime"));
}
