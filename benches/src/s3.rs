//! S3: what a login costs beyond its hash, in throughput and in latency.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::http::Connection;
use crate::load;
use crate::machine;
use crate::report::Report;
use crate::server::{PASSWORD, Server, login};
use crate::statistics::median;
use crate::storage::Storage;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let storages = [Storage::sqlite()?, Storage::postgres()?];
    for storage in &storages {
        let server = Server::start(storage, &[])?;
        server.register("bench@example.com")?;
        throughput(report, storage.name, &server)?;
        latency(report, storage.name, &server)?;
    }
    Ok(())
}

fn throughput(report: &mut Report, storage: &str, server: &Server) -> Result<()> {
    let (lanes, request) = (machine::cores(), login("bench@example.com", PASSWORD));
    let (mut ratios, mut logins, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (raw, _) = hash_alone(lanes, ROUND)?;
        let through = load::side_by_side(&server.address, &request, 4 * lanes, ROUND)?.per_second();
        ratios.push(through / raw);
        logins.push(through);
        hashes.push(raw);
    }
    let ratio = median(&ratios);
    let (logins, hashes) = (median(&logins), median(&hashes));
    report.goal(
        format!("S3 logins over {storage}, {lanes} lanes"),
        format!("{ratio:.2} × the hash alone ({logins:.1}/s against {hashes:.1}/s)"),
        "≥ 0.95 × the hash alone",
        ratio >= 0.95,
    );
    Ok(())
}

fn latency(report: &mut Report, storage: &str, server: &Server) -> Result<()> {
    let request = login("bench@example.com", PASSWORD);
    let mut connection = Connection::open(&server.address)?;
    let (mut over, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (_, hash) = hash_alone(1, ROUND / 4)?;
        let login = load::one_by_one(&mut connection, &request, 25)?;
        over.push(login - hash);
        whole.push(login);
    }
    let (over, whole) = (median(&over), median(&whole));
    report.goal(
        format!("S3 one login over {storage}"),
        format!("{over:.2} ms over its hash (of {whole:.1} ms)"),
        "≤ 1 ms over its hash",
        over <= 1.0,
    );
    Ok(())
}

/// Hashes in a second on so many threads, and the milliseconds of one hash.
fn hash_alone(threads: usize, duration: Duration) -> Result<(f64, f64)> {
    let mut hash = Command::new(std::env::current_exe()?);
    hash.args(["hash", &threads.to_string(), &duration.as_millis().to_string()]);
    let output = hash.env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout)?;
    let (per_second, millis) = printed.trim().split_once(' ').context("two numbers")?;
    Ok((per_second.parse()?, millis.parse()?))
}
