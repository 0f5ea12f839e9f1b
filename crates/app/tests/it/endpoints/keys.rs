//! Signing keys, the JWKS, and what tokens say (api.md section 3).

use serde_json::{Value, json};

use crate::support::bounds::is_refused_soon;
use crate::support::{
    Answer, PASSWORD, Server, SignedIn, Storage, claims, forge, key_id, operate, operated, operated_around,
    refused, token_header,
};

super::on_every_storage!(
    every_algorithm_signs_and_verifies_and_is_published,
    tokens_say_what_the_contract_lists_and_no_more
);

mod kept {
    super::super::on_every_database!(
        keys_survive_a_restart,
        another_algorithm_takes_over_without_a_refused_token,
        sec_57_revoking_the_key_that_signs_kills_its_tokens_and_leaves_another,
        a_revocation_names_a_key_that_there_is,
        sec_43_a_token_for_another_issuer_or_audience_is_refused_under_the_same_key,
    );
    use super::{
        a_revocation_names_a_key_that_there_is, another_algorithm_takes_over_without_a_refused_token,
        keys_survive_a_restart, sec_43_a_token_for_another_issuer_or_audience_is_refused_under_the_same_key,
        sec_57_revoking_the_key_that_signs_kills_its_tokens_and_leaves_another,
    };
}

async fn registered(server: &Server) -> SignedIn {
    SignedIn::from_body(&Answer::to_register(server, "ada@example.com", PASSWORD).await.ok(201).body)
}

async fn published(server: &Server) -> Vec<Value> {
    let jwks = Answer::to_get(server, "/.well-known/jwks.json", None).await.ok(200);
    assert_eq!(jwks.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(jwks.header("content-type"), Some("application/json"));
    jwks.body["keys"].as_array().expect("keys").clone()
}

fn key_of<'a>(keys: &'a [Value], token: &str) -> &'a Value {
    let kid = &token_header(token)["kid"];
    keys.iter().find(|key| key["kid"] == *kid).expect("the key of the token is published")
}

async fn every_algorithm_signs_and_verifies_and_is_published(storage: Storage) {
    let members = [
        ("ES256", json!({ "kty": "EC", "crv": "P-256" }), &["alg", "crv", "kid", "kty", "use", "x", "y"][..]),
        ("EdDSA", json!({ "kty": "OKP", "crv": "Ed25519" }), &["alg", "crv", "kid", "kty", "use", "x"][..]),
        ("RS256", json!({ "kty": "RSA" }), &["alg", "e", "kid", "kty", "n", "use"][..]),
    ];
    for (number, (algorithm, fixed, names)) in members.into_iter().enumerate() {
        let settings =
            [("MAESTRO_AUTH__TOKENS__ALGORITHM", algorithm), ("MAESTRO_AUTH__KEYS__PUBLISH_AHEAD", "0s")];
        let server = Server::start(&storage, &settings);
        let email = format!("user{number}@example.com");
        let user = SignedIn::from_body(&Answer::to_register(&server, &email, PASSWORD).await.ok(201).body);
        Answer::to_me(&server, &user.access).await.ok(200);
        Answer::to_refresh(&server, &user.refresh).await.ok(200);

        let keys = published(&server).await;
        for token in [&user.access, &user.refresh] {
            let key = key_of(&keys, token);
            assert_eq!(token_header(token)["alg"], algorithm);
            // SEC-55: public members only, and the kid is the thumbprint.
            let members = key.as_object().expect("an object");
            assert_eq!(members.keys().collect::<Vec<_>>(), names, "{algorithm}");
            for (name, value) in fixed.as_object().expect("an object") {
                assert_eq!(key[name], *value);
            }
            assert_eq!((&key["alg"], &key["use"]), (&json!(algorithm), &json!("sig")));
            assert_eq!(key["kid"], forge::thumbprint(key));
            assert!(forge::is_signed_by(key, token), "{algorithm}");
        }
        server.kill();
    }
}

async fn tokens_say_what_the_contract_lists_and_no_more(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let answer = Answer::to_register(&server, "ada@example.com", PASSWORD).await.ok(201);
    let user = SignedIn::from_body(&answer.body);
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();

    let access = claims(&user.access);
    assert_eq!(
        names(&access),
        ["aud", "exp", "gen", "iat", "iss", "jti", "roles", "sid", "sub", "token_type"]
    );
    assert_eq!(access["token_type"], "access");
    assert_eq!(access["sub"], answer.body["user"]["user_id"]);
    assert_eq!(access["roles"], json!(["viewer"]));
    assert_eq!(
        access["exp"].as_i64().expect("a time") - access["iat"].as_i64().expect("a time"),
        900,
        "SEC-45"
    );

    let refresh = claims(&user.refresh);
    assert_eq!(names(&refresh), ["ctr", "exp", "iat", "iss", "sid", "sub", "token_type"]);
    assert_eq!((&refresh["token_type"], &refresh["ctr"]), (&json!("refresh"), &json!(1)));
    assert_eq!((&refresh["sub"], &refresh["sid"]), (&access["sub"], &access["sid"]));
    assert_eq!(
        refresh["exp"].as_i64().expect("a time") - refresh["iat"].as_i64().expect("a time"),
        7 * 86_400
    );

    for (token, kind) in [(&user.access, "at+jwt"), (&user.refresh, "rt+jwt")] {
        let header = token_header(token);
        assert_eq!(names(&header), ["alg", "kid", "typ"]);
        assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!(kind)));
        assert!(token.len() < 1_024);
    }
    server.kill();

    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__INCLUDE_EMAIL", "true")]);
    let answer = Answer::to_register(&server, "Bob@example.com", PASSWORD).await.ok(201);
    let user = SignedIn::from_body(&answer.body);
    assert_eq!(claims(&user.access)["email"], "Bob@example.com");
    Answer::to_me(&server, &user.access).await.ok(200);
}

