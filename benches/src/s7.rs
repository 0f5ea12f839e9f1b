//! S7: how soon another instance knows of a logout, also beside many others, and what a long log of revocations costs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::api::{self, Tokens};
use crate::http::{Connection, get};
use crate::load;
use crate::machine;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::{greatest, median, quantile};
use crate::storage::Storage;

/// Logouts one after the other, while nothing else happens.
const CALM: usize = 200;
/// Logouts a second that are offered to one instance.
const OFFERED: usize = 1_000;
const SECONDS: usize = 3;
const CLIENTS: usize = 16;
/// Logouts beside these of which the delay is measured, at most, and how often one is.
const SAMPLES: usize = 100;
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
const ENTRIES: u32 = 1_000_000;

/// One more entry of the log, so many times over.
const ADD_ENTRIES: &str = "INSERT INTO revocations (tenant_id, kind, subject, min_generation, until)
    SELECT tenant_id, kind, gen_random_uuid(), min_generation, until
    FROM (SELECT * FROM revocations ORDER BY position DESC LIMIT 1) AS last, generate_series(1, ";

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let storage = Storage::postgres()?;
    report_delays(report, &storage)?;
    report_long_log(report, &storage)
}

fn report_delays(report: &mut Report, storage: &Storage) -> Result<()> {
    let (here, there) = (Server::start(storage, &[])?, Server::start(storage, &[])?);
    let sessions = log_in(&here, CALM + SAMPLES + OFFERED * SECONDS)?;
    let (calm, sessions) = sessions.split_at(CALM);
    let (samples, flood) = sessions.split_at(SAMPLES);

    let pair = Pair { here: &here, there: &there };
    let delays = calm.iter().map(|tokens| pair.delay(tokens, Duration::ZERO)).collect::<Result<Vec<_>>>()?;
    let (p50, p99) = (median(&delays), quantile(&delays, 0.99));
    report.goal(
        "S7 from the 2xx of a logout to the 401 of another instance",
        format!("p99 {p99:.1} ms (median {p50:.1}, {CALM} logouts)"),
        "p99 ≤ 50 ms",
        p99 <= 50.0,
    );

    let (rate, delays) = pair.delays_beside_flood(samples, flood)?;
    let (worst, p99) = (greatest(&delays), quantile(&delays, 0.99));
    report.goal(
        format!("S7 the same at {OFFERED} logouts/s offered for {SECONDS} s"),
        format!("{rate:.0} logouts/s; p99 {p99:.0} ms, worst {worst:.0} ms of {} samples", delays.len()),
        "≤ 1 s",
        worst <= 1_000.0,
    );
    Ok(())
}

/// What an instance takes that starts on a log which is this long.
fn report_long_log(report: &mut Report, storage: &Storage) -> Result<()> {
    let (short, _) = start_and_load(storage, 1)?;
    storage.query(&format!("{ADD_ENTRIES}{ENTRIES})"))?;
    storage.query("VACUUM ANALYZE revocations")?;
    let (long, took) = start_and_load(storage, ENTRIES)?;
    let growth = long - short;
    report.goal(
        "S7 a million revocations in memory",
        format!("{growth:.0} MiB more than without ({long:.0} in all), {took:.1} s from the start"),
        "≤ 100 MiB",
        growth <= 100.0,
    );
    Ok(())
}

