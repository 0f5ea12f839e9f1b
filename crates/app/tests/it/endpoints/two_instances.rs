//! What ends sessions for good on every database, and how soon two instances over one PostgreSQL agree.

use std::time::Instant;

use crate::support::bounds::{ELSEWHERE, is_refused_after, is_refused_soon};
use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage, operated_around, set_active};

const ME: &str = "/api/v1/auth/me";

super::on_every_database!(a_deactivation_ends_every_session_for_good, a_new_password_ends_every_session,);

async fn registered(server: &Server, email: &str) -> SignedIn {
    SignedIn::from_body(&Answer::to_register(server, email, PASSWORD).await.ok(201).body)
}

async fn logged_in(server: &Server, email: &str) -> SignedIn {
    SignedIn::from_body(&Answer::to_login(server, email, PASSWORD).await.ok(200).body)
}

async fn assert_dead(server: &Server, session: &SignedIn) {
    is_refused_soon(server, &session.access).await;
    Answer::to_refresh(server, &session.refresh).await.is(401, "token_revoked");
}

async fn a_deactivation_ends_every_session_for_good(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let sessions =
        [registered(&server, "ada@example.com").await, logged_in(&server, "ada@example.com").await];
    let bystander = registered(&server, "bob@example.com").await;

    let server = set_active(server, &storage, "ada@example.com", false);
    for session in &sessions {
        assert_dead(&server, session).await;
    }
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.is(401, "invalid_credentials");
    Answer::to_register(&server, "ada@example.com", PASSWORD).await.is(409, "email_taken");
    Answer::to_me(&server, &bystander.access).await.ok(200);

    let server = set_active(server, &storage, "ada@example.com", true);
    for session in &sessions {
        assert_dead(&server, session).await;
    }
    let later = logged_in(&server, "ada@example.com").await;
    Answer::to_me(&server, &later.access).await.ok(200);
}

async fn a_new_password_ends_every_session(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let before = registered(&server, "ada@example.com").await;
    let order = ["user", "set-password", "--email", "ada@example.com"];
    let server = operated_around(server, &storage, &order, "a wholly different phrase\n");
    assert_dead(&server, &before).await;
    Answer::to_login(&server, "ada@example.com", PASSWORD).await.is(401, "invalid_credentials");
    Answer::to_login(&server, "ada@example.com", "a wholly different phrase").await.ok(200);
}

/// SEC-62: a revocation is done before its answer, and reaches the other instance within the bound.
#[tokio::test(flavor = "multi_thread")]
async fn sec_62_what_one_instance_ends_is_ended_there_at_once_and_elsewhere_within_a_second() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let mut latest = registered(&here, "ada@example.com").await;
    for round in 0..40 {
        Answer::to_me(&here, &latest.access).await.ok(200);
        Answer::to_me(&there, &latest.access).await.ok(200);
        if round % 2 == 0 {
            Answer::to_logout(&here, &latest.access).await.ok(200);
        } else {
            Answer::to_logout_everywhere(&here, &latest.access).await.ok(200);
        }
        let acknowledged = Instant::now();
        is_refused_after(&here, ME, &latest.access, acknowledged).await;
        is_refused_after(&there, ME, &latest.access, acknowledged + ELSEWHERE).await;
        for server in [&here, &there] {
            Answer::to_refresh(server, &latest.refresh).await.is(401, "token_revoked");
        }
        latest = logged_in(&there, "ada@example.com").await;
    }
}
