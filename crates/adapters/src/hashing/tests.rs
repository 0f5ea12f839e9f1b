//! What the lanes promise, seen from outside through the port, and from inside a lane.

use std::fs;
use std::sync::mpsc;

use maestro_auth_domain::{Argon2Params, HashScheme};

use super::super::floor::thread_cpu_time;
use super::*;
use crate::system::testing::SeededEntropy;

const ARGON2ID: HashScheme = HashScheme::Argon2id(Argon2Params::DEFAULT);

/// One lane and patience: a machine that is busy with other things has little time for the lowest priority.
fn settings(scheme: HashScheme) -> HashingSettings {
    HashingSettings { scheme, lanes: 1, queue: 300, max_wait: Duration::from_secs(10) }
}

fn start(settings: HashingSettings) -> Arc<HashingLanes> {
    Arc::new(HashingLanes::start(settings, Arc::new(SeededEntropy::new(42))).unwrap())
}

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

fn stored(encoded: &str) -> PasswordHash {
    PasswordHash::new(encoded.to_owned())
}

fn is_match(verification: &Verification) -> bool {
    matches!(verification, Verification::Match { .. })
}

fn upgrade(verification: Verification) -> Option<String> {
    match verification {
        Verification::Match { upgrade } => upgrade.map(|hash| hash.as_str().to_owned()),
        Verification::Mismatch | Verification::Rejected => panic!("the password should have matched"),
    }
}

