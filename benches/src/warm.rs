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

/// Short turns, since the speed of a shared machine drifts.
const ROUNDS: usize = 9;
const TURN: Duration = Duration::from_millis(400);
const GOAL: f64 = 0.80;

/// A server with the one request that it is asked.
struct Contestant<'a> {
    name: String,
    server: &'a Server,
    request: Vec<u8>,
    turns: Vec<Turn>,
    /// The speed of each turn against that of the hello right before it.
    ratios: Vec<f64>,
}

/// What one turn found.
struct Turn {
    per_second: f64,
    cpu_micros: f64,
}

impl<'a> Contestant<'a> {
    fn new(name: String, server: &'a Server, request: Vec<u8>) -> Self {
        Self { name, server, request, turns: Vec::new(), ratios: Vec::new() }
    }

    fn run(&self) -> Result<Turn> {
        load::in_turns(&self.server.address, &self.request, TURN / 8)?; // warm
        let before = machine::cpu_time(self.server.pid())?;
        let found = load::in_turns(&self.server.address, &self.request, TURN)?;
        let used = machine::cpu_time(self.server.pid())?.saturating_sub(before);
        let cpu_micros = used.as_secs_f64() * 1e6 / f64::from(found.answers);
        Ok(Turn { per_second: found.per_second(), cpu_micros })
    }

    fn run_after(&mut self, hello: &mut Self) -> Result<()> {
        let (before, turn) = (hello.run()?, self.run()?);
        self.ratios.push(turn.per_second / before.per_second);
        self.turns.push(turn);
        hello.turns.push(before);
        Ok(())
    }

    /// The usual speed and cost, in words.
    fn usual(&self) -> String {
        let middle = |of: fn(&Turn) -> f64| median(&self.turns.iter().map(of).collect::<Vec<_>>());
        let (rate, cost) = (middle(|turn| turn.per_second), middle(|turn| turn.cpu_micros));
        format!("{rate:.0} requests/s, {cost:.1} µs of CPU each")
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

    report.note("S1, S2 actix hello, one core", hello.usual());
    for contestant in contestants {
        let ratio = median(&contestant.ratios);
        report.goal(
            format!("{}, one core", contestant.name),
            format!("{ratio:.2} × hello ({})", contestant.usual()),
            "≥ 0.80 × hello",
            ratio >= GOAL,
        );
    }
    Ok(())
}