async fn keys_survive_a_restart(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let user = registered(&server).await;
    let keys = published(&server).await;
    server.kill();
    let server = Server::start(&storage, &[]);
    assert_eq!(published(&server).await, keys);
    Answer::to_me(&server, &user.access).await.ok(200);
}

async fn another_algorithm_takes_over_without_a_refused_token(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let before = registered(&server).await;
    server.kill();

    let settings =
        [("MAESTRO_AUTH__TOKENS__ALGORITHM", "EdDSA"), ("MAESTRO_AUTH__KEYS__PUBLISH_AHEAD", "0s")];
    let server = Server::start(&storage, &settings);
    Answer::to_me(&server, &before.access).await.ok(200);
    let after = SignedIn::from_body(&Answer::to_refresh(&server, &before.refresh).await.ok(200).body);
    assert_eq!(token_header(&after.access)["alg"], "EdDSA");
    Answer::to_me(&server, &after.access).await.ok(200);
    let keys = published(&server).await;
    assert_eq!(key_of(&keys, &before.access)["alg"], "ES256");
    assert_eq!(key_of(&keys, &after.access)["alg"], "EdDSA");
}

async fn sec_57_revoking_the_key_that_signs_kills_its_tokens_and_leaves_another(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let before = registered(&server).await;
    let kid = key_id(&before.access);

    let server = operated_around(server, &storage, &["key", "revoke", &kid], "");
    Answer::to_refresh(&server, &before.refresh).await.is(401, "invalid_token");
    is_refused_soon(&server, &before.access).await;
    let after = Answer::to_login(&server, "ada@example.com", PASSWORD).await.ok(200);
    let after = SignedIn::from_body(&after.body);
    assert_ne!(key_id(&after.access), kid);
    Answer::to_me(&server, &after.access).await.ok(200);
    Answer::to_refresh(&server, &after.refresh).await.ok(200);
    let keys = published(&server).await;
    assert!(keys.iter().all(|key| key["kid"] != kid.as_str()), "{keys:?}");
    key_of(&keys, &after.access);

    server.kill(); // nor does a start bring it back
    let server = Server::start(&storage, &[]);
    Answer::to_me(&server, &before.access).await.is(401, "invalid_token");
    Answer::to_refresh(&server, &before.refresh).await.is(401, "invalid_token");
    Answer::to_me(&server, &after.access).await.ok(200);
}

async fn a_revocation_names_a_key_that_there_is(storage: Storage) {
    Server::start(&storage, &[]).kill();
    let listed = operated(&storage, &["key", "list"], "");
    let kid = listed.split_whitespace().next().expect("a key");

    let unknown = "A".repeat(kid.len());
    let (status, line) = refused(&storage, &[], &["key", "revoke", &unknown], "");
    assert_eq!(status, 1);
    assert!(line.contains(&unknown), "{line}");
    let malformed = operate(&storage, &[], &["key", "revoke", &kid[1..]], "");
    assert_eq!(malformed.status.code(), Some(2));
    assert_eq!(operated(&storage, &["key", "list"], ""), listed, "nothing has changed");

    let done = operated(&storage, &["key", "revoke", kid], "");
    assert!(done.contains(kid) && done.contains("revoked"), "{done}");
    assert!(!operated(&storage, &["key", "list"], "").contains(kid));
    assert_eq!(refused(&storage, &[], &["key", "revoke", kid], "").0, 1, "there is none to revoke any more");
}

async fn sec_43_a_token_for_another_issuer_or_audience_is_refused_under_the_same_key(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let user = registered(&server).await;
    server.kill();

    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__AUDIENCE", "somebody-else")]);
    Answer::to_me(&server, &user.access).await.is(401, "invalid_token");
    server.kill();
    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__ISSUER", "https://other.example")]);
    Answer::to_me(&server, &user.access).await.is(401, "invalid_token");
    Answer::to_refresh(&server, &user.refresh).await.is(401, "invalid_token");
    Answer::to_logout(&server, &user.access).await.is(401, "invalid_token");
    server.kill();
    let server = Server::start(&storage, &[]);
    Answer::to_me(&server, &user.access).await.ok(200);
}
