use super::*;

/// A key as `openssl rand -base64 32` makes it.
const GOOD_KEY: &str = "q83vASNFZ4kWnbTlPKpYc9xHsAvQ2mJYH0uXyZrN1eE=";

const PRODUCTION: [(&str, &str); 3] = [
    ("MAESTRO_AUTH__PROFILE", "production"),
    ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "https://auth.example.com"),
    ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", GOOD_KEY),
];

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    Settings::from_sources(&[], &owned(variables))
}

fn from_file(text: &str) -> Result<Settings, ConfigError> {
    Settings::from_sources(&owned(&[("config/default.toml", text)]), &[])
}

/// The production settings with some variables over them; an empty one is taken away.
fn production(over: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let mut variables = owned(&PRODUCTION);
    variables.retain(|(name, _)| !over.iter().any(|(other, _)| other == name));
    variables.extend(owned(over).into_iter().filter(|(_, value)| !value.is_empty()));
    Settings::from_sources(&[], &variables)
}

fn line(result: Result<Settings, ConfigError>) -> String {
    let line = result.expect_err("was accepted").to_string();
    assert!(!line.contains('\n'), "{line:?} is more than one line");
    line
}

#[test]
fn nothing_needs_to_be_set() {
    let settings = from_environment(&[("PATH", "/bin"), ("HOME", "/root")]).unwrap();
    assert_eq!(settings.profile, Profile::Development);
    assert_eq!(settings.server.address().to_string(), "127.0.0.1:8000");
    assert_eq!(settings.tokens.issuer, "maestro-auth");
    assert_eq!(settings.password.min_length, 8);
    assert_eq!(settings.registration.mode, RegistrationMode::Open);
    assert!(matches!(settings.database.url, StorageUrl::Sqlite(path) if path.ends_with("maestro-auth.db")));
}

#[test]
fn a_stronger_source_wins() {
    let files = owned(&[
        (
            "config/default.toml",
            "[tokens]\naccess_ttl = \"1m\"\nleeway = \"1s\"\n[server]\nport = 1\nhost = \"::1\"",
        ),
        ("mine.toml", "[tokens]\naccess_ttl = \"2m\"\n[server]\nport = 2"),
    ]);
    let variables = owned(&[("MAESTRO_AUTH__SERVER__PORT", "4"), ("PORT", "3"), ("HOST", "localhost")]);
    let settings = Settings::from_sources(&files, &variables).unwrap();
    assert_eq!(settings.tokens.leeway.as_secs(), 1, "the default file over the built-in default");
    assert_eq!(settings.tokens.access_ttl.as_secs(), 120, "the named file over the default file");
    assert_eq!(settings.server.host.to_string(), "127.0.0.1", "the short name over files");
    assert_eq!(settings.server.port, 4, "the long name over the short one");
}

#[test]
fn lists_are_arrays_in_files_and_separated_by_commas_in_variables() {
    let file = from_file("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]").unwrap();
    let variable = from_environment(&[("MAESTRO_AUTH__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1")]).unwrap();
    assert_eq!(file.server.trusted_proxies, variable.server.trusted_proxies);
    let nobody = from_environment(&[("MAESTRO_AUTH__REGISTRATION__SELF_ASSIGNABLE_ROLES", "")]).unwrap();
    assert!(nobody.registration.self_assignable_roles.is_empty());
}

#[test]
fn an_unknown_setting_is_named_as_it_was_written() {
    assert_eq!(
        line(from_environment(&[("MAESTRO_AUTH__TOKENS__ACCES_TTL", "15m")])),
        "MAESTRO_AUTH__TOKENS__ACCES_TTL: unknown setting; did you mean MAESTRO_AUTH__TOKENS__ACCESS_TTL?"
    );
    assert_eq!(
        line(from_file("[tokens]\nacces_ttl = \"15m\"")),
        "config/default.toml: tokens.acces_ttl: unknown setting; did you mean tokens.access_ttl?"
    );
    assert_eq!(line(from_file("colour = \"red\"")), "config/default.toml: colour: unknown setting");
    assert_eq!(line(from_file("tokens = 5")), "config/default.toml: tokens: unknown setting");
    assert_eq!(line(from_environment(&[("MAESTRO_AUTH__", "")])), "MAESTRO_AUTH__: unknown setting");
}

#[test]
fn a_misspelled_setting_is_reported_before_what_it_leaves_missing() {
    let typed = [
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", ""),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEI", GOOD_KEY),
    ];
    assert!(line(production(&typed)).contains("did you mean MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY?"));
}

