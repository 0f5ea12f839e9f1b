//! Who is let in: a registered service, by its client credentials, as long as it is registered.

use reqwest::{Method, RequestBuilder};

use super::{FEED, INTROSPECT, REVOKE, ROLES, a_service, get_by};
use crate::support::{Answer, Client, Server, SignedIn, Storage, admin, service};

crate::endpoints::on_every_storage!(
    nobody_else_is_let_in,
    a_deleted_service_is_nobody_at_once,
    what_is_wrong_is_not_told_apart,
);

const ENDPOINTS: [(Method, &str); 4] =
    [(Method::POST, INTROSPECT), (Method::POST, REVOKE), (Method::GET, FEED), (Method::GET, ROLES)];

/// Asks each endpoint for services, with whatever `prove` adds.
async fn ask_each(server: &Server, prove: impl Fn(RequestBuilder) -> RequestBuilder) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (method, path) in ENDPOINTS {
        let adjust = |request| {
            let request = prove(request);
            if method == Method::POST { request.form(&[("token", "junk")]) } else { request }
        };
        answers.push(Answer::to(server, method.clone(), path, adjust).await);
    }
    answers
}

async fn delete(server: &Server, admin: &SignedIn, client: &Client) {
    let path = format!("/api/v1/admin/services/{}", client.id);
    Answer::to_json(server, Method::DELETE, &path, &admin.access, None).await.ok(204);
}

async fn nobody_else_is_let_in(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (ours, admin) = a_service(&server).await;
    let other = service(&server, &admin, "reports", &[]).await;
    for answer in ask_each(&server, |request| request.basic_auth(&ours.id, Some(&ours.secret))).await {
        answer.ok(200);
    }
    let pairs = [
        (ours.id.as_str(), "wrong"),
        (&ours.id, ""),
        (&ours.id, &other.secret),
        (&other.id, &ours.secret),
        ("0190a000-0000-7000-8000-000000000000", &ours.secret),
        ("projects", &ours.secret),
        ("admin@maestro.ml", "admin123"),
        ("", ""),
    ];
    for (id, secret) in pairs {
        for answer in ask_each(&server, |request| request.basic_auth(id, Some(secret))).await {
            let answer = answer.is(401, "invalid_client");
            assert_eq!(
                answer.header("www-authenticate"),
                Some(r#"Basic realm="maestro-auth", charset="UTF-8""#)
            );
        }
    }
    for answer in ask_each(&server, |request| request).await {
        answer.is(401, "invalid_client");
    }
    for answer in ask_each(&server, |request| request.bearer_auth(&admin.access)).await {
        answer.is(401, "invalid_client");
    }
    // The secret of a service belongs into the header alone.
    let form = [("token", "junk"), ("client_id", &ours.id), ("client_secret", &ours.secret)];
    Answer::to(&server, Method::POST, INTROSPECT, |request| request.form(&form))
        .await
        .is(401, "invalid_client");
}

async fn a_deleted_service_is_nobody_at_once(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (ours, admin) = a_service(&server).await;
    get_by(&server, &ours, ROLES).await.ok(200);
    delete(&server, &admin, &ours).await;
    for answer in ask_each(&server, |request| request.basic_auth(&ours.id, Some(&ours.secret))).await {
        answer.is(401, "invalid_client");
    }
}

/// What a stranger could learn from the answer: nothing.
async fn what_is_wrong_is_not_told_apart(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let (ours, _) = a_service(&server).await;
    let said = async |id: &str, secret: &str| {
        let adjust = |request: RequestBuilder| request.basic_auth(id, Some(secret));
        let answer = Answer::to(&server, Method::GET, ROLES, adjust).await.is(401, "invalid_client");
        answer.body["detail"].clone()
    };
    assert_eq!(
        said(&ours.id, "wrong").await,
        said("0190a000-0000-7000-8000-000000000000", "wrong").await,
        "whether there is such a service"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_one_instance_deletes_is_nobody_at_once_at_the_other() {
    let Some(storage) = Storage::postgres().await else { return };
    let (here, there) = (Server::start(&storage, &[]), Server::start(&storage, &[]));
    let admin = admin(&here).await;
    for round in 0..5 {
        let client = service(&here, &admin, &format!("projects {round}"), &[]).await;
        get_by(&there, &client, ROLES).await.ok(200);
        delete(&here, &admin, &client).await;
        get_by(&there, &client, ROLES).await.is(401, "invalid_client");
    }
}
