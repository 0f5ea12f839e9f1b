//! S5: refreshes over PostgreSQL, against pgbench with the very statement that a refresh runs.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::api::{self, Tokens};
use crate::http::Connection;
use crate::load::{self, Throughput};
use crate::machine;
use crate::postgres;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::median;
use crate::storage::Storage;

const CLIENTS: usize = 8;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// Sessions for pgbench, one for each of its clients and named after it.
const ADD_SESSIONS: &str = "INSERT INTO sessions
    SELECT ('00000000-0000-7000-8000-' || lpad((row_number() OVER () - 1)::text, 12, '0'))::uuid, tenant_id,
        user_id, opened_generation, counter, created_at, rotated_at, expires_at
    FROM sessions";
const RESET_SESSIONS: &str =
    "UPDATE sessions SET counter = 1 WHERE id < '00000000-0000-7000-8001-000000000000'";
/// The session of a pgbench client, in pgbench's words.
const SESSION: &str = "('00000000-0000-7000-8000-' || lpad(:client_id, 12, '0'))::uuid";
const ROTATION: &str = "SELECT query FROM pg_stat_activity
    WHERE application_name = 'maestro-auth' AND query LIKE '%counter = counter + 1%' LIMIT 1";
/// The key that signs, and that the server demands for each refresh.
const KEY: &str = "SELECT kid FROM signing_keys LIMIT 1";
const NOW: &str = "SELECT floor(extract(epoch FROM now()) * 1000000)::bigint";

/// Nothing is pinned: everybody shares the cores, as on a small machine.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let storage = Storage::postgres()?;
    let server = Server::start(&storage, &[])?;
    let sign_up = |n| api::sign_up(&server.address, &format!("client-{n}@example.com"));
    let mut clients = (0..CLIENTS).map(sign_up).collect::<Result<Vec<_>>>()?;
    storage.query(ADD_SESSIONS)?;
    fs::write(storage.folder().join("rotation.sql"), script(&storage, &server, &mut clients[0])?)?;

    let (mut rates, mut raw_rates, mut ratios, mut costs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = machine::cpu_time(server.pid())?;
        let (found, successors) = refresh_side_by_side(&server, clients)?;
        let used = machine::cpu_time(server.pid())?.saturating_sub(before);
        clients = successors;
        let (rate, raw) = (found.per_second(), pgbench(&storage)?);
        rates.push(rate);
        raw_rates.push(raw);
        ratios.push(rate / raw);
        costs.push(used.as_secs_f64() * 1e6 / f64::from(found.answers));
    }
    let (rate, raw, ratio) = (median(&rates), median(&raw_rates), median(&ratios));
    report.goal(
        format!("S5 refreshes over PostgreSQL, {CLIENTS} connections, nothing pinned"),
        format!("{ratio:.2} × pgbench with the same statement ({rate:.0}/s against {raw:.0}/s)"),
        "≥ 0.80 × pgbench",
        ratio >= 0.80,
    );
    let cost = median(&costs);
    report.goal("S5 CPU of the server", format!("{cost:.0} µs a refresh"), "≤ 200 µs", cost <= 200.0);
    Ok(())
}

/// Each client uses the successor that it was given last; the last ones of all are given back.
fn refresh_side_by_side(server: &Server, clients: Vec<Tokens>) -> Result<(Throughput, Vec<Tokens>)> {
    let started = Instant::now();
    let found = load::together(clients, |mut tokens| {
        let (mut connection, mut answers) = (Connection::open(&server.address)?, 0);
        while started.elapsed() < ROUND {
            tokens = Tokens::of(&connection.ask(&api::refresh(&tokens), 200)?)?;
            answers += 1;
        }
        Ok((answers, tokens))
    })?;
    let elapsed = started.elapsed();
    let (answers, successors): (Vec<u32>, Vec<Tokens>) = found.into_iter().unzip();
    Ok((Throughput { answers: answers.iter().sum(), elapsed }, successors))
}

/// The statement that the server runs for a refresh, as PostgreSQL saw it, in pgbench's words. Each client spends the
/// counter that it was given by the spending before; pgbench fails if nothing was spent.
fn script(storage: &Storage, server: &Server, tokens: &mut Tokens) -> Result<String> {
    let mut connection = Connection::open(&server.address)?;
    let mut seen = String::new();
    for _ in 0..20 {
        *tokens = Tokens::of(&connection.ask(&api::refresh(tokens), 200)?)?;
        seen = storage.query(ROTATION)?;
        if !seen.is_empty() {
            break; // else another statement has come over the same connection meanwhile
        }
    }
    ensure!(!seen.is_empty(), "no statement was seen that spends a counter");
    ensure!(seen.len() < 1_023, "PostgreSQL shows only the beginning of the statement that spends a counter");
    let script = seen
        .replace("$1", SESSION)
        .replace("$2", ":counter")
        .replace("$3", ":now")
        .replace("$4", ":bought_after")
        .replace("$5", &format!("'{}'", storage.query(KEY)?));
    ensure!(!script.contains('$'), "the statement that spends a counter has other parameters: {seen}");
    Ok(format!("{script} \\gset\n"))
}

/// Transactions a second.
fn pgbench(storage: &Storage) -> Result<f64> {
    const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

    storage.query(RESET_SESSIONS)?;
    let now: i64 = storage.query(NOW)?.parse()?;
    let mut pgbench = Command::new(postgres::tool("pgbench"));
    pgbench.args(["--no-vacuum", "--protocol=prepared", "--define=counter=1"]);
    pgbench.arg(format!("--define=now={now}")).arg(format!("--define=bought_after={}", now - DAY_MICROS));
    pgbench.arg(format!("--client={CLIENTS}")).arg(format!("--jobs={}", machine::cores()));
    pgbench.arg(format!("--time={}", ROUND.as_secs())).arg("--file=rotation.sql");
    let output =
        pgbench.current_dir(storage.folder()).arg(&storage.url).output().context("running pgbench")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout)?;
    let rate = printed.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    Ok(rate.context("pgbench prints its rate")?.parse()?)
}