#[test]
fn a_bad_value_is_one_line_that_names_the_setting() {
    assert_eq!(
        line(from_file("[tokens]\naccess_ttl = \"15 bananas\"")),
        "config/default.toml: tokens.access_ttl: \"15 bananas\" is not a duration such as 500ms, 10s, 15m, 12h or 7d"
    );
    assert_eq!(
        line(from_environment(&[("PORT", "80000")])),
        "PORT: \"80000\" is not a number from 0 to 65535"
    );
    for (name, value) in [
        ("MAESTRO_AUTH__PROFILE", "staging"),
        ("MAESTRO_AUTH__SERVER__HOST", "auth.example.com"),
        ("MAESTRO_AUTH__SERVER__PORT", ""),
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "auth.example.com"),
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "https://user:pw@auth.example.com"),
        ("MAESTRO_AUTH__SERVER__TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
        ("MAESTRO_AUTH__SERVER__WORKERS", "0"),
        ("MAESTRO_AUTH__DATABASE__URL", "mysql://db"),
        ("MAESTRO_AUTH__DATABASE__URL", "sqlite://"),
        ("MAESTRO_AUTH__REDIS__URL", "db:6379"),
        ("MAESTRO_AUTH__REDIS__URL", "redis://"),
        ("MAESTRO_AUTH__REDIS__URL", "redis://db/cache"),
        ("MAESTRO_AUTH__REDIS__URL", "redis://:pass#word@db"),
        ("MAESTRO_AUTH__REDIS__URL", "rediss://db/0#insecure"),
        ("MAESTRO_AUTH__REDIS__URL", "unix://run/redis.sock"),
        ("MAESTRO_AUTH__REDIS__URL", "unix://"),
        ("MAESTRO_AUTH__TOKENS__ACCESS_TTL", "2h"), // SEC-45
        ("MAESTRO_AUTH__TOKENS__ACCESS_TTL", "0s"),
        ("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "61s"),
        ("MAESTRO_AUTH__TOKENS__LEEWAY", "31s"),
        ("MAESTRO_AUTH__TOKENS__ALGORITHM", "HS256"),
        ("MAESTRO_AUTH__TOKENS__ISSUER", ""),
        ("MAESTRO_AUTH__TOKENS__INCLUDE_EMAIL", "yes"),
        ("MAESTRO_AUTH__KEYS__PUBLISH_AHEAD", "30d"),
        ("MAESTRO_AUTH__HASHING__ALGORITHM", "md5"),
        ("MAESTRO_AUTH__HASHING__BCRYPT_COST", "14"),
        ("MAESTRO_AUTH__HASHING__BCRYPT_COST", "9"),
        ("MAESTRO_AUTH__HASHING__MEMORY_KIB", "19455"), // SEC-09
        ("MAESTRO_AUTH__HASHING__QUEUE", "0"),
        ("MAESTRO_AUTH__HASHING__MEMORY_KIB", "2000000"),
        ("MAESTRO_AUTH__HASHING__MAX_WAIT", "3001ms"),
        ("MAESTRO_AUTH__PASSWORD__MIN_LENGTH", "7"),
        ("MAESTRO_AUTH__REGISTRATION__MODE", "verified"),
        ("MAESTRO_AUTH__REGISTRATION__SELF_ASSIGNABLE_ROLES", "viewer,Owner!"),
        ("MAESTRO_AUTH__REGISTRATION__SELF_ASSIGNABLE_ROLES", "admin"),
        ("MAESTRO_AUTH__RATE_LIMIT__ENABLED", "maybe"),
        ("MAESTRO_AUTH__MAIL__URL", "http://mail"),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "c2hvcnQ="),
        ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_EMAIL", "nobody"),
        ("MAESTRO_AUTH__LOG__FILTER", "lots=of=noise"),
        ("MAESTRO_AUTH__LOG__FORMAT", "xml"),
    ] {
        let line = line(from_environment(&[(name, value)]));
        assert!(line.starts_with(&format!("{name}: ")), "{name}={value}: {line}");
    }
    assert!(
        line(from_file("[tokens]\naccess_ttl = [\"15m\"]"))
            .starts_with("config/default.toml: tokens.access_ttl: ")
    );
    assert!(line(from_file("[tokens\n")).starts_with("config/default.toml: TOML parse error at line 1"));
}

