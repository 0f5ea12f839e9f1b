//! S1: `GET /me`, warm, against an actix "hello" on the same core.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::http::get;
use crate::load;
use crate::machine;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::median;
use crate::storage::Storage;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_500);
const GOAL: f64 = 0.80;

/// A server with the one request that it is asked, and what every round found.
struct Contestant {
    name: &'static str,
    server: Server,
    request: Vec<u8>,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

impl Contestant {
    fn new(name: &'static str, server: Server, request: Vec<u8>) -> Self {
        Self { name, server, request, per_second: Vec::new(), cpu_micros: Vec::new() }
    }

    fn run(&mut self) -> Result<()> {
        load::in_turns(&self.server.address, &self.request, ROUND / 5)?; // warm
        let before = machine::cpu_time(self.server.pid())?;
        let found = load::in_turns(&self.server.address, &self.request, ROUND)?;
        let used = machine::cpu_time(self.server.pid())?.saturating_sub(before);
        self.per_second.push(found.per_second());
        self.cpu_micros.push(used.as_secs_f64() * 1e6 / f64::from(found.answers));
        Ok(())
    }
}

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let storages = [Storage::memory()?, Storage::sqlite()?, Storage::postgres()?];
    let mut contestants = vec![Contestant::new("hello", Server::start_hello()?, get("/", None))];
    for storage in &storages {
        let server = Server::start_pinned(storage)?;
        let token = server.register("bench@example.com")?;
        contestants.push(Contestant::new(storage.name, server, get("/api/v1/auth/me", Some(&token))));
    }
    for _ in 0..ROUNDS {
        contestants.iter_mut().try_for_each(Contestant::run)?;
    }

    let (hello, servers) = contestants.split_first().context("a hello")?;
    report.note(
        "S1 actix hello, one core",
        format!(
            "{:.0} requests/s, {:.1} µs of CPU each",
            median(&hello.per_second),
            median(&hello.cpu_micros)
        ),
    );
    for contestant in servers {
        let (rate, cost) = (median(&contestant.per_second), median(&contestant.cpu_micros));
        // Each round against the hello of the same round.
        let ratios: Vec<f64> =
            contestant.per_second.iter().zip(&hello.per_second).map(|(me, hello)| me / hello).collect();
        let ratio = median(&ratios);
        report.goal(
            format!("S1 `/me` over {}, one core", contestant.name),
            format!("{ratio:.2} × hello ({rate:.0} requests/s, {cost:.1} µs of CPU each)"),
            "≥ 0.80 × hello",
            ratio >= GOAL,
        );
    }
    Ok(())
}
