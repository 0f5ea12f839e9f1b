//! The production profile refuses every unsafe default (SEC-114): one start for each, exit code 2, one line that names the
//! setting and not its value.

use reqwest::StatusCode;

use crate::support::{Server, Storage, code, operate, refused, registered};

const PROFILE: (&str, &str) = ("MAESTRO_AUTH__PROFILE", "production");
const PUBLIC_URL: (&str, &str) = ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "https://auth.example.com");
const KEY: (&str, &str) =
    ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "q83vEjRWeJoBI0VniavN7wL+3LqYdlQyEP7cuphzUt8=");

#[tokio::test(flavor = "multi_thread")]
async fn a_safe_production_server_starts_and_registers_nobody() {
    let storage = Storage::sqlite();
    let server = Server::start(&storage, &[PROFILE, PUBLIC_URL, KEY]);
    assert_eq!(server.get("/readyz", None).await.status(), StatusCode::OK);
    let refused = server.register("ada@example.com", "a password of a good length").await;
    assert_eq!(code(refused).await, "registration_closed");
}

#[test]
fn sec_114_each_unsafe_setting_alone_stops_a_production_start() {
    let unsafe_settings: [(&str, &str, &str); 15] = [
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "", "no public URL"),
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "http://auth.example.com", "a plain-HTTP public URL"),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "", "no key"),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "c2hvcnQga2V5LCAxNiBi", "a key under 32 bytes"),
        (
            "MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "a key of zeros",
        ),
        (
            "MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "a counted key",
        ),
        (
            "MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY",
            "Y2hhbmdlLW1lLWNoYW5nZS1tZS1jaGFuZ2UtbWUtISE=",
            "an example as a key",
        ),
        ("DATABASE_URL", "memory:", "data that does not survive"),
        ("MAESTRO_AUTH__KEYS__PUBLISH_AHEAD", "599s", "keys that sign before every verifier has them"),
        ("MAESTRO_AUTH__MAIL__URL", "log:", "mail to the log"),
        ("MAESTRO_AUTH__HASHING__MEMORY_KIB", "1024", "cheap hashes"),
        ("MAESTRO_AUTH__HASHING__BCRYPT_COST", "4", "cheap hashes of the other kind"),
        ("MAESTRO_AUTH__REGISTRATION__MODE", "verified", "a mode that needs mail"),
        ("MAESTRO_AUTH__REGISTRATION__SELF_ASSIGNABLE_ROLES", "viewer,admin", "strangers who become admin"),
        ("MAESTRO_AUTH__REGISTRATION__SELF_ASSIGNABLE_ROLES", "viewer,owner", "a role that does not exist"),
    ];
    for (name, value, why) in unsafe_settings {
        let storage = Storage::sqlite();
        let settings: Vec<_> = [PROFILE, PUBLIC_URL, KEY, (name, value)].into_iter().collect();
        let (status, line) = refused(&storage, &settings, &["serve"], "");
        assert_eq!(status, 2, "{why}: {line}");
        assert!(line.contains(name), "{why}: {line}");
        assert!(!name.contains("KEY") || value.is_empty() || !line.contains(value), "{why}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_114_the_admin_of_the_development_profile_stops_a_production_start() {
    let storage = Storage::sqlite();
    drop(Server::start(&storage, &[KEY])); // development: makes admin@maestro.ml / admin123
    let (status, line) = refused(&storage, &[PROFILE, PUBLIC_URL, KEY], &["serve"], "");
    assert_ne!(status, 0);
    assert!(line.contains("admin@maestro.ml") && !line.contains("admin123"), "{line}");

    let other = "a password of a good length";
    let changed = operate(&storage, &[KEY], &["user", "set-password", "--email", "admin@maestro.ml"], other);
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    let server = Server::start(&storage, &[PROFILE, PUBLIC_URL, KEY]);
    assert_eq!(server.login("admin@maestro.ml", other).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_comes_from_the_bootstrap_settings_and_its_password_from_a_file() {
    let storage = Storage::sqlite();
    let file = storage.folder().join("admin-password");
    std::fs::write(&file, "a password of a good length\n").expect("a file");
    let bootstrap = [
        PROFILE,
        PUBLIC_URL,
        KEY,
        ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_EMAIL", "root@example.com"),
        ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD_FILE", file.to_str().expect("text")),
    ];
    let server = Server::start(&storage, &bootstrap);
    assert_eq!(
        server.login("root@example.com", "a password of a good length").await.status(),
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_server_listens_on_loopback_only_and_warns_of_its_admin() {
    let storage = Storage::sqlite();
    let host = "MAESTRO_AUTH__SERVER__HOST";
    let (status, line) = refused(&storage, &[(host, "0.0.0.0")], &["serve"], "");
    assert_eq!(status, 2);
    assert!(line.contains(host), "{line}");

    let server = Server::start(&storage, &[]);
    assert!(server.printed_at_start().contains("WARN"), "{}", server.printed_at_start());
    assert!(server.printed_at_start().contains("admin@maestro.ml"), "{}", server.printed_at_start());
    registered(&server, "ada@example.com").await;
}
