//! What a stolen database and a leaked log give away: nothing that opens anything (SEC-48, SEC-116, SEC-117).

use std::time::{Duration, Instant};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Server, SignedIn, Storage, database, forge};

super::on_every_storage!(sec_117_no_secret_reaches_the_log_at_its_loudest);

mod stolen {
    super::super::on_every_database!(sec_48_and_116_a_stolen_database_holds_no_token_password_or_private_key);
    use super::sec_48_and_116_a_stolen_database_holds_no_token_password_or_private_key;
}

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "zqpassword canary & more";

async fn sec_48_and_116_a_stolen_database_holds_no_token_password_or_private_key(storage: Storage) {
    let server = Server::start(&storage, &[("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "60s")]);
    let first = SignedIn::from_body(&Answer::to_register(&server, EMAIL, PASSWORD).await.ok(201).body);
    let second = SignedIn::from_body(&Answer::to_refresh(&server, &first.refresh).await.ok(200).body);
    let third = SignedIn::from_body(&Answer::to_login(&server, EMAIL, PASSWORD).await.ok(200).body);
    Answer::to_logout(&server, &third.access).await.ok(200);

    let dump = database::dump(&storage).await;
    for secret in [first, second, third].iter().flat_map(|pair| [&pair.access, &pair.refresh]) {
        for part in secret.split('.') {
            assert!(!dump.contains(part), "a part of a token is stored");
        }
    }
    // The DER of a P-256 private key begins with its version and the octet string that is the secret (RFC 5915).
    for secret in [PASSWORD, "PRIVATE KEY", "\"d\":", "\"d\" :", "\u{4}\u{20}PRIVATE"] {
        assert!(!dump.contains(secret), "{secret}");
    }
}

async fn sec_117_no_secret_reaches_the_log_at_its_loudest(storage: Storage) {
    let server = Server::start(&storage, &[("MAESTRO_AUTH__LOG__FILTER", "trace")]);
    let wrong = "zqwrong canary & more";
    let mut secrets = vec![PASSWORD.to_owned(), wrong.to_owned()];

    let first = SignedIn::from_body(&Answer::to_register(&server, EMAIL, PASSWORD).await.ok(201).body);
    Answer::to_register(&server, EMAIL, wrong).await.is(409, "email_taken");
    Answer::to_login(&server, EMAIL, wrong).await.is(401, "invalid_credentials");
    Answer::to_login(&server, "nobody@example.com", wrong).await.is(401, "invalid_credentials");
    let second = SignedIn::from_body(&Answer::to_login(&server, EMAIL, PASSWORD).await.ok(200).body);
    let third = SignedIn::from_body(&Answer::to_refresh(&server, &second.refresh).await.ok(200).body);
    Answer::to_refresh(&server, &second.refresh).await.ok(200);
    Answer::to_me(&server, &third.access).await.ok(200);
    Answer::to_me(&server, &forge::malleated(&third.access)).await.ok(200);
    Answer::to_me(&server, &third.refresh).await.is(401, "invalid_token");
    let in_query = format!("/api/v1/auth/me?access_token={}", third.access);
    Answer::to_get(&server, &in_query, None).await.is(401, "missing_token");
    let bodies = [
        json!({ "email": EMAIL, "password": [wrong] }).to_string(),
        format!("{{\"email\":\"{EMAIL}\",\"password\":\"{wrong}\""),
        json!({ "email": EMAIL, "password": wrong.repeat(40) }).to_string(),
        json!({ "refresh_token": third.refresh, wrong: 1 }).to_string(),
    ];
    for body in bodies {
        for path in ["/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/auth/refresh"] {
            let answer = Answer::to(&server, Method::POST, path, |request| {
                request.header("content-type", "application/json").body(body.clone())
            })
            .await;
            assert!(answer.status == 400 || answer.status == 422, "{}", answer.text);
        }
    }
    Answer::to_logout(&server, &first.access).await.ok(200);
    Answer::to_logout_everywhere(&server, &third.access).await.ok(200);
    Answer::to_refresh(&server, &third.refresh).await.is(401, "token_revoked");

    for pair in [first, second, third] {
        for token in [pair.access, pair.refresh] {
            secrets.extend(token.split('.').skip(1).map(str::to_owned));
        }
    }
    let log = whole_log(&server);
    assert!(log.contains("user logged in") && log.contains("user registered"), "the log is the loud one");
    assert!(!log.contains("$argon2id$"), "a hash is logged");
    for secret in &secrets {
        for form in forms(secret) {
            assert!(!log.contains(&form), "a secret is logged: {form:?}");
        }
    }
}

/// A secret as it is, in both base64 alphabets, and escaped for a URL.
fn forms(secret: &str) -> [String; 5] {
    let escaped = |space: &str| secret.replace('&', "%26").replace(' ', space);
    [
        secret.to_owned(),
        Base64::encode_string(secret.as_bytes()).trim_end_matches('=').to_owned(),
        Base64UrlUnpadded::encode_string(secret.as_bytes()),
        escaped("%20"),
        escaped("+"),
    ]
}

/// All that the server has printed, up to the line that says that it stopped.
fn whole_log(server: &Server) -> String {
    server.signal("-TERM");
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut log = String::new();
    while Instant::now() < deadline {
        log.push_str(&server.printed());
        if log.lines().any(|line| line.ends_with("stopped")) {
            return log;
        }
        std::thread::yield_now();
    }
    panic!("the server did not say that it stopped:\n{log}");
}
