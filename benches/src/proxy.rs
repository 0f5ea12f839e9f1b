//! Stands between a server and its PostgreSQL, and counts and times what goes through.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// It ends with the program.
pub(crate) struct Proxy {
    /// The URL under which the server reaches the database through this.
    pub(crate) url: String,
    traffic: Arc<Traffic>,
}

#[derive(Default)]
struct Traffic {
    round_trips: AtomicU64,
    waited_nanos: AtomicU64,
}

/// When the client of a connection has asked, until it is answered.
type Asked = Mutex<Option<Instant>>;

impl Proxy {
    pub(crate) fn before(database_url: &str) -> Result<Self> {
        let (user, rest) = database_url.split_once('@').context("a URL with a user")?;
        let (target, database) = rest.split_once('/').context("a URL with a database")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("{user}@{}/{database}", listener.local_addr()?);
        let traffic = Arc::new(Traffic::default());
        let (target, counted) = (target.to_owned(), Arc::clone(&traffic));
        thread::spawn(move || accept(&listener, &target, &counted));
        Ok(Self { url, traffic })
    }

    /// How often a client waited for the database so far. Whatever it sends before it is answered is one time.
    pub(crate) fn round_trips(&self) -> u64 {
        self.traffic.round_trips.load(Ordering::Relaxed)
    }

    /// How long clients waited for the database so far, all together.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.traffic.waited_nanos.load(Ordering::Relaxed))
    }
}

/// A connection that fails shows as the server's error, so nothing is said here.
fn accept(listener: &TcpListener, target: &str, traffic: &Arc<Traffic>) {
    for client in listener.incoming() {
        let Ok(client) = client else { return };
        let _ = relay(client, target, traffic);
    }
}

fn relay(client: TcpStream, target: &str, traffic: &Arc<Traffic>) -> Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let asked = Arc::new(Asked::default());

    let (requests, answers) = ((client.try_clone()?, server.try_clone()?), (server, client));
    let (traffic_back, asked_back) = (Arc::clone(traffic), Arc::clone(&asked));
    let traffic = Arc::clone(traffic);
    thread::spawn(move || pass_on(requests, || traffic.note_request(&asked)));
    thread::spawn(move || pass_on(answers, || traffic_back.note_answer(&asked_back)));
    Ok(())
}

/// Passes everything on that comes, and says so before.
fn pass_on((mut from, mut to): (TcpStream, TcpStream), note: impl Fn()) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        note();
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

impl Traffic {
    fn note_request(&self, asked: &Asked) {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_none() {
            self.round_trips.fetch_add(1, Ordering::Relaxed);
            *asked = Some(Instant::now());
        }
    }

    fn note_answer(&self, asked: &Asked) {
        let Some(asked) = asked.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let nanos = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited_nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}
