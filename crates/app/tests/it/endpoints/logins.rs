//! Login: the good one, and the ones that must all look the same.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use super::accounts::assert_is_token_response;
use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage, claims, set_active};

super::on_every_storage!(
    a_login_opens_a_session_of_its_own,
    sec_15_an_unknown_address_and_a_wrong_password_look_the_same,
    sec_22_nothing_that_was_planted_before_a_login_survives_it,
    bcrypt_hashes_by_setting_and_refuses_what_it_would_cut,
);

mod inactive {
    super::super::on_every_database!(sec_15_an_inactive_account_looks_like_a_wrong_password);
    use super::sec_15_an_inactive_account_looks_like_a_wrong_password;
}

async fn a_login_opens_a_session_of_its_own(storage: Storage) {
    let server = Server::start(&storage, &[]);
    Answer::to_register(&server, "ada@example.com", PASSWORD).await.ok(201);
    let mut sessions = BTreeSet::new();
    let mut tokens = BTreeSet::new();
    for _ in 0..3 {
        let login = Answer::to_login(&server, "ada@example.com", PASSWORD).await.ok(200);
        assert_is_token_response(&login.body, 900);
        let access = claims(login.body["access_token"].as_str().expect("a token"));
        sessions.insert(access["sid"].to_string());
        tokens.insert(access["jti"].to_string());
    }
    assert_eq!((sessions.len(), tokens.len()), (3, 3));
}

async fn sec_15_an_unknown_address_and_a_wrong_password_look_the_same(storage: Storage) {
    let server = Server::start(&storage, &[]);
    Answer::to_register(&server, "ada@example.com", PASSWORD).await.ok(201);
    let wrong = Answer::to_login(&server, "ada@example.com", "not the password").await;
    let unknown = Answer::to_login(&server, "nobody@example.com", PASSWORD).await;
    assert_eq!(outside(wrong), outside(unknown));
}

async fn sec_15_an_inactive_account_looks_like_a_wrong_password(storage: Storage) {
    let server = Server::start(&storage, &[]);
    for email in ["ada@example.com", "bob@example.com"] {
        Answer::to_register(&server, email, PASSWORD).await.ok(201);
    }
    let server = set_active(server, &storage, "ada@example.com", false);

    let inactive = outside(Answer::to_login(&server, "ada@example.com", PASSWORD).await);
    let wrong = outside(Answer::to_login(&server, "bob@example.com", "not the password").await);
    let both = outside(Answer::to_login(&server, "ada@example.com", "not the password").await);
    let unknown = outside(Answer::to_login(&server, "nobody@example.com", PASSWORD).await);
    assert!(
        inactive == wrong && wrong == both && both == unknown,
        "{inactive:?} {wrong:?} {both:?} {unknown:?}"
    );

    let server = set_active(server, &storage, "ada@example.com", true);
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.ok(200);
}

async fn sec_22_nothing_that_was_planted_before_a_login_survives_it(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let planted =
        SignedIn::from_body(&Answer::to_register(&server, "eve@example.com", PASSWORD).await.ok(201).body);
    Answer::to_register(&server, "ada@example.com", PASSWORD).await.ok(201);

    let login = Answer::to(&server, Method::POST, "/api/v1/auth/login", |request| {
        let cookie = format!("session={}; access_token={}", claims(&planted.access)["sid"], planted.access);
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        request.bearer_auth(&planted.access).header("cookie", cookie).json(&body)
    })
    .await
    .ok(200);
    assert_eq!(login.body["user"]["email"], "ada@example.com");
    let opened = SignedIn::from_body(&login.body);
    assert_ne!(claims(&opened.access)["sid"], claims(&planted.access)["sid"]);
}

async fn bcrypt_hashes_by_setting_and_refuses_what_it_would_cut(storage: Storage) {
    let settings =
        [("MAESTRO_AUTH__HASHING__ALGORITHM", "bcrypt"), ("MAESTRO_AUTH__HASHING__BCRYPT_COST", "10")];
    let server = Server::start(&storage, &settings);
    let longest: String = ('!'..='~').cycle().take(72).collect();
    Answer::to_register(&server, "ada@example.com", &longest).await.ok(201);
    Answer::to_login(&server, "ada@example.com", &longest).await.ok(200);
    Answer::to_login(&server, "ada@example.com", &longest[..71]).await.is(401, "invalid_credentials");
    Answer::to_login(&server, "ada@example.com", &format!("{longest}x")).await.is(401, "invalid_credentials");

    let refused = Answer::to_register(&server, "bob@example.com", &format!("{longest}x")).await;
    let refused = refused.is(422, "validation_failed");
    assert_eq!(refused.body["errors"][0]["code"], "password_too_long");
    let in_bytes = "é".repeat(37); // 74 bytes
    Answer::to_register(&server, "bob@example.com", &in_bytes).await.is(422, "validation_failed");
    Answer::to_login(&server, "bob@example.com", &in_bytes).await.is(401, "invalid_credentials");
}

/// What an answer shows to the outside, without the request id and the date, which are different every time.
fn outside(answer: Answer) -> (u16, String, Vec<String>) {
    let mut answer = answer.is(401, "invalid_credentials");
    assert_eq!(answer.body["detail"], "Invalid email or password");
    let id = answer.body["request_id"].as_str().expect("an id").to_owned();
    answer.headers.remove("date");
    answer.headers.remove("x-request-id");
    let mut headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.sort(); // the framework sends them in any order
    (answer.status, answer.text.replace(&id, ""), headers)
}
