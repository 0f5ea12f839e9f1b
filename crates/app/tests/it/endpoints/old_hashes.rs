//! Password hashes that another product, an older setting or an accident left in the database (SEC-06, SEC-10, SEC-11).
//! Memory is not among the storages: nothing can be put into it from outside.

use futures_util::future::join_all;

use crate::support::database::{password_hashes, set_password_hash};
use crate::support::{Answer, PASSWORD, Server, Storage};

super::on_every_database!(
    sec_11_a_bcrypt_hash_verifies_and_is_upgraded_by_the_login,
    sec_11_twenty_logins_at_once_all_outlive_the_upgrade,
    sec_11_a_weaker_argon2id_hash_is_upgraded,
    sec_06_bcrypt_never_verifies_what_it_would_cut,
    sec_10_a_corrupt_stored_hash_is_a_wrong_password_and_nothing_worse,
    sec_08_stored_hashes_are_argon2id_with_a_salt_each,
);

const ADA: &str = "ada@example.com";

/// A database with the account `ada`, whose stored hash is `hash`.
async fn seed(storage: &Storage, hash: &str) {
    let server = Server::start(storage, &[]);
    Answer::to_register(&server, ADA, PASSWORD).await.ok(201);
    server.kill();
    set_password_hash(storage, ADA, hash).await;
}

async fn hash_of_ada(storage: &Storage) -> String {
    let hashes = password_hashes(storage).await;
    hashes.into_iter().find(|(email, _)| email == ADA).expect("ada").1
}

/// A bcrypt hash under one of the names that its variants go by.
fn bcrypt_hash(version: &str, password: &str) -> String {
    let hash = bcrypt::hash(password, 6).expect("a hash");
    format!("${version}{}", &hash[3..])
}

async fn sec_11_a_bcrypt_hash_verifies_and_is_upgraded_by_the_login(storage: Storage) {
    for (number, version) in ["2a", "2b", "2y"].into_iter().enumerate() {
        let old = bcrypt_hash(version, PASSWORD);
        if number == 0 {
            seed(&storage, &old).await;
        } else {
            set_password_hash(&storage, ADA, &old).await;
        }
        let server = Server::start(&storage, &[]);
        Answer::to_login(&server, ADA, "not the password").await.is(401, "invalid_credentials");
        Answer::to_login(&server, ADA, PASSWORD).await.ok(200);
        Answer::to_login(&server, ADA, PASSWORD).await.ok(200);
        Answer::to_login(&server, ADA, "not the password").await.is(401, "invalid_credentials");
        server.kill();
        assert!(hash_of_ada(&storage).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{version}");
    }
}

async fn sec_11_twenty_logins_at_once_all_outlive_the_upgrade(storage: Storage) {
    seed(&storage, &bcrypt_hash("2b", PASSWORD)).await;
    let server = Server::start(&storage, &[("MAESTRO_AUTH__HASHING__MAX_WAIT", "3s")]);
    let logins = join_all((0..20).map(|_| Answer::to_login(&server, ADA, PASSWORD))).await;
    for login in logins {
        let access = login.ok(200).body["access_token"].as_str().expect("a token").to_owned();
        Answer::to_me(&server, &access).await.ok(200);
    }
}

async fn sec_11_a_weaker_argon2id_hash_is_upgraded(storage: Storage) {
    let weaker = [("MAESTRO_AUTH__HASHING__MEMORY_KIB", "7168"), ("MAESTRO_AUTH__HASHING__PASSES", "5")];
    let server = Server::start(&storage, &weaker);
    Answer::to_register(&server, ADA, PASSWORD).await.ok(201);
    server.kill();
    assert!(hash_of_ada(&storage).await.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"));

    let server = Server::start(&storage, &[]);
    Answer::to_login(&server, ADA, PASSWORD).await.ok(200);
    server.kill();
    assert!(hash_of_ada(&storage).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
}

async fn sec_06_bcrypt_never_verifies_what_it_would_cut(storage: Storage) {
    let longest: String = ('!'..='~').cycle().take(72).collect();
    seed(&storage, &bcrypt_hash("2b", &longest)).await;
    let server = Server::start(&storage, &[]);
    Answer::to_login(&server, ADA, &format!("{longest}x")).await.is(401, "invalid_credentials");
    Answer::to_login(&server, ADA, &format!("{longest}\0")).await.is(422, "validation_failed");
    Answer::to_login(&server, ADA, &longest).await.ok(200);
}

async fn sec_10_a_corrupt_stored_hash_is_a_wrong_password_and_nothing_worse(storage: Storage) {
    const TAG: &str = "c2FsdHNhbHRzYWx0c2FsdA$dGFndGFndGFndGFndGFndGFndGFndGFndGFndGFndGE";
    const TAIL: &str = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
    let corrupt = [
        String::new(),
        "plain text".to_owned(),
        format!("$argon2id$v=19$m=4294967295,t=2,p=1${TAG}"),
        format!("$argon2id$v=19$m=19456,t=4294967295,p=1${TAG}"),
        format!("$argon2id$v=19$m=19456,t=2,p=4294967295${TAG}"),
        format!("$argon2id$v=19$m=19456,t=2,p=1${}", TAG.replace('$', "!")),
        "$argon2id$v=19$m=19456,t=2,p=1$!!!!$!!!!".to_owned(),
        format!("$argon2d$v=19$m=19456,t=2,p=1${TAG}"),
        format!("$argon2id$v=16$m=19456,t=2,p=1${TAG}"),
        format!("$2b$31${TAIL}"),
        format!("$2b$99${TAIL}"),
        format!("$2b$12${}", "é".repeat(26)),
        "$2b$12$short".to_owned(),
        "x".repeat(100_000),
    ];
    seed(&storage, "").await;
    // On PostgreSQL one server sees every hash; the SQLite file belongs to its server as long as that runs.
    let shared = storage.url().starts_with("postgres").then(|| Server::start(&storage, &[]));
    for hash in &corrupt {
        set_password_hash(&storage, ADA, hash).await;
        let own = shared.is_none().then(|| Server::start(&storage, &[]));
        let server = shared.as_ref().or(own.as_ref()).expect("a server");
        Answer::to_login(server, ADA, PASSWORD).await.is(401, "invalid_credentials");
        Answer::to_login(server, ADA, "not the password").await.is(401, "invalid_credentials");
        Answer::to_login(server, "admin@maestro.ml", "admin123").await.ok(200);
    }
}

async fn sec_08_stored_hashes_are_argon2id_with_a_salt_each(storage: Storage) {
    let server = Server::start(&storage, &[]);
    for email in [ADA, "bob@example.com"] {
        Answer::to_register(&server, email, PASSWORD).await.ok(201);
    }
    server.kill();
    let hashes = password_hashes(&storage).await;
    assert_eq!(hashes.len(), 3);
    let salts: std::collections::BTreeSet<_> = hashes
        .iter()
        .map(|(_, hash)| {
            let rest = hash.strip_prefix("$argon2id$v=19$m=19456,t=2,p=1$").expect("argon2id at the floor");
            let (salt, tag) = rest.split_once('$').expect("salt and tag");
            assert_eq!((salt.len(), tag.len()), (22, 43), "16 and 32 bytes");
            salt
        })
        .collect();
    assert_eq!(salts.len(), 3);
}
