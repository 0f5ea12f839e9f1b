//! The corpus of bad input (security.md section 4, categories 1 to 15 and 17 to 20): every case of `tests/corpus/*.jsonl`
//! against a server on each storage. Never a 5xx, never a hang, nothing stored, nothing echoed, one verdict.

mod case;
mod check;
mod stage;
mod token;

use std::collections::BTreeMap;

use self::case::Case;
use self::check::Verdict;
use self::stage::Stage;
use crate::support::{Server, Storage, command, memory_mib};

/// The grace is off so that a case can present a spent token without waiting, and the block list is on as in production.
const SETTINGS: [(&str, &str); 2] =
    [("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "0s"), ("MAESTRO_AUTH__PASSWORD__BLOCKLIST", "true")];
/// How much a server may grow over the whole corpus.
const GROWTH_MIB: f64 = 64.0;

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_input_gets_one_verdict_on_every_storage() {
    let cases = case::all();
    assert!(cases.len() >= 180, "the corpus shrank to {} cases", cases.len());
    let (memory, sqlite, postgres) = tokio::join!(
        on_storage("memory", Storage::memory(), &cases),
        on_storage("sqlite", Storage::sqlite(), &cases),
        async {
            match Storage::postgres().await {
                Some(storage) => Some(on_storage("postgres", storage, &cases).await),
                None => None,
            }
        },
    );
    let played: Vec<Played> = [Some(memory), Some(sqlite), postgres].into_iter().flatten().collect();
    let mut complaints: Vec<String> = played.iter().flat_map(|played| played.complaints.clone()).collect();
    complaints.extend(disagreements(&played));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// What came of the corpus on one storage.
struct Played {
    name: &'static str,
    verdicts: BTreeMap<String, Verdict>,
    complaints: Vec<String>,
}

async fn on_storage(name: &'static str, storage: Storage, cases: &[Case]) -> Played {
    let server = Server::start(&storage, &SETTINGS);
    let mut stage = Stage::set(name, server.address(), None).await;
    for _ in 0..4 {
        stage.sign_in().await; // every hashing lane has its memory by now
    }
    let before = memory_mib(server.pid(), "VmRSS");

    let mut played = Played { name, verdicts: BTreeMap::new(), complaints: Vec::new() };
    for (number, case) in cases.iter().enumerate() {
        stage.put("canary", format!("zqcanary{number:08x}"));
        play(case, &mut stage, &mut played).await;
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
        server.kill();
        let stored = stored_users(&storage);
        let expected = stage.registered + 2; // and the account of the stage, and the first admin
        if stored != expected {
            complain(format!("{stored} users are stored, {expected} were acknowledged"));
        }
    }
    played
}

async fn play(case: &Case, stage: &mut Stage, played: &mut Played) {
    let name = stage.name;
    let mut complain =
        |complaint: String| played.complaints.push(format!("{name}: {}: {complaint}", case.id));
    if case.needs_tokens() {
        stage.sign_in().await;
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
    if let Some(spec) = &case.token {
        if spec.is_signed_by_the_server() && !stage.has_own_key() {
            return;
        }
        let original = stage.value(spec.kind.as_deref().unwrap_or("access")).to_owned();
        stage.put("token", token::forged(spec, &original, stage));
    }
    let reply = match stage.send(&case.request).await {
        Ok(reply) => reply,
        Err(error) => return complain(error),
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
