//! Logout: what dies, what lives on, and what an old token can still do.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage, forge};

super::on_every_storage!(
    sec_61_a_logout_ends_its_session_at_once_and_twice_is_no_error,
    sec_64_a_logout_everywhere_ends_every_session_of_the_user_and_of_nobody_else,
    an_expired_access_token_still_ends_its_own_session_and_no_more,
    the_token_of_an_ended_session_has_no_power_over_later_ones,
    sec_46_no_other_spelling_of_a_revoked_token_is_accepted,
);

async fn registered(server: &Server, email: &str) -> SignedIn {
    SignedIn::from_body(&Answer::to_register(server, email, PASSWORD).await.ok(201).body)
}

async fn logged_in(server: &Server, email: &str) -> SignedIn {
    SignedIn::from_body(&Answer::to_login(server, email, PASSWORD).await.ok(200).body)
}

async fn assert_dead(server: &Server, session: &SignedIn) {
    Answer::to_me(server, &session.access).await.is(401, "token_revoked");
    Answer::to_refresh(server, &session.refresh).await.is(401, "token_revoked");
}

async fn sec_61_a_logout_ends_its_session_at_once_and_twice_is_no_error(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let ended = registered(&server, "ada@example.com").await;
    let other = logged_in(&server, "ada@example.com").await;

    for _ in 0..2 {
        let answer = Answer::to_logout(&server, &ended.access).await.ok(200);
        assert_eq!(answer.body, json!({ "message": "Successfully logged out" }));
        assert_dead(&server, &ended).await;
    }
    Answer::to_me(&server, &other.access).await.ok(200);
    let body = json!({ "everywhere": false });
    Answer::to_post(&server, "/api/v1/auth/logout", Some(&other.access), Some(body)).await.ok(200);
    assert_dead(&server, &other).await;
    logged_in(&server, "ada@example.com").await;
}

async fn sec_64_a_logout_everywhere_ends_every_session_of_the_user_and_of_nobody_else(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let mut sessions = vec![registered(&server, "ada@example.com").await];
    for _ in 0..4 {
        sessions.push(logged_in(&server, "ada@example.com").await);
    }
    let bystander = registered(&server, "bob@example.com").await;

    for _ in 0..2 {
        Answer::to_logout_everywhere(&server, &sessions[2].access).await.ok(200);
        for session in &sessions {
            assert_dead(&server, session).await;
        }
    }
    Answer::to_me(&server, &bystander.access).await.ok(200);
    let later = logged_in(&server, "ada@example.com").await;
    Answer::to_me(&server, &later.access).await.ok(200);
}

async fn an_expired_access_token_still_ends_its_own_session_and_no_more(storage: Storage) {
    let settings = [("MAESTRO_AUTH__TOKENS__ACCESS_TTL", "1s"), ("MAESTRO_AUTH__TOKENS__LEEWAY", "0s")];
    let server = Server::start(&storage, &settings);
    let ended = registered(&server, "ada@example.com").await;
    let other = logged_in(&server, "ada@example.com").await;
    sleep(Duration::from_millis(1_100)).await; // the lifetime itself is what is tested

    Answer::to_me(&server, &ended.access).await.is(401, "token_expired");
    Answer::to_logout_everywhere(&server, &ended.access).await.is(401, "token_expired");
    Answer::to_logout(&server, &ended.access).await.ok(200);
    Answer::to_refresh(&server, &ended.refresh).await.is(401, "token_revoked");
    Answer::to_refresh(&server, &other.refresh).await.ok(200);
}

async fn the_token_of_an_ended_session_has_no_power_over_later_ones(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let stolen = registered(&server, "ada@example.com").await;
    Answer::to_logout(&server, &stolen.access).await.ok(200);
    let later = logged_in(&server, "ada@example.com").await;

    Answer::to_logout_everywhere(&server, &stolen.access).await.is(401, "token_revoked");
    Answer::to_me(&server, &later.access).await.ok(200);
    Answer::to_refresh(&server, &later.refresh).await.ok(200);
}

async fn sec_46_no_other_spelling_of_a_revoked_token_is_accepted(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let session = registered(&server, "ada@example.com").await;
    let twins = [forge::malleated(&session.access), forge::malleated(&session.refresh)];
    assert_ne!(twins[0], session.access);
    Answer::to_me(&server, &twins[0]).await.ok(200); // the signature does hold

    Answer::to_logout(&server, &session.access).await.ok(200);
    Answer::to_me(&server, &twins[0]).await.is(401, "token_revoked");
    Answer::to_refresh(&server, &twins[1]).await.is(401, "token_revoked");
    Answer::to_logout(&server, &twins[0]).await.ok(200);
    Answer::to_me(&server, &format!("{}=", session.access)).await.is(401, "invalid_token");
}
