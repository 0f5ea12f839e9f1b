//! S1 and S2: `GET /me` and `GET /verify`, warm, against an actix "hello" on the same core.

use std::time::Duration;

use anyhow::Result;

use crate::api;
use crate::http::get;
use crate::load;
use crate::machine;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::median;
use crate::storage::Storage;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_200);
const GOAL: f64 = 0.80;

/// A server with the one request that it is asked, and what every round found.
struct Contestant<'a> {
    name: String,
    server: &'a Server,
    request: Vec<u8>,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

impl<'a> Contestant<'a> {
    fn new(name: String, server: &'a Server, request: Vec<u8>) -> Self {
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
    let servers = storages.iter().map(Server::start_pinned).collect::<Result<Vec<_>>>()?;
    let hello = Server::start_hello()?;

    let mut hello = Contestant::new("hello".to_owned(), &hello, get("/", None));
    let mut contestants = Vec::new();
    for (goal, route, request) in [("S1", "/me", api::me as fn(&_) -> _), ("S2", "/verify", api::verify)] {
        for (storage, server) in storages.iter().zip(&servers) {
            let tokens = api::sign_up(&server.address, &format!("{goal}@example.com"))?;
            let name = format!("{goal} `{route}` over {}", storage.name);
            contestants.push(Contestant::new(name, server, request(&tokens)));
        }
    }
    for _ in 0..ROUNDS {
        hello.run()?;
        contestants.iter_mut().try_for_each(Contestant::run)?;
    }

    report.note(
        "S1, S2 actix hello, one core",
        format!(
            "{:.0} requests/s, {:.1} µs of CPU each",
            median(&hello.per_second),
            median(&hello.cpu_micros)
        ),
    );
    for contestant in contestants {
        let (rate, cost) = (median(&contestant.per_second), median(&contestant.cpu_micros));
        // Each round against the hello of the same round.
        let ratios: Vec<f64> =
            contestant.per_second.iter().zip(&hello.per_second).map(|(asked, hello)| asked / hello).collect();
        let ratio = median(&ratios);
        report.goal(
            format!("{}, one core", contestant.name),
            format!("{ratio:.2} × hello ({rate:.0} requests/s, {cost:.1} µs of CPU each)"),
            "≥ 0.80 × hello",
            ratio >= GOAL,
        );
    }
    Ok(())
}