/// What an instance has resident, in MiB, once it knows so many revocations, and how many seconds after its start it does.
fn start_and_load(storage: &Storage, entries: u32) -> Result<(f64, f64)> {
    let started = Instant::now();
    let server = Server::start(storage, &[])?;
    let mut connection = Connection::open(&server.address)?;
    while started.elapsed() < Duration::from_mins(1) {
        let revocations = connection.ask(&get("/readyz", None), 200)?["revocations"].take();
        let known = revocations["entries"].as_u64().context("/readyz tells how many revocations it knows")?;
        if known >= u64::from(entries) && revocations["mode"] == "memory" {
            let took = started.elapsed().as_secs_f64();
            return Ok((machine::resident_mib(server.pid())?, took));
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    bail!("{entries} revocations are not in memory within a minute")
}

/// Two instances on one storage.
struct Pair<'a> {
    here: &'a Server,
    there: &'a Server,
}

impl Pair<'_> {
    /// From the answer to a logout here until the first refusal there, in milliseconds. There it is asked from before the
    /// logout on, with such pauses.
    fn delay(&self, tokens: &Tokens, pause: Duration) -> Result<f64> {
        let (me, mut here) = (api::me(tokens), Connection::open(&self.here.address)?);
        let mut there = Connection::open(&self.there.address)?;
        for _ in 0..3 {
            there.ask(&me, 200)?; // warm
        }
        thread::scope(|scope| {
            let refused = scope.spawn(|| first_refusal(&mut there, &me, pause));
            here.ask(&api::logout(tokens), 200)?;
            let acknowledged = Instant::now();
            let refused = refused.join().unwrap_or_else(|_| Err(anyhow!("a client panicked")))?;
            Ok(refused.saturating_duration_since(acknowledged).as_secs_f64() * 1e3)
        })
    }

    /// The logouts a second that were answered, and the delays of the samples beside them.
    fn delays_beside_flood(&self, samples: &[Tokens], flood: &[Tokens]) -> Result<(f64, Vec<f64>)> {
        const PAUSE: Duration = Duration::from_millis(2);

        let (is_over, started) = (AtomicBool::new(false), Instant::now());
        thread::scope(|scope| {
            let delays = scope.spawn(|| {
                let mut delays = Vec::new();
                for (turn, tokens) in (0..).zip(samples) {
                    load::wait_until(started + SAMPLE_EVERY * turn);
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    delays.push(self.delay(tokens, PAUSE)?);
                }
                Ok(delays)
            });
            let rate = self.flood(flood);
            is_over.store(true, Ordering::Relaxed);
            let delays = delays.join().unwrap_or_else(|_| Err(anyhow!("a client panicked")))?;
            Ok((rate?, delays))
        })
    }

    /// Logs out here at a steady pace, and gives how many logouts a second that came to.
    fn flood(&self, sessions: &[Tokens]) -> Result<f64> {
        let started = Instant::now();
        let interval = Duration::from_secs(1) / u32::try_from(OFFERED)?;
        load::together(0..CLIENTS, |client| {
            let mut connection = Connection::open(&self.here.address)?;
            let turns = (0_u32..).zip(sessions).skip(client).step_by(CLIENTS);
            for (turn, tokens) in turns {
                load::wait_until(started + interval * turn);
                connection.ask(&api::logout(tokens), 200)?;
            }
            Ok(())
        })?;
        let count = u32::try_from(sessions.len())?;
        Ok(f64::from(count) / started.elapsed().as_secs_f64())
    }
}

/// Many sessions of one user.
fn log_in(server: &Server, count: usize) -> Result<Vec<Tokens>> {
    api::sign_up(&server.address, "bench@example.com")?;
    let clients = 4 * machine::cores();
    let sessions = load::together(0..clients, |client| {
        let (mut connection, login) = (Connection::open(&server.address)?, api::login("bench@example.com"));
        let mine = (0..count).skip(client).step_by(clients);
        mine.map(|_| Tokens::of(&connection.ask(&login, 200)?)).collect::<Result<Vec<_>>>()
    })?;
    Ok(sessions.into_iter().flatten().collect())
}

fn first_refusal(connection: &mut Connection, me: &[u8], pause: Duration) -> Result<Instant> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        connection.send(me)?;
        match connection.receive()? {
            (200, _) => thread::park_timeout(pause),
            (401, _) => return Ok(Instant::now()),
            (status, body) => bail!("{status}: {}", String::from_utf8_lossy(body)),
        }
    }
    bail!("a logout is unknown at the other instance after 10 s")
}
