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

/// Many short turns, since the speed of a shared machine drifts.
const ROUNDS: usize = 19;
const TURN: Duration = Duration::from_millis(150);
const GOAL: f64 = 0.80;

/// A server with the one request that it is asked, and what all turns came to.
struct Contestant<'a> {
    name: String,
    server: &'a Server,
    request: Vec<u8>,
    answers: u32,
    elapsed: Duration,
    cpu: Duration,
    /// The speed of each turn against that of the hello right before it.
    ratios: Vec<f64>,
}

impl<'a> Contestant<'a> {
    fn new(name: String, server: &'a Server, request: Vec<u8>) -> Self {
        let (elapsed, cpu) = (Duration::ZERO, Duration::ZERO);
        Self { name, server, request, answers: 0, elapsed, cpu, ratios: Vec::new() }
    }

    /// Takes a turn, and gives the requests a second that it came to.
    fn run(&mut self) -> Result<f64> {
        load::in_turns(&self.server.address, &self.request, TURN / 5)?; // warm
        let before = machine::cpu_time(self.server.pid())?;
        let found = load::in_turns(&self.server.address, &self.request, TURN)?;
        self.cpu += machine::cpu_time(self.server.pid())?.saturating_sub(before);
        self.answers += found.answers;
        self.elapsed += found.elapsed;
        Ok(found.per_second())
    }

    fn run_after(&mut self, hello: &mut Self) -> Result<()> {
        let (before, rate) = (hello.run()?, self.run()?);
        self.ratios.push(rate / before);
        Ok(())
    }

    fn speed(&self) -> String {
        let (answers, seconds) = (f64::from(self.answers), self.elapsed.as_secs_f64());
        let micros = self.cpu.as_secs_f64() * 1e6;
        format!("{:.0} requests/s, {:.1} µs of CPU each", answers / seconds, micros / answers)
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
        contestants.iter_mut().try_for_each(|contestant| contestant.run_after(&mut hello))?;
    }

    report.note("S1, S2 actix hello, one core", hello.speed());
    for contestant in contestants {
        let ratio = median(&contestant.ratios);
        report.goal(
            format!("{}, one core", contestant.name),
            format!("{ratio:.2} × hello ({})", contestant.speed()),
            "≥ 0.80 × hello",
            ratio >= GOAL,
        );
    }
    Ok(())
}
