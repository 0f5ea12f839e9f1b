//! The revocation matrix (api.md section 8) across two instances over one PostgreSQL, and its causes from the command line
//! on every database.

use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage, operated, operated_around, set_active};

super::on_every_database!(a_deactivation_ends_every_session_for_good, a_new_password_ends_every_session,);

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

#[tokio::test(flavor = "multi_thread")]
async fn sec_62_what_one_instance_ends_is_ended_on_the_other_at_once() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let mut latest = registered(&here, "ada@example.com").await;
    for _ in 0..20 {
        Answer::to_me(&there, &latest.access).await.ok(200);
        Answer::to_logout(&here, &latest.access).await.ok(200);
        assert_dead(&there, &latest).await;
        assert_dead(&here, &latest).await;
        latest = logged_in(&there, "ada@example.com").await;
    }

    let sessions =
        [logged_in(&here, "ada@example.com").await, logged_in(&there, "ada@example.com").await, latest];
    Answer::to_logout_everywhere(&there, &sessions[0].access).await.ok(200);
    for session in &sessions {
        assert_dead(&here, session).await;
        assert_dead(&there, session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reuse_seen_by_one_instance_ends_the_session_on_the_other() {
    let Some(storage) = Storage::postgres().await else { return };
    let settings = [("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "0s")];
    let (here, there) = (Server::start(&storage, &settings), Server::start(&storage, &settings));
    let first = registered(&here, "ada@example.com").await;
    let second = SignedIn::from_body(&Answer::to_refresh(&there, &first.refresh).await.ok(200).body);
    let third = SignedIn::from_body(&Answer::to_refresh(&here, &second.refresh).await.ok(200).body);

    Answer::to_refresh(&there, &second.refresh).await.is(401, "refresh_reused");
    for session in [&first, &second, &third] {
        assert_dead(&here, session).await;
        assert_dead(&there, session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivation_beside_two_instances_is_seen_by_both_at_once() {
    let Some(storage) = Storage::postgres().await else { return };
    let instances = [Server::start(&storage, &[]), Server::start(&storage, &[])];
    let sessions = [
        registered(&instances[0], "ada@example.com").await,
        logged_in(&instances[1], "ada@example.com").await,
    ];
    operated(&storage, &["user", "deactivate", "--email", "ada@example.com"], "");
    for instance in &instances {
        for session in &sessions {
            assert_dead(instance, session).await;
        }
        Answer::to_login(instance, "ada@example.com", PASSWORD).await.is(401, "invalid_credentials");
    }
}
