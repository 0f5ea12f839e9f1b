//! `POST /introspect` (RFC 7662, SEC-59).

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{INTROSPECT, a_service, is_active};
use crate::support::{
    Answer, PASSWORD, Server, Storage, admin, claims, logged_in, patch_user, registered, user_id,
};

crate::endpoints::on_every_storage!(
    a_good_token_says_what_it_is,
    sec_59_whatever_is_wrong_the_answer_is_inactive_and_nothing_more,
    sec_59_a_token_is_inactive_when_its_time_is_over,
    a_request_is_read_strictly,
    asking_spends_no_refresh_token,
);

const EMAIL: &str = "ada@example.com";

async fn a_good_token_says_what_it_is(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let ada = registered(&server, EMAIL).await;
    let said = claims(&ada.access);
    let answer = Answer::to_form(&server, INTROSPECT, &by, &[("token", &ada.access)]).await.ok(200);
    assert_eq!(
        answer.body,
        json!({
            "active": true, "token_type": "Bearer", "token_use": "access",
            "scope": "data:view experiment:view model:view",
            "sub": said["sub"], "iss": said["iss"], "aud": said["aud"], "exp": said["exp"], "iat": said["iat"],
            "jti": said["jti"], "sid": said["sid"], "roles": ["viewer"],
        })
    );
    let answer = Answer::to_form(&server, INTROSPECT, &by, &[("token", &ada.refresh)]).await.ok(200);
    let refresh = claims(&ada.refresh);
    assert_eq!(
        answer.body,
        json!({
            "active": true, "token_use": "refresh", "scope": "data:view experiment:view model:view",
            "sub": said["sub"], "iss": said["iss"], "exp": refresh["exp"], "iat": refresh["iat"],
            "sid": said["sid"], "roles": ["viewer"],
        })
    );
}

async fn sec_59_whatever_is_wrong_the_answer_is_inactive_and_nothing_more(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, admin) = a_service(&server).await;

    let foreign = {
        let elsewhere = Storage::memory();
        let server = Server::start(&elsewhere, &[]);
        registered(&server, EMAIL).await
    };
    let ended = registered(&server, EMAIL).await;
    Answer::to_logout(&server, &ended.access).await.ok(200);
    let everywhere = logged_in(&server, EMAIL).await;
    Answer::to_logout_everywhere(&server, &everywhere.access).await.ok(200);
    let spent = logged_in(&server, EMAIL).await;
    Answer::to_refresh(&server, &spent.refresh).await.ok(200);
    let outdated = logged_in(&server, EMAIL).await;
    let user = user_id(&server, &outdated).await;
    patch_user(&server, &admin, &user, json!({"roles": ["developer"]})).await.ok(200);
    let bob = registered(&server, "bob@example.com").await;
    let user = user_id(&server, &bob).await;
    patch_user(&server, &admin, &user, json!({"is_active": false})).await.ok(200);
    let eve = registered(&server, "eve@example.com").await;
    let path = format!("/api/v1/admin/users/{}", user_id(&server, &eve).await);
    Answer::to_json(&server, Method::DELETE, &path, &admin.access, None).await.ok(204);

    for (what, token) in [
        ("junk", "junk"),
        ("of its form alone", "a.b.c"),
        ("longer than any", &"x".repeat(9_000)),
        ("a token with a tail", &format!("{}x", spent.access)),
        ("another server's access token", &foreign.access),
        ("another server's refresh token", &foreign.refresh),
        ("an access token after a logout", &ended.access),
        ("a refresh token after a logout", &ended.refresh),
        ("an access token after a logout everywhere", &everywhere.access),
        ("a refresh token after a logout everywhere", &everywhere.refresh),
        ("a spent refresh token", &spent.refresh),
        ("an access token from before other roles", &outdated.access),
        ("an access token of an inactive user", &bob.access),
        ("a refresh token of an inactive user", &bob.refresh),
        ("an access token of a deleted user", &eve.access),
        ("a refresh token of a deleted user", &eve.refresh),
    ] {
        let answer = Answer::to_form(&server, INTROSPECT, &by, &[("token", token)]).await.ok(200);
        assert_eq!(answer.text, r#"{"active":false}"#, "{what}");
    }
    assert!(is_active(&server, &by, &outdated.refresh).await, "its session goes on");
}

