//! `POST /revoke` (RFC 7009, SEC-59). Which tokens die of it, and by when, is in the revocation matrix.

use super::{FEED, REVOKE, a_service, cursor_of, entries_of, get_by, is_active, page};
use crate::support::{Answer, Server, Storage, claims, logged_in, registered};

crate::endpoints::on_every_storage!(
    a_token_is_revoked_once_however_often_it_is_asked_for,
    sec_59_whatever_is_good_for_nothing_is_answered_alike,
    a_revocation_is_read_as_strictly_as_a_question,
);

const EMAIL: &str = "ada@example.com";

async fn a_token_is_revoked_once_however_often_it_is_asked_for(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let ada = registered(&server, EMAIL).await;
    let start = page(&server, &by, None, 0).await;
    for _ in 0..2 {
        let answer = Answer::to_form(&server, REVOKE, &by, &[("token", &ada.access)]).await.ok(200);
        assert_eq!(answer.text, "");
        assert!(!is_active(&server, &by, &ada.access).await);
        assert!(is_active(&server, &by, &ada.refresh).await);
    }
    let after = page(&server, &by, Some(cursor_of(&start)), 0).await;
    let [entry] = entries_of(&after) else { panic!("it is in the feed once: {after}") };
    assert_eq!((&entry["kind"], &entry["id"]), (&"token".into(), &claims(&ada.access)["jti"]));
    assert!(entry.get("min_gen").is_none());

    Answer::to_form(&server, REVOKE, &by, &[("token", &ada.refresh), ("token_type_hint", "access_token")])
        .await
        .ok(200);
    assert!(!is_active(&server, &by, &ada.refresh).await);
    Answer::to_refresh(&server, &ada.refresh).await.is(401, "token_revoked");
    let after = page(&server, &by, Some(cursor_of(&after)), 0).await;
    let [entry] = entries_of(&after) else { panic!("it is in the feed once: {after}") };
    assert_eq!((&entry["kind"], &entry["id"]), (&"session".into(), &claims(&ada.refresh)["sid"]));
}

async fn sec_59_whatever_is_good_for_nothing_is_answered_alike(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let foreign = {
        let elsewhere = Storage::memory();
        let server = Server::start(&elsewhere, &[]);
        registered(&server, EMAIL).await
    };
    let ended = registered(&server, EMAIL).await;
    Answer::to_logout(&server, &ended.access).await.ok(200);
    let lives = logged_in(&server, EMAIL).await;
    for token in ["junk", "a.b.c", &foreign.access, &foreign.refresh, &ended.access, &ended.refresh] {
        let answer = Answer::to_form(&server, REVOKE, &by, &[("token", token)]).await.ok(200);
        assert_eq!(answer.text, "", "{token}");
    }
    assert!(is_active(&server, &by, &lives.access).await && is_active(&server, &by, &lives.refresh).await);
}

async fn a_revocation_is_read_as_strictly_as_a_question(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (by, _) = a_service(&server).await;
    let ask = async |form: &[(&str, &str)]| Answer::to_form(&server, REVOKE, &by, form).await;
    ask(&[]).await.is(400, "malformed_request");
    ask(&[("token", "a"), ("token", "b")]).await.is(400, "malformed_request");
    get_by(&server, &by, REVOKE).await.is(405, "method_not_allowed");
    Answer::to_form(&server, FEED, &by, &[]).await.is(405, "method_not_allowed");
}