#[test]
fn no_error_and_no_listing_shows_a_secret() {
    for (name, value) in [
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "canary"),
        ("MAESTRO_AUTH__DATABASE__URL", "mysql://app:canary@db/auth"),
        ("MAESTRO_AUTH__REDIS__URL", "http://app:canary@redis"),
        ("MAESTRO_AUTH__MAIL__URL", "smpt://app:canary@mail"),
        ("MAESTRO_AUTH__SERVER__HOST", "0.0.0.0"),
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "https://app:canary@auth.example.com"),
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", " https://auth.example.com?key=canary "),
    ] {
        let secret = ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD", "canary");
        assert!(!line(from_environment(&[(name, value), secret])).contains("canary"));
    }
    assert!(!line(from_file("[bootstrap]\nadmin_password = \"canary")).contains("canary"));

    let settings = from_environment(&[
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", GOOD_KEY),
        ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_EMAIL", "ada@example.com"),
        ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD", "canary"),
        ("DATABASE_URL", "postgres://app:canary@db/auth?password=canary"),
        ("REDIS_URL", "redis://:canary@redis"),
        ("MAESTRO_AUTH__MAIL__URL", "smtps://app:canary@mail"),
    ])
    .unwrap();
    let shown = format!("{settings:?}{}", settings.effective_toml());
    assert!(!shown.contains("canary") && !shown.contains(GOOD_KEY), "{shown}");
    assert!(shown.contains("url = \"postgres://app:***@db/auth?***\"  # DATABASE_URL"), "{shown}");
}

#[test]
fn redis_is_named_as_its_own_tools_name_it() {
    assert!(from_environment(&[]).unwrap().redis.url.is_none());
    assert!(from_environment(&[("REDIS_URL", "")]).unwrap().redis.url.is_none());
    for url in [
        "redis://db",
        "redis://:canary@db:6379/0",
        "rediss://app:canary@db.example.com:6380/15",
        "redis://[::1]:6379/",
        "unix:///run/redis/redis.sock?db=1&pass=canary",
        "redis+unix:///run/redis/redis.sock",
    ] {
        let settings = production(&[("REDIS_URL", url)]).unwrap();
        assert_eq!(settings.redis.url.as_ref().unwrap().expose(), url);
        assert!(!settings.effective_toml().contains("canary"), "{url}");
    }
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, " kept as it is \n").unwrap();
    let path = path.to_str().unwrap();
    let email = ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_EMAIL", "ada@example.com");

    let read = from_environment(&[email, ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD_FILE", path)]).unwrap();
    assert_eq!(read.bootstrap.admin_password.unwrap().expose(), " kept as it is ");

    let twice = [
        email,
        ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD_FILE", path),
        ("MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD", "canary"),
    ];
    assert_eq!(
        line(from_environment(&twice)),
        "MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD: is set beside MAESTRO_AUTH__BOOTSTRAP__ADMIN_PASSWORD_FILE; keep one of the two"
    );
    let missing = line(from_environment(&[("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY_FILE", "/nowhere/key")]));
    assert!(missing.starts_with("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY_FILE: the file \"/nowhere/key\""));
    let no_secret = [("MAESTRO_AUTH__TOKENS__ISSUER_FILE", path)];
    assert!(line(from_environment(&no_secret)).contains("unknown setting"));
}

#[test]
fn the_development_profile_listens_on_loopback_only() {
    assert!(line(from_environment(&[("HOST", "0.0.0.0")])).starts_with("HOST: the development profile"));
    assert!(from_environment(&[("HOST", "::1")]).is_ok());
    assert!(production(&[("HOST", "0.0.0.0")]).is_ok());
}

#[test]
fn sec_114_the_production_profile_refuses_every_unsafe_default() {
    let settings = production(&[]).unwrap();
    assert_eq!(settings.registration.mode, RegistrationMode::Closed);
    assert_eq!(settings.password.min_length, 15);
    assert_eq!(settings.tokens.issuer, "https://auth.example.com");

    for (name, value) in [
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", ""),
        ("MAESTRO_AUTH__SERVER__PUBLIC_URL", "http://auth.example.com"),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", ""),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "Y2hhbmdlbWVjaGFuZ2VtZWNoYW5nZW1lY2hhbmdlbWU="),
        ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "dGhpcyBpcyBhbiBleGFtcGxlIGtleSwgbm90IHJhbmQ="),
        ("MAESTRO_AUTH__DATABASE__URL", "memory:"), // REL-19
        ("MAESTRO_AUTH__MAIL__URL", "log:"),
        ("MAESTRO_AUTH__MAIL__URL", "file:mails"),
        ("MAESTRO_AUTH__REGISTRATION__MODE", "verified"),
    ] {
        let line = line(production(&[(name, value)]));
        assert!(line.starts_with(&format!("{name}: ")), "{name}={value}: {line}");
        assert!(value.is_empty() || !line.contains(value) || name.ends_with("MODE"), "{line}");
    }
}

#[test]
fn the_manual_explains_every_setting() {
    let manual = include_str!("../../../../docs/CONFIG.md");
    for (variable, key) in from_environment(&[]).unwrap().keys() {
        assert!(manual.contains(&format!("`{key}`")), "docs/CONFIG.md lacks {key}");
        assert!(manual.contains(&format!("`{variable}`")), "docs/CONFIG.md lacks {variable}");
    }
}