/// Keeps the only lane busy until the sender is dropped; returns once the lane is at it. On a crowded machine the lane, which has
/// the lowest priority, may come to it only after the wait was over; then it is asked again.
async fn occupy(lanes: &Arc<HashingLanes>) -> mpsc::Sender<()> {
    loop {
        let (release, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let lanes = lanes.clone();
        tokio::spawn(async move {
            let wait = move |_: &Engine, _: &mut BlockMemory| {
                let _ = begun.send(());
                let _ = gate.recv();
                Ok(())
            };
            lanes.run(false, wait).await
        });
        if has_begun.await.is_ok() {
            return release;
        }
    }
}

/// Waits until `count` jobs are in the queue.
async fn queued(lanes: &HashingLanes, count: usize) {
    while lanes.queue.len() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn hashes_of_other_products_verify() {
    let lanes = start(settings(ARGON2ID));
    for (text, encoded) in [
        // The reference implementation's test vectors.
        (
            "password",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ),
        ("password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
        ("password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
        // A test vector of jBCrypt, and what libxcrypt makes of an example of the PHP manual.
        ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        ("a", "$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        ("rasmuslerdorf", "$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq"),
    ] {
        let right = lanes.verify(password(text), Some(stored(encoded))).await.unwrap();
        assert!(is_match(&right), "{encoded}");
        let wrong = lanes.verify(password(&format!("{text}x")), Some(stored(encoded))).await.unwrap();
        assert_eq!(wrong, Verification::Mismatch, "{encoded}");
    }
}

#[tokio::test]
async fn sec_08_new_hashes_are_phc_argon2id_with_a_fresh_salt_each() {
    let lanes = start(settings(ARGON2ID));
    let first = lanes.hash(password("correct horse")).await.unwrap();
    let second = lanes.hash(password("correct horse")).await.unwrap();

    assert_eq!(first.scheme(), Ok(ARGON2ID));
    let fields: Vec<usize> = first.as_str().split('$').skip(4).map(str::len).collect();
    assert_eq!(fields, [22, 43], "16 bytes of salt and 32 of tag");
    assert_ne!(first, second);
    let verified = lanes.verify(password("correct horse"), Some(first)).await;
    assert_eq!(verified, Ok(Verification::Match { upgrade: None }));
}

#[tokio::test]
async fn sec_11_weaker_hashes_are_upgraded_and_stronger_ones_are_not() {
    let lanes = start(settings(ARGON2ID));
    for (text, weaker) in [
        ("password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
        ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
    ] {
        let new = upgrade(lanes.verify(password(text), Some(stored(weaker))).await.unwrap()).unwrap();
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
        assert_eq!(upgrade(lanes.verify(password(text), Some(stored(&new))).await.unwrap()), None);
    }
    let stronger = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert_eq!(upgrade(lanes.verify(password("password"), Some(stored(stronger))).await.unwrap()), None);
}

#[tokio::test]
async fn a_bcrypt_server_upgrades_bcrypt_and_leaves_argon2id_alone() {
    let lanes = start(settings(HashScheme::Bcrypt { cost: 10 }));
    let new = lanes.hash(password("correct horse")).await.unwrap();
    assert!(new.as_str().starts_with("$2b$10$"));
    assert_eq!(upgrade(lanes.verify(password("correct horse"), Some(new)).await.unwrap()), None);

    let weaker = stored("$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe");
    let upgraded = upgrade(lanes.verify(password("a"), Some(weaker)).await.unwrap()).unwrap();
    assert!(upgraded.starts_with("$2b$10$"), "{upgraded}");

    let argon2id =
        stored("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    assert_eq!(upgrade(lanes.verify(password("password"), Some(argon2id)).await.unwrap()), None);
}

#[tokio::test]
async fn sec_06_bcrypt_never_verifies_a_password_that_it_would_cut() {
    let lanes = start(settings(HashScheme::Bcrypt { cost: 10 }));
    let longest = "x".repeat(72);
    let hash = lanes.hash(password(&longest)).await.unwrap();

    assert!(is_match(&lanes.verify(password(&longest), Some(hash.clone())).await.unwrap()));
    let cut = password(&format!("{longest}y"));
    assert_eq!(lanes.verify(cut.clone(), Some(hash)).await, Ok(Verification::Mismatch));
    assert_eq!(lanes.hash(cut).await, Err(HashError::Failed));
}

#[tokio::test]
async fn sec_10_a_broken_or_costly_hash_verifies_nothing() {
    let lanes = start(settings(ARGON2ID));
    for rejected in [
        "",
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRP",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHR$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$2b$31$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
        "$2b$10$zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "$2b$10$éééééééééééééééééééééééééé",
    ] {
        let verified = lanes.verify(password("password"), Some(stored(rejected))).await;
        assert_eq!(verified, Ok(Verification::Rejected), "{rejected}");
    }
    assert_eq!(lanes.failure_floor(), Duration::ZERO);
}

/// Compares processor time on the lane, which other tests do not disturb.
#[tokio::test]
async fn sec_16_an_unknown_account_costs_what_a_wrong_password_costs() {
    for scheme in [ARGON2ID, HashScheme::Bcrypt { cost: 10 }] {
        let lanes = start(settings(scheme));
        let hash = lanes.hash(password("correct horse")).await.unwrap();
        let cost = async |stored: Option<PasswordHash>| {
            let stored = stored.map(|stored| StoredHash::parse(stored).unwrap());
            let measure = move |engine: &Engine, memory: &mut BlockMemory| {
                let started = thread_cpu_time();
                engine.verify(&password("wrong horse"), stored.as_ref(), memory)?;
                Ok(thread_cpu_time().saturating_sub(started))
            };
            lanes.run(false, measure).await.unwrap()
        };
        let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            known = known.min(cost(Some(hash.clone())).await);
            unknown = unknown.min(cost(None).await);
        }
        let ratio = known.as_secs_f64() / unknown.as_secs_f64();
        assert!((0.7..1.4).contains(&ratio), "{scheme:?}: {known:?} against {unknown:?}");
    }
}

#[tokio::test]
async fn sec_17_a_slower_stored_scheme_raises_the_failure_floor() {
    let lanes = start(settings(ARGON2ID));
    lanes.verify(password("wrong"), None).await.unwrap();
    assert_eq!(lanes.failure_floor(), Duration::ZERO);

    lanes.expect_bcrypt(10);
    let expected = lanes.failure_floor();
    assert!(expected > Duration::from_millis(20), "{expected:?}");
    lanes.expect_bcrypt(12);
    assert!(lanes.failure_floor() > expected * 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rel_30_a_flood_is_refused_in_time_and_passes() {
    const SLACK: Duration = Duration::from_secs(1);
    let max_wait = Duration::from_millis(300);
    let lanes = start(HashingSettings { max_wait, ..settings(ARGON2ID) });
    lanes.verify(password("warm-up"), None).await.unwrap();

    let started = Instant::now();
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let lanes = lanes.clone();
            tokio::spawn(async move {
                let verify = |engine: &Engine, memory: &mut BlockMemory| {
                    let begun = Instant::now();
                    engine.verify(&password("flood"), None, memory).map(|_| begun)
                };
                (lanes.run(false, verify).await, Instant::now())
            })
        })
        .collect();

    let (mut served, mut refused) = (0, 0);
    for task in flood {
        match task.await.unwrap() {
            (Ok(begun), _) => {
                assert!(begun - started < max_wait + SLACK, "began after {:?}", begun - started);
                served += 1;
            }
            (Err(error), answered) => {
                assert_eq!(error, HashError::Overloaded);
                assert!(answered - started < max_wait + SLACK, "refused after {:?}", answered - started);
                refused += 1;
            }
        }
    }
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    assert!(lanes.verify(password("afterwards"), None).await.is_ok());
}

#[tokio::test]
async fn whoever_finds_the_queue_full_or_waits_too_long_is_refused() {
    let lanes =
        start(HashingSettings { queue: 1, max_wait: Duration::from_millis(50), ..settings(ARGON2ID) });
    let _release = occupy(&lanes).await;

    let waiting = tokio::spawn({
        let lanes = lanes.clone();
        async move { lanes.verify(password("waits"), None).await }
    });
    queued(&lanes, 1).await;
    assert_eq!(lanes.verify(password("too many"), None).await, Err(HashError::Overloaded));
    assert_eq!(waiting.await.unwrap(), Err(HashError::Overloaded));
    assert_eq!(lanes.queue.len(), 0);
}

#[tokio::test]
async fn rel_34_callers_that_go_away_free_their_places_at_once() {
    let lanes = start(settings(ARGON2ID));
    let release = occupy(&lanes).await;
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let lanes = lanes.clone();
            tokio::spawn(async move { lanes.verify(password("aborted"), None).await })
        })
        .collect();
    queued(&lanes, 100).await;

    for caller in callers {
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    assert_eq!(lanes.queue.len(), 0);
    drop(release);
    assert!(lanes.verify(password("served"), None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn rel_31_memory_does_not_grow_with_the_number_of_callers() {
    let resident_mib = || {
        let statm = fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() / 256
    };
    let lanes = start(settings(ARGON2ID));
    lanes.verify(password("warm-up"), None).await.unwrap();

    let before = resident_mib();
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let lanes = lanes.clone();
            tokio::spawn(async move { lanes.verify(password("one of many"), None).await })
        })
        .collect();
    let mut peak = 0;
    for caller in callers {
        // Whether it was served or refused does not matter here.
        let _ = caller.await.unwrap();
        peak = peak.max(resident_mib());
    }
    // 200 × 19 MiB would be 3.8 GiB; the other tests of this process have a few lanes.
    assert!(peak < before + 400, "{before} MiB before, {peak} MiB at the peak");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_lane_runs_at_the_lowest_priority() {
    let lanes = start(settings(ARGON2ID));
    let stat =
        lanes.run(false, |_, _| Ok(fs::read_to_string("/proc/thread-self/stat"))).await.unwrap().unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    assert_eq!(after_name.split(' ').nth(16), Some("19"), "{stat}");
}

#[tokio::test]
async fn a_panic_fails_its_own_caller_and_nobody_else() {
    let lanes = start(settings(ARGON2ID));
    let panicked = lanes.run::<()>(false, |_, _| panic!("a test panics on purpose")).await;
    assert_eq!(panicked, Err(HashError::Failed));
    assert!(lanes.verify(password("next"), None).await.is_ok());
}

#[tokio::test]
async fn the_threads_end_with_the_lanes() {
    let lanes = start(HashingSettings { lanes: 3, ..settings(ARGON2ID) });
    let queue = lanes.queue.clone();
    drop(lanes);
    while Arc::strong_count(&queue) > 1 {
        tokio::task::yield_now().await;
    }
}
