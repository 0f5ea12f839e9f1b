//! Signing keys change under load without a refused token (SEC-56, REL-23).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::support::{Server, SignedIn, Storage, claims, key_id, operated, registered};

/// An instance looks for new keys twice a minute, so each of them takes up to half of one.
const ROTATIONS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn sec_56_rotating_the_key_under_load_refuses_no_token_on_two_instances() {
    let Some(storage) = Storage::postgres().await else { return };
    let instances = Arc::new([Server::start(&storage, &[]), Server::start(&storage, &[])]);
    let first = registered(&instances[0], "ada@example.com").await;

    let load = Load::begin(&instances).await;
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
        let published: serde_json::Value =
            instance.get("/.well-known/jwks.json", None).await.json().await.expect("JSON");
        let published: Vec<_> =
            published["keys"].as_array().expect("keys").iter().map(|key| &key["kid"]).collect();
        assert!(published.contains(&&serde_json::json!(newest)), "{published:?}");
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
    async fn begin(instances: &Arc<[Server; 2]>) -> Self {
        let (over, signing) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new([String::new(), String::new()])));
        let mut clients = JoinSet::new();
        for client in 0..4 {
            let mut user = registered(&instances[0], &format!("client-{client}@example.com")).await;
            let (instances, over, signing) = (instances.clone(), over.clone(), signing.clone());
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
                    answers += 1;
                }
                answers
            });
        }
        Self { clients, over, signing }
    }

    /// Waits until both instances sign with one key that is not `former`.
    async fn both_sign_with_another_than(&self, former: &str) -> String {
        for _ in 0..6_000 {
            let [one, other] = self.signing.lock().expect("no panic").clone();
            if one == other && !one.is_empty() && one != former {
                return one;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("after a minute the instances sign with {:?}; before, with {former}", self.signing.lock());
    }

    async fn end(self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        let answers = self.clients.join_all().await;
        let distinct: BTreeSet<_> = self.signing.lock().expect("no panic").iter().cloned().collect();
        assert_eq!(distinct.len(), 1);
        answers.into_iter().sum()
    }
}
