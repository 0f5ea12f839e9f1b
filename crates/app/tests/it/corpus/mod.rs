//! The corpus of bad input (security.md section 4, categories 1 to 15, 17 to 20, 22 and 24): every case of `tests/corpus/*.jsonl`
//! against a server on each storage. Never a 5xx, never a hang, nothing stored, nothing echoed, one verdict.

mod case;
mod check;
mod own_key;
mod stage;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64ct::{Base64, Encoding};

use self::case::Case;
use self::check::Verdict;
use self::own_key::OwnKey;
use self::stage::Stage;
use crate::support::database::sealed_signing_key;
use crate::support::forge::Es256Key;
use crate::support::{Server, Storage, command, memory_mib};

/// The grace is off so that a case can present a spent token without waiting, the block list is on as in production, and
/// the encryption key is known so that the test can sign as the server.
const SETTINGS: [(&str, &str); 3] = [
    ("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "0s"),
    ("MAESTRO_AUTH__PASSWORD__BLOCKLIST", "true"),
    ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="),
];
/// How much a server may grow over the whole corpus.
const GROWTH_MIB: f64 = 64.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)] // starting and stopping servers blocks a thread each
async fn every_bad_input_gets_one_verdict_on_every_storage() {
    let cases = Arc::new(case::all());
    assert!(cases.len() >= 180, "the corpus shrank to {} cases", cases.len());
    let storages =
        [Some(("memory", Storage::memory())), Some(("sqlite", Storage::sqlite())), postgres().await];
    let mut playing = Vec::new();
    for (name, storage) in storages.into_iter().flatten() {
        playing.push(tokio::spawn(on_storage(name, storage, Arc::clone(&cases))));
    }
    let mut played = Vec::new();
    for stage in playing {
        played.push(stage.await.expect("the cases are played to the end"));
    }
    let mut complaints: Vec<String> = played.iter().flat_map(|played| played.complaints.clone()).collect();
    complaints.extend(disagreements(&played));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

async fn postgres() -> Option<(&'static str, Storage)> {
    Some(("postgres", Storage::postgres().await?))
}

/// What came of the corpus on one storage.
struct Played {
    name: &'static str,
    verdicts: BTreeMap<String, Verdict>,
    complaints: Vec<String>,
}

async fn on_storage(name: &'static str, storage: Storage, cases: Arc<Vec<Case>>) -> Played {
    let own_key = if name == "memory" { None } else { Some(own_key_of(&storage).await) };
    let server = Server::start(&storage, &SETTINGS);
    let mut stage = Stage::set(name, server.address(), own_key).await;
    // The key of a server over memory is in its process alone, so what takes that key plays in this process.
    let mut inside = match name {
        "memory" => {
            let (address, ring) = own_key::in_process(&SETTINGS).await;
            Some(Stage::set("memory, in process", &address, Some(ring)).await)
        }
        _ => None,
    };
    for _ in 0..4 {
        stage.sign_in().await; // every hashing lane has its memory by now
    }
    let before = memory_mib(server.pid(), "VmRSS");

    let mut played = Played { name, verdicts: BTreeMap::new(), complaints: Vec::new() };
    for (number, case) in cases.iter().enumerate() {
        for stage in std::iter::once(&mut stage).chain(&mut inside) {
            stage.put("canary", format!("zqcanary{number:08x}"));
            if play(case, stage, &mut played).await.is_some() {
                break;
            }
        }
    }

    let mut complain = |complaint: String| played.complaints.push(format!("{name}: {complaint}"));
    if !stage.is_trap_untouched() {
        complain("the server followed a URL from a token".to_owned());
    }
    let growth = memory_mib(server.pid(), "VmRSS") - before;
    if growth > GROWTH_MIB {
        complain(format!("the server grew by {growth:.1} MiB"));
    }
    if server.get("/readyz", None).await.status() != 200 {
        complain("the server is not ready after the corpus".to_owned());
    }
    let panicked = server.printed().lines().any(|line| line.contains("panicked"));
    if panicked {
        complain("the server panicked".to_owned());
    }
    if name != "memory" {
        if played.verdicts.len() < cases.len() {
            complain(format!("only {} cases were played", played.verdicts.len()));
        }
        server.kill();
        let stored = stored_users(&storage);
        let expected = stage.registered + 2; // and the account of the stage, and the first admin
        if stored != expected {
            complain(format!("{stored} users are stored, {expected} were acknowledged"));
        }
    }
    played
}

/// Starts a server for long enough that it makes its key, and opens that.
async fn own_key_of(storage: &Storage) -> OwnKey {
    Server::start(storage, &SETTINGS).kill();
    let (kid, sealed) = sealed_signing_key(storage).await;
    let encryption_key = Base64::decode_vec(SETTINGS[2].1).expect("base64");
    OwnKey::Opened(Es256Key::unsealed(&kid, &sealed, &encryption_key))
}

/// Plays one case; `None` when this stage can't, for want of the server's key.
async fn play(case: &Case, stage: &mut Stage, played: &mut Played) -> Option<()> {
    let name = stage.name;
    let mut complain =
        |complaint: String| played.complaints.push(format!("{name}: {}: {complaint}", case.id));
    if case.needs_tokens() {
        stage.sign_in().await;
    }
    if case.needs_admin() {
        stage.sign_in_admin().await;
    }
    if let Some(spec) = &case.token {
        let original = stage.value(spec.kind.as_deref().unwrap_or("access")).to_owned();
        stage.put("token", token::forged(spec, &original, stage)?);
    }
    for request in &case.setup {
        match stage.send(request).await {
            Ok(reply) if reply.status == 201 => stage.registered += 1,
            Ok(reply) if reply.status >= 500 => {
                complain(format!("the setup was answered with {}", reply.status));
            }
            Ok(_) => {}
            Err(error) => complain(error),
        }
    }
    let reply = match stage.send(&case.request).await {
        Ok(reply) => reply,
        Err(error) => {
            complain(error);
            return Some(());
        }
    };
    for complaint in check::complaints(case, &reply, stage) {
        complain(format!("{complaint}\n    {}", reply.text().replace('\n', "\n    ")));
    }
    if reply.status == 201 {
        stage.registered += 1;
    } else if opens_an_account(case, &reply, stage).await {
        complain("the refused registration left an account".to_owned());
    }
    played.verdicts.insert(case.id.clone(), check::verdict(&reply));
    Some(())
}

/// Whether somebody can sign in with what a refused registration carried.
async fn opens_an_account(case: &Case, reply: &crate::support::wire::Reply, stage: &Stage) -> bool {
    if !case.request.path.ends_with("/register") || reply.status == 409 {
        return false;
    }
    let Some(sent) = stage.json_of(&case.request) else { return false };
    if !sent["email"].is_string() || !sent["password"].is_string() {
        return false;
    }
    let credentials = serde_json::json!({ "email": sent["email"], "password": sent["password"] });
    let login = stage.send(&stage::post("/api/v1/auth/login", credentials)).await;
    login.is_ok_and(|reply| reply.status < 300)
}

/// Cases whose verdict depends on the storage.
fn disagreements(played: &[Played]) -> Vec<String> {
    let Some((first, others)) = played.split_first() else { return Vec::new() };
    let mut disagreements = Vec::new();
    for other in others {
        for (id, verdict) in &first.verdicts {
            if other.verdicts.get(id).is_some_and(|found| found != verdict) {
                let found = &other.verdicts[id];
                disagreements
                    .push(format!("{id}: {} says {verdict:?}, {} says {found:?}", first.name, other.name));
            }
        }
    }
    disagreements
}

/// Counts the lines of `maestro-auth user list` that carry an address.
fn stored_users(storage: &Storage) -> usize {
    let output = command(storage, &SETTINGS).args(["user", "list"]).output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains('@')).count()
}
