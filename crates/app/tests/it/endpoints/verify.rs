//! Forward-auth: whom a gateway is told to let through, and as whom.

use reqwest::Method;

use crate::support::{Answer, PASSWORD, Server, SignedIn, Storage};

super::on_every_storage!(
    a_good_token_passes_and_names_its_user,
    what_the_query_demands_must_be_there,
    a_query_that_makes_no_sense_lets_nobody_through,
);

const VERIFY: &str = "/api/v1/auth/verify";

async fn viewer(server: &Server) -> SignedIn {
    SignedIn::from_body(&Answer::to_register(server, "Ada@Exämple.com", PASSWORD).await.ok(201).body)
}

async fn a_good_token_passes_and_names_its_user(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let ada = viewer(&server).await;
    let me = Answer::to_me(&server, &ada.access).await.ok(200);
    for method in [Method::GET, Method::HEAD] {
        // A gateway passes the headers of the client's own request on.
        let answer = Answer::to(&server, method, VERIFY, |request| {
            let request = request.header("accept", "text/html").header("x-auth-user-id", "somebody else");
            request.bearer_auth(&ada.access)
        })
        .await
        .ok(200);
        assert_eq!(answer.header("x-auth-user-id"), me.body["user_id"].as_str());
        assert_eq!(answer.header("x-auth-email"), Some("ada@xn--exmple-cua.com"));
        assert_eq!(answer.header("x-auth-roles"), Some("viewer"));
        assert_eq!(answer.text, "");
    }

    Answer::to_get(&server, VERIFY, None).await.is(401, "missing_token");
    Answer::to_get(&server, VERIFY, Some("abc")).await.is(401, "invalid_token");
    Answer::to_get(&server, VERIFY, Some(&ada.refresh)).await.is(401, "invalid_token");
    Answer::to_logout(&server, &ada.access).await.ok(200);
    let refused = Answer::to_get(&server, VERIFY, Some(&ada.access)).await.is(401, "token_revoked");
    assert_eq!(refused.header("x-auth-user-id"), None);
}

async fn what_the_query_demands_must_be_there(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let ada = viewer(&server).await;
    let admin = Answer::to_login(&server, "admin@maestro.ml", "admin123").await.ok(200);
    let admin = SignedIn::from_body(&admin.body);
    for (query, ada_passes, admin_passes) in [
        ("", true, true),
        ("?permission=model:view", true, true),
        ("?permission=model%3Aview&role=viewer", true, false),
        ("?role=viewer", true, false),
        ("?role=admin", false, true),
        ("?permission=model:deploy", false, true),
        ("?permission=nobody:has-this", false, true),
        ("?role=unknown", false, false),
    ] {
        for (token, passes) in [(&ada.access, ada_passes), (&admin.access, admin_passes)] {
            let answer = Answer::to_get(&server, &format!("{VERIFY}{query}"), Some(token)).await;
            if passes {
                answer.ok(200);
            } else {
                assert_eq!(answer.header("x-auth-user-id"), None, "{query}");
                answer.is(403, "forbidden");
            }
        }
    }
    let refused =
        Answer::to_get(&server, &format!("{VERIFY}?permission=model:deploy"), Some(&ada.access)).await;
    assert_eq!(refused.body["detail"], "The permission model:deploy is missing.");
}

async fn a_query_that_makes_no_sense_lets_nobody_through(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let admin = Answer::to_login(&server, "admin@maestro.ml", "admin123").await.ok(200);
    let token = SignedIn::from_body(&admin.body).access;
    for query in [
        "?permissions=model:view",
        "?permission=",
        "?permission=model",
        "?permission=model:view:all",
        "?permission=model:view&permission=data:view",
        "?role=",
        "?role=Admin",
        "?role=admin&role=viewer",
        "?access_token=abc",
    ] {
        let answer = Answer::to_get(&server, &format!("{VERIFY}{query}"), Some(&token)).await;
        answer.is(400, "malformed_request");
    }
}
