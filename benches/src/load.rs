//! Closed-loop load: every connection has one request under way at most.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::http::Connection;
use crate::machine;

/// What one client thread found.
pub(crate) struct Throughput {
    pub(crate) answers: u32,
    pub(crate) elapsed: Duration,
}

impl Throughput {
    pub(crate) fn per_second(&self) -> f64 {
        f64::from(self.answers) / self.elapsed.as_secs_f64()
    }
}

/// Loads a server from the other core for about `duration`, with two groups of connections in turns: while the answers of
/// one group are read, the requests of the other wait at the server, so that it is never idle.
///
/// There is no event loop, and two system calls a request, so this costs less than any server that it loads.
pub(crate) fn in_turns(address: &str, request: &[u8], duration: Duration) -> Result<Throughput> {
    machine::on_core(machine::LOAD_CORE, || take_turns(address, request, duration))
}

fn take_turns(address: &str, request: &[u8], duration: Duration) -> Result<Throughput> {
    const GROUP: usize = 16;

    let mut groups = [open(address, GROUP)?, open(address, GROUP)?];
    let (started, mut answers) = (Instant::now(), 0);
    send(&mut groups[0], request)?;
    while started.elapsed() < duration {
        send(&mut groups[1], request)?;
        answers += receive(&mut groups[0])?;
        groups.swap(0, 1);
    }
    answers += receive(&mut groups[0])?;
    Ok(Throughput { answers, elapsed: started.elapsed() })
}

fn open(address: &str, count: usize) -> Result<Vec<Connection>> {
    (0..count).map(|_| Connection::open(address)).collect()
}

fn send(group: &mut [Connection], request: &[u8]) -> Result<()> {
    group.iter_mut().try_for_each(|connection| connection.send(request))
}

fn receive(group: &mut [Connection]) -> Result<u32> {
    let mut answers = 0;
    for connection in group {
        let (status, body) = connection.receive()?;
        ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(body));
        answers += 1;
    }
    Ok(answers)
}

/// For slow requests: a thread for each of `clients`, each asking again as soon as it is answered.
pub(crate) fn side_by_side(
    address: &str,
    request: &[u8],
    clients: usize,
    duration: Duration,
) -> Result<Throughput> {
    let started = Instant::now();
    let counts = together(0..clients, |_| {
        let (mut connection, mut answers) = (Connection::open(address)?, 0);
        while started.elapsed() < duration {
            connection.ask(request, 200)?;
            answers += 1;
        }
        Ok(answers)
    })?;
    Ok(Throughput { answers: counts.iter().sum(), elapsed: started.elapsed() })
}

/// Runs a client for each of `items`, each in a thread of its own, and gives what each found.
pub(crate) fn together<I: Send, T: Send>(
    items: impl IntoIterator<Item = I>,
    client: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let client = &client;
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || client(item))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a client panicked"))))
            .collect()
    })
}

/// Waits for the turn of a request in a steady pace, and gives the time from which it counts: when it was due, if the
/// answer before it has held it up.
pub(crate) fn wait_until(due: Instant) -> Instant {
    if due <= Instant::now() {
        return due;
    }
    while due > Instant::now() {
        thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    Instant::now()
}

/// The latency of one request in milliseconds.
pub(crate) fn latency(connection: &mut Connection, request: &[u8], expected: u16) -> Result<f64> {
    let started = Instant::now();
    connection.ask(request, expected)?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
