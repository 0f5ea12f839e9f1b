//! S4: a storm of logins, and what everybody else notices of it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::api;
use crate::http::Connection;
use crate::load;
use crate::machine;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::{greatest, median, quantile};
use crate::storage::Storage;

const ROUNDS: usize = 3;
const PHASE: Duration = Duration::from_secs(3);
const CLIENTS: usize = 64;
/// Between two `/me` of the one client that watches.
const PACE: Duration = Duration::from_millis(5);
/// How long a login waits for a hash at most, and how long the hash itself and the answer may take on top.
const LONGEST_MS: f64 = 1_000.0 + 150.0;

/// What the rounds found, all in milliseconds but the counts.
#[derive(Default)]
struct Found {
    calm: Vec<Quantiles>,
    storm: Vec<Quantiles>,
    longest_logins: Vec<f64>,
    logins: usize,
    refused: usize,
}

struct Quantiles {
    p50: f64,
    p99: f64,
}

/// The logins of one client.
#[derive(Default)]
struct Logins {
    times: Vec<f64>,
    refused: usize,
}

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    for storage in [Storage::sqlite()?, Storage::postgres()?] {
        Server::start(&storage, &[])?.stop()?; // makes what a first start makes
        let server = Server::start(&storage, &[])?;
        let idle = machine::resident_mib(server.pid())?;
        let me = api::me(&api::sign_up(&server.address, "watcher@example.com")?);
        for client in 0..CLIENTS {
            api::sign_up(&server.address, &address_of(client))?;
        }

        let mut found = Found::default();
        for _ in 0..ROUNDS {
            found.calm.push(watch(&server, &me)?);
            found.add_storm(&server, &me)?;
        }
        found.report(report, storage.name);
        report_memory(report, storage.name, idle, machine::peak_resident_mib(server.pid())?);
    }
    Ok(())
}

impl Found {
    fn add_storm(&mut self, server: &Server, me: &[u8]) -> Result<()> {
        let (logins, watched) = thread::scope(|scope| {
            let storm = scope.spawn(|| load::together(0..CLIENTS, |client| log_in_on_and_on(server, client)));
            let watched = watch(server, me);
            (storm.join().unwrap_or_else(|_| Err(anyhow!("the storm panicked"))), watched)
        });
        self.storm.push(watched?);
        for Logins { times, refused } in logins? {
            self.longest_logins.push(greatest(&times));
            self.logins += times.len() - refused;
            self.refused += refused;
        }
        Ok(())
    }

    fn report(&self, report: &mut Report, storage: &str) {
        let middle = |phases: &[Quantiles], of: fn(&Quantiles) -> f64| {
            median(&phases.iter().map(of).collect::<Vec<_>>())
        };
        let (calm, storm) = (middle(&self.calm, |one| one.p99), middle(&self.storm, |one| one.p99));
        report.goal(
            format!("S4 p99 of `/me` beside {CLIENTS} logins over {storage}"),
            format!("{:.1} × calm ({storm:.2} against {calm:.2} ms)", storm / calm),
            "≤ 2 × calm or ≤ 10 ms",
            storm <= 2.0 * calm || storm <= 10.0,
        );
        let (calm, storm) = (middle(&self.calm, |one| one.p50), middle(&self.storm, |one| one.p50));
        report.goal(
            format!("S4 p50 of `/me` beside {CLIENTS} logins over {storage}"),
            format!("{:.2} × calm ({storm:.2} against {calm:.2} ms)", storm / calm),
            "≤ 1.5 × calm",
            storm <= 1.5 * calm,
        );
        let longest = greatest(&self.longest_logins);
        report.goal(
            format!("S4 longest answer to a login over {storage}"),
            format!("{longest:.0} ms ({} logins, {} × 503 `overloaded`)", self.logins, self.refused),
            "≤ 1 s for a hash, and the hash",
            longest <= LONGEST_MS,
        );
    }
}

fn report_memory(report: &mut Report, storage: &str, idle: f64, peak: f64) {
    let beyond = peak - idle - machine::hash_buffers_mib();
    report.goal(
        format!("S4 peak of resident memory over {storage}"),
        format!("{beyond:.1} MiB beyond idle and hash buffers ({peak:.1} in all; {idle:.1} idle)"),
        "≤ 16 MiB more",
        beyond <= 16.0,
    );
}

/// Asks at a steady pace for one phase.
fn watch(server: &Server, me: &[u8]) -> Result<Quantiles> {
    let mut connection = Connection::open(&server.address)?;
    let (started, mut times) = (Instant::now(), Vec::new());
    let mut due = started;
    while started.elapsed() < PHASE {
        let asked = load::wait_until(due);
        connection.ask(me, 200)?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        due += PACE;
    }
    Ok(Quantiles { p50: median(&times), p99: quantile(&times, 0.99) })
}

fn log_in_on_and_on(server: &Server, client: usize) -> Result<Logins> {
    let (mut connection, request) = (Connection::open(&server.address)?, api::login(&address_of(client)));
    let (started, mut logins) = (Instant::now(), Logins::default());
    while started.elapsed() < PHASE {
        let asked = Instant::now();
        connection.send(&request)?;
        let (status, body) = connection.receive()?;
        logins.times.push(asked.elapsed().as_secs_f64() * 1e3);
        let body = String::from_utf8_lossy(body);
        match status {
            200 => {}
            503 if body.contains(r#""code":"overloaded""#) => logins.refused += 1,
            _ => ensure!(false, "{status}: {body}"),
        }
    }
    Ok(logins)
}

fn address_of(client: usize) -> String {
    format!("client-{client}@example.com")
}
