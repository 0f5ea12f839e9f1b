//! Refresh: one token buys one successor, and a spent one that comes back ends the session.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::accounts::assert_is_token_response;
use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage, claims};

super::on_every_storage!(
    a_refresh_takes_the_token_from_the_header_or_the_body,
    sec_49_a_replay_within_the_grace_buys_the_same_successor,
    sec_50_a_spent_token_after_the_grace_ends_the_session_and_no_other,
    sec_51_the_grace_covers_the_immediate_predecessor_only,
    sec_53_idle_and_absolute_lifetimes_hold,
    sec_42_one_kind_of_token_never_stands_in_for_the_other,
);

async fn signed_in(server: &Server, email: &str) -> SignedIn {
    SignedIn::from_body(&Answer::to_register(server, email, PASSWORD).await.ok(201).body)
}

async fn refreshed(server: &Server, token: &str) -> SignedIn {
    SignedIn::from_body(&Answer::to_refresh(server, token).await.ok(200).body)
}

async fn a_refresh_takes_the_token_from_the_header_or_the_body(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let first = signed_in(&server, "ada@example.com").await;

    let by_header = Answer::to_refresh(&server, &first.refresh).await.ok(200);
    assert_is_token_response(&by_header.body, 900);
    let second = SignedIn::from_body(&by_header.body);
    let body = json!({ "refresh_token": second.refresh });
    let by_body = Answer::to_post(&server, "/api/v1/auth/refresh", None, Some(body)).await.ok(200);
    assert_is_token_response(&by_body.body, 900);
    let third = SignedIn::from_body(&by_body.body);

    for (before, after) in [(&first, &second), (&second, &third)] {
        assert_ne!(before.access, after.access);
        assert_ne!(before.refresh, after.refresh);
        assert_eq!(claims(&before.refresh)["sid"], claims(&after.refresh)["sid"]);
        assert_ne!(claims(&before.access)["jti"], claims(&after.access)["jti"]);
    }
    for signed_in in [&first, &second, &third] {
        Answer::to_me(&server, &signed_in.access).await.ok(200);
    }
    Answer::to_post(&server, "/api/v1/auth/refresh", None, None).await.is(401, "missing_token");
}

async fn sec_49_a_replay_within_the_grace_buys_the_same_successor(storage: Storage) {
    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "60s")]);
    let first = signed_in(&server, "ada@example.com").await;
    let successor = refreshed(&server, &first.refresh).await;
    for _ in 0..3 {
        let again = refreshed(&server, &first.refresh).await;
        assert_eq!(claims(&again.refresh), claims(&successor.refresh), "the session has one live token");
        Answer::to_me(&server, &again.access).await.ok(200);
    }
    let third = refreshed(&server, &successor.refresh).await;
    assert_eq!(claims(&third.refresh)["ctr"], 3);
}

async fn sec_50_a_spent_token_after_the_grace_ends_the_session_and_no_other(storage: Storage) {
    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "1s")]);
    let first = signed_in(&server, "ada@example.com").await;
    let elsewhere =
        SignedIn::from_body(&Answer::to_login(&server, "ada@example.com", PASSWORD).await.ok(200).body);
    let second = refreshed(&server, &first.refresh).await;
    sleep(Duration::from_millis(1_100)).await; // the grace itself is what is tested

    Answer::to_refresh(&server, &first.refresh).await.is(401, "refresh_reused");
    Answer::to_refresh(&server, &second.refresh).await.is(401, "token_revoked");
    Answer::to_refresh(&server, &first.refresh).await.is(401, "token_revoked");
    for dead in [&first.access, &second.access] {
        Answer::to_me(&server, dead).await.is(401, "token_revoked");
    }
    Answer::to_me(&server, &elsewhere.access).await.ok(200);
    refreshed(&server, &elsewhere.refresh).await;
}

async fn sec_51_the_grace_covers_the_immediate_predecessor_only(storage: Storage) {
    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "60s")]);
    let first = signed_in(&server, "ada@example.com").await;
    let second = refreshed(&server, &first.refresh).await;
    let third = refreshed(&server, &second.refresh).await;

    Answer::to_refresh(&server, &first.refresh).await.is(401, "refresh_reused");
    Answer::to_refresh(&server, &third.refresh).await.is(401, "token_revoked");
    Answer::to_me(&server, &third.access).await.is(401, "token_revoked");
}

async fn sec_53_idle_and_absolute_lifetimes_hold(storage: Storage) {
    let settings = [
        ("MAESTRO_AUTH__TOKENS__REFRESH_TTL", "4s"),
        ("MAESTRO_AUTH__TOKENS__SESSION_TTL", "8s"),
        ("MAESTRO_AUTH__TOKENS__LEEWAY", "0s"),
    ];
    let server = Server::start(&storage, &settings);
    let idle = signed_in(&server, "ada@example.com").await;
    let busy = signed_in(&server, "bob@example.com").await;
    let end = claims(&busy.access)["iat"].as_i64().expect("a time") + 8;

    let mut latest = busy;
    for _ in 0..3 {
        sleep(Duration::from_millis(1_500)).await; // the lifetimes themselves are what is tested
        latest = refreshed(&server, &latest.refresh).await;
        let expires_at = claims(&latest.refresh)["exp"].as_i64().expect("a time");
        assert!(expires_at <= end, "no rotation moves the end of the session");
    }
    Answer::to_refresh(&server, &idle.refresh).await.is(401, "token_expired");
    sleep(Duration::from_millis(3_600)).await;
    Answer::to_refresh(&server, &latest.refresh).await.is(401, "token_expired");
    Answer::to_me(&server, &latest.access).await.is(401, "token_expired");
}

async fn sec_42_one_kind_of_token_never_stands_in_for_the_other(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let user = signed_in(&server, "ada@example.com").await;
    Answer::to_me(&server, &user.refresh).await.is(401, "invalid_token");
    Answer::to_logout(&server, &user.refresh).await.is(401, "invalid_token");
    Answer::to_refresh(&server, &user.access).await.is(401, "invalid_token");
    let body = json!({ "refresh_token": user.access });
    Answer::to_post(&server, "/api/v1/auth/refresh", None, Some(body)).await.is(401, "invalid_token");
    Answer::to_me(&server, &user.access).await.ok(200);
    refreshed(&server, &user.refresh).await;
}
