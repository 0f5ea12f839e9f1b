//! Signing keys change under load without a refused token (SEC-56, REL-23), and one that was revoked dies everywhere (SEC-57).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::bounds::{ELSEWHERE, is_refused_after};
use crate::support::{
    Server, SignedIn, Storage, claims, forge, key_id, logged_in, operate, operated, registered,
};

/// An instance looks for new keys twice a minute, so each of them takes up to half of one.
const ROTATIONS: usize = 2;

/// For services in whose world time runs 60 times as fast: the half minute in which an instance notices a new key, the five
/// seconds that they cache the keys for, and some more.
const PUBLISH_AHEAD: (&str, &str) = ("MAESTRO_AUTH__KEYS__PUBLISH_AHEAD", "40s");

/// How long an instance may take to have another key to sign with: far less than until it looks for new keys anyhow.
const EMERGENCY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn sec_56_rotating_the_key_under_load_refuses_no_token_on_two_instances() {
    let Some(storage) = Storage::postgres().await else { return };
    let instances = Arc::new([Server::start(&storage, &[]), Server::start(&storage, &[])]);
    let first = registered(&instances[0], "ada@example.com").await;

    let load = Load::begin(&instances, false).await;
    let mut newest = key_id(&first.access);
    for _ in 0..ROTATIONS {
        operated(&storage, &["key", "rotate", "--now"], "");
        newest = load.both_sign_with_another_than(&newest).await;
        let listed = operated(&storage, &["key", "list"], "");
        assert!(listed.contains(&newest) && listed.contains(&key_id(&first.access)), "{listed}");
    }
    let answers = load.end().await; // which fails if a single token was refused
    assert!(answers > 2 * ROTATIONS, "{answers}");

    for instance in instances.iter() {
        assert_eq!(
            instance.me(&first.access).await.status(),
            StatusCode::OK,
            "the oldest key still verifies"
        );
        assert!(published(instance).await.contains(&newest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_56_no_service_that_keeps_the_published_keys_as_long_as_it_may_meets_an_unknown_one() {
    let Some(storage) = Storage::postgres().await else { return };
    let settings = [PUBLISH_AHEAD];
    let instances = Arc::new([Server::start(&storage, &settings), Server::start(&storage, &settings)]);
    let first = key_id(&registered(&instances[0], "ada@example.com").await.access);

    let load = Load::begin(&instances, true).await;
    // The second begins before the first has signed anything.
    let rotate = || first_kid(&operate(&storage, &settings, &["key", "rotate"], "").stdout);
    let coming = [rotate(), rotate()];
    assert!(coming[0] != coming[1] && !coming.contains(&first), "{coming:?}");
    load.both_sign_with(|kid| kid == coming[1]).await;
    let answers = load.end().await; // which fails if a service found a token without its key
    assert!(answers > 100, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_57_a_key_that_was_revoked_in_an_emergency_is_worth_nothing_on_any_instance_within_a_second() {
    let Some(storage) = Storage::postgres().await else { return };
    let instances = [Server::start(&storage, &[]), Server::start(&storage, &[])];
    let mut sessions = vec![registered(&instances[0], "ada@example.com").await];
    for instance in &instances {
        let session = logged_in(instance, "ada@example.com").await;
        // Both have verified it once, so both remember it.
        for instance in &instances {
            assert_eq!(instance.me(&session.access).await.status(), StatusCode::OK);
        }
        sessions.push(session);
    }
    let stolen = key_id(&sessions[0].access);
    assert!(sessions.iter().all(|session| key_id(&session.access) == stolen));

    let printed = operated(&storage, &["key", "revoke", &stolen], "");
    let deadline = Instant::now() + ELSEWHERE;
    assert!(printed.contains(&stolen), "{printed}");
    for instance in &instances {
        for session in &sessions {
            // The storage itself refuses what would buy further tokens.
            assert_eq!(instance.refresh(&session.refresh).await.status(), StatusCode::UNAUTHORIZED);
        }
    }
    for instance in &instances {
        for session in &sessions {
            is_refused_after(instance, "/api/v1/auth/me", &session.access, deadline).await;
        }
    }
    for instance in &instances {
        let asked = Instant::now();
        let later = logged_in(instance, "ada@example.com").await;
        assert!(asked.elapsed() < EMERGENCY, "nobody could sign in for {:?}", asked.elapsed());
        assert_ne!(key_id(&later.access), stolen);
        assert_ne!(key_id(&later.refresh), stolen);
        for instance in &instances {
            assert_eq!(instance.me(&later.access).await.status(), StatusCode::OK);
        }
        assert_eq!(instance.refresh(&later.refresh).await.status(), StatusCode::OK);
        assert_eq!(published(instance).await, BTreeSet::from([key_id(&later.access)]));
    }
}

/// Revoked under load: nobody is answered other than that the token is refused or accepted, and whoever signs in again goes on.
#[tokio::test(flavor = "multi_thread")]
async fn sec_57_whoever_signs_in_again_after_an_emergency_goes_on() {
    let Some(storage) = Storage::postgres().await else { return };
    let instances = Arc::new([Server::start(&storage, &[]), Server::start(&storage, &[])]);
    let mut stolen = key_id(&registered(&instances[0], "ada@example.com").await.access);
    for _ in 0..3 {
        let mut clients = JoinSet::new();
        for client in 0..4 {
            let (instances, stolen) = (instances.clone(), stolen.clone());
            clients.spawn(async move {
                let mut session = logged_in(&instances[client % 2], "ada@example.com").await;
                // Until one whose key is another is accepted by both.
                loop {
                    let mut statuses = BTreeSet::new();
                    for instance in instances.iter() {
                        statuses.insert(instance.me(&session.access).await.status());
                    }
                    if key_id(&session.access) != stolen {
                        assert_eq!(statuses, BTreeSet::from([StatusCode::OK]));
                        return;
                    }
                    if statuses.contains(&StatusCode::UNAUTHORIZED) {
                        session = logged_in(&instances[client % 2], "ada@example.com").await;
                    }
                }
            });
        }
        operated(&storage, &["key", "revoke", &stolen], "");
        clients.join_all().await;
        stolen = key_id(&logged_in(&instances[0], "ada@example.com").await.access);
    }
}

/// The ids of the keys that an instance publishes.
async fn published(instance: &Server) -> BTreeSet<String> {
    let jwks: Value = instance.get("/.well-known/jwks.json", None).await.json().await.expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// The newest of the keys that `key list` and `key rotate` print.
fn first_kid(printed: &[u8]) -> String {
    let printed = str::from_utf8(printed).expect("text");
    printed.split_whitespace().next().expect("a key").to_owned()
}

/// A service that knows the published keys alone, and asks for them no sooner than the cache control allows; in its world,
/// time runs 60 times as fast.
#[derive(Default)]
struct Service {
    keys: Vec<Value>,
    kept_until: Option<Instant>,
}

impl Service {
    async fn accept(&mut self, token: &str, instance: &Server) {
        if self.kept_until.is_none_or(|until| until <= Instant::now()) {
            let answer = instance.get("/.well-known/jwks.json", None).await;
            let cache_control = answer.headers()["cache-control"].to_str().expect("text");
            let max_age = cache_control.strip_prefix("public, max-age=").expect("keys that may be kept");
            let max_age = Duration::from_secs(max_age.parse().expect("seconds"));
            self.kept_until = Some(Instant::now() + max_age / 60);
            let jwks: Value = answer.json().await.expect("JSON");
            self.keys.clone_from(jwks["keys"].as_array().expect("keys"));
        }
        let kid = key_id(token);
        let key = self.keys.iter().find(|key| key["kid"] == kid.as_str());
        let key = key.unwrap_or_else(|| panic!("{kid} is not among {:?}", self.keys));
        assert!(forge::is_signed_by(key, token));
    }
}

/// Sessions that are refreshed on one instance and used on the other, again and again.
struct Load {
    clients: JoinSet<usize>,
    over: Arc<AtomicBool>,
    /// The newest key that each instance was seen to sign with.
    signing: Arc<Mutex<[String; 2]>>,
}

impl Load {
    /// With `services`, each client uses its tokens at a [`Service`], too.
    async fn begin(instances: &Arc<[Server; 2]>, services: bool) -> Self {
        let (over, signing) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new([String::new(), String::new()])));
        let mut clients = JoinSet::new();
        for client in 0..4 {
            let mut user = registered(&instances[0], &format!("client-{client}@example.com")).await;
            let (instances, over, signing) = (instances.clone(), over.clone(), signing.clone());
            let mut service = services.then(Service::default);
            clients.spawn(async move {
                let mut answers = 0;
                while !over.load(Ordering::SeqCst) {
                    let here = (client + answers) % 2;
                    let refreshed = instances[here].refresh(&user.refresh).await;
                    user = SignedIn::from_answer(refreshed, StatusCode::OK).await;
                    signing.lock().expect("no panic")[here] = key_id(&user.access);
                    for instance in [&instances[1 - here], &instances[here]] {
                        let me = instance.me(&user.access).await;
                        assert_eq!(me.status(), StatusCode::OK, "{}", claims(&user.access));
                    }
                    if let Some(service) = &mut service {
                        service.accept(&user.access, &instances[client % 2]).await;
                    }
                    answers += 1;
                }
                answers
            });
        }
        Self { clients, over, signing }
    }

    /// Waits until both instances sign with one key that is not `former`.
    async fn both_sign_with_another_than(&self, former: &str) -> String {
        self.both_sign_with(|kid| kid != former).await
    }

    /// Waits until both instances sign with one key that is wanted.
    async fn both_sign_with(&self, is_wanted: impl Fn(&str) -> bool) -> String {
        for _ in 0..12_000 {
            let [one, other] = self.signing.lock().expect("no panic").clone();
            if one == other && !one.is_empty() && is_wanted(&one) {
                return one;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("after two minutes the instances sign with {:?}", self.signing.lock());
    }

    async fn end(self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        let answers = self.clients.join_all().await;
        let distinct: BTreeSet<_> = self.signing.lock().expect("no panic").iter().cloned().collect();
        assert_eq!(distinct.len(), 1);
        answers.into_iter().sum()
    }
}
