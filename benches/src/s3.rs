//! S3: what a login costs beyond its hash, in throughput and in latency.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::api;
use crate::http::Connection;
use crate::load;
use crate::machine;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::median;
use crate::storage::Storage;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(1);
const PAIRS: usize = 80;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let storages = [Storage::sqlite()?, Storage::postgres()?];
    for storage in &storages {
        let server = Server::start(storage, &[])?;
        api::sign_up(&server.address, "bench@example.com")?;
        throughput(report, storage.name, &server)?;
        latency(report, storage.name, &server)?;
    }
    Ok(())
}

fn throughput(report: &mut Report, storage: &str, server: &Server) -> Result<()> {
    let (lanes, request) = (machine::cores(), api::login("bench@example.com"));
    let (mut ratios, mut logins, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let raw = hashes_per_second(lanes)?;
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

/// Each login right after a hash, since the speed of a shared machine drifts.
fn latency(report: &mut Report, storage: &str, server: &Server) -> Result<()> {
    let request = api::login("bench@example.com");
    let (mut connection, mut hasher) = (Connection::open(&server.address)?, Hasher::start()?);
    let (mut over, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let hash = hasher.millis()?;
        over.push(load::latency(&mut connection, &request, 200)? - hash);
        alone.push(hash);
    }
    let (over, hash) = (median(&over), median(&alone));
    report.goal(
        format!("S3 one login over {storage}"),
        format!("{over:.2} ms over its hash of {hash:.1} ms"),
        "≤ 1 ms over its hash",
        over <= 1.0,
    );
    Ok(())
}

fn hashes_per_second(threads: usize) -> Result<f64> {
    let output = this_program(&["hash", &threads.to_string(), &ROUND.as_millis().to_string()])?.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// A process that hashes when it is asked.
struct Hasher {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Hasher {
    fn start() -> Result<Self> {
        let mut command = this_program(&["hash-on-demand"])?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("stdin is piped")?;
        let output = BufReader::new(child.stdout.take().context("stdout is piped")?);
        Ok(Self { child, input, output })
    }

    fn millis(&mut self) -> Result<f64> {
        self.input.write_all(b"\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn this_program(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
    Ok(command)
}
