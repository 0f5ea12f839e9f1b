//! Administrators who want contrary things at the same moment (SEC-89).

use serde_json::json;

use super::{USERS, admin, each, get, logged_in, made, patch, path_of};
use crate::support::{Server, SignedIn, Storage};

const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn sec_89_two_admins_who_demote_each_other_leave_one_in_memory() {
    one_of_two_stays(&[Server::start(&Storage::memory(), &[])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_89_two_admins_who_demote_each_other_leave_one_on_sqlite() {
    let storage = Storage::sqlite();
    one_of_two_stays(&[Server::start(&storage, &[])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_89_two_admins_who_demote_each_other_leave_one_over_two_instances_on_postgres() {
    let Some(storage) = Storage::postgres().await else { return };
    one_of_two_stays(&[Server::start(&storage, &[]), Server::start(&storage, &[])]).await;
}

/// One of the two, at the instance that it asks.
struct Rival<'a> {
    server: &'a Server,
    email: &'static str,
    path: String,
    session: SignedIn,
}

async fn one_of_two_stays(instances: &[Server]) {
    let (here, there) = (&instances[0], &instances[instances.len() - 1]);
    let first = admin(here).await;
    let seeded = path_of(here, &first).await;
    let mut rivals = Vec::new();
    for (server, email) in [(here, "ada@example.com"), (there, "bob@example.com")] {
        let path = made(here, &first, email, &["admin"]).await;
        rivals.push(Rival { server, email, path, session: logged_in(server, email).await });
    }
    patch(here, &first, &seeded, json!({ "roles": ["viewer"] })).await.ok(200);

    for round in 0..ROUNDS {
        let order =
            if round % 2 == 0 { json!({ "roles": ["viewer"] }) } else { json!({ "is_active": false }) };
        let [ada, bob] = &rivals[..] else { panic!("there are two") };
        let (by_ada, by_bob) = tokio::join!(
            patch(ada.server, &ada.session, &bob.path, order.clone()),
            patch(bob.server, &bob.session, &ada.path, order),
        );
        let (winner, lost) = match (by_ada.status, by_bob.status) {
            (200, _) => (0, by_bob),
            (_, 200) => (1, by_ada),
            other => panic!("nobody won: {other:?}"),
        };
        // Whoever was overtaken before it got in is no admin any more.
        assert!(
            matches!((lost.status, lost.code()), (409, "last_admin") | (401, "token_revoked")),
            "{}",
            lost.text
        );

        let (winner, loser) = (&rivals[winner], &rivals[1 - winner]);
        let admins =
            get(winner.server, &winner.session, &format!("{USERS}?role=admin&active=true")).await.ok(200);
        assert_eq!(each(&admins, "email"), [winner.email]);
        let back = json!({ "roles": ["admin"], "is_active": true });
        patch(winner.server, &winner.session, &loser.path, back).await.ok(200);
        let session = logged_in(loser.server, loser.email).await;
        let loser = rivals.iter().position(|rival| rival.email == session.email).expect("one of the two");
        rivals[loser].session = session;
    }
}