async fn sec_59_a_token_is_inactive_when_its_time_is_over(storage: Storage) {
    let settings = [("MAESTRO_AUTH__TOKENS__ACCESS_TTL", "2s"), ("MAESTRO_AUTH__TOKENS__LEEWAY", "0s")];
    let server = Server::start(&storage, &settings);
    let (by, _) = a_service(&server).await;
    let ada = registered(&server, EMAIL).await;
    assert!(is_active(&server, &by, &ada.access).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!is_active(&server, &by, &ada.access).await);
    assert!(is_active(&server, &by, &ada.refresh).await);
}

async fn a_request_is_read_strictly(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let ada = registered(&server, EMAIL).await;
    let ask = async |form: &[(&str, &str)]| Answer::to_form(&server, INTROSPECT, &by, form).await;
    for hint in ["access_token", "refresh_token", "no such type", ""] {
        let answer = ask(&[("token", &ada.access), ("token_type_hint", hint)]).await.ok(200);
        assert_eq!(answer.body["active"], true, "{hint}");
    }
    ask(&[("token", &ada.access), ("resource", "passed over")]).await.ok(200);
    ask(&[]).await.is(400, "malformed_request");
    ask(&[("token", "")]).await.is(400, "malformed_request");
    ask(&[("token", &ada.access), ("token", &ada.access)]).await.is(400, "malformed_request");
    ask(&[("token", &"x".repeat(17 * 1024))]).await.is(413, "payload_too_large");

    let send = async |content_type: &str, body: &str| {
        let (content_type, body) = (content_type.to_owned(), body.to_owned());
        Answer::to(&server, Method::POST, INTROSPECT, |request| {
            let request = request.basic_auth(&by.id, Some(&by.secret));
            request.header("content-type", &content_type).body(body.clone())
        })
        .await
    };
    send("application/json", r#"{"token": "junk"}"#).await.is(415, "unsupported_media_type");
    send("text/plain", "token=junk").await.is(415, "unsupported_media_type");
    send("application/x-www-form-urlencoded", "token=%ff").await.is(400, "malformed_request");
    send("application/x-www-form-urlencoded; charset=UTF-8", "token=junk").await.ok(200);
    let by = [("authorization", format!("Basic {}", "x".repeat(2_000)))];
    Answer::to(&server, Method::POST, INTROSPECT, |request| request.header(by[0].0, &by[0].1))
        .await
        .is(401, "invalid_client");
}

async fn asking_spends_no_refresh_token(storage: Storage) {
    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "0s")]);
    let (by, _) = a_service(&server).await;
    let ada = registered(&server, EMAIL).await;
    for _ in 0..3 {
        assert!(is_active(&server, &by, &ada.refresh).await);
    }
    let next = Answer::to_refresh(&server, &ada.refresh).await.ok(200);
    assert!(!is_active(&server, &by, &ada.refresh).await, "it is spent");
    assert!(is_active(&server, &by, next.body["refresh_token"].as_str().expect("a token")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_ends_is_inactive_at_the_other_within_the_bound() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let admin = admin(&here).await;
    let by = crate::support::service(&here, &admin, "projects", &[]).await;
    Answer::to_register(&here, EMAIL, PASSWORD).await.ok(201);
    for _ in 0..10 {
        let ada = logged_in(&here, EMAIL).await;
        assert!(is_active(&there, &by, &ada.access).await);
        Answer::to_logout(&here, &ada.access).await.ok(200);
        let acknowledged = std::time::Instant::now();
        assert!(!is_active(&here, &by, &ada.access).await);
        assert!(!is_active(&there, &by, &ada.refresh).await, "the storage is asked");
        while is_active(&there, &by, &ada.access).await {
            assert!(acknowledged.elapsed() < crate::support::bounds::ELSEWHERE, "active past the bound");
        }
    }
}
