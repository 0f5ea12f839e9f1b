//! What the server is compared with. Each runs in a process of its own, as the server does.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde_json::json;

use crate::machine;

/// The least that an actix server can do for a JSON answer: one worker, one handler, no middleware.
pub(crate) fn serve_hello() -> Result<()> {
    actix_web::rt::System::new().block_on(async {
        let hello = || async { HttpResponse::Ok().json(json!({ "message": "hello" })) };
        let server = HttpServer::new(move || App::new().route("/", web::get().to(hello)))
            .workers(1)
            .bind(("127.0.0.1", 0))?;
        let address = *server.addrs().first().context("an address")?;
        println!("listening on http://{address}");
        Ok(server.run().await?)
    })
}

/// Hashes for so long on so many threads, as the server's lanes do; prints how many hashes that were in a second.
///
/// With the server's parameters and priority, in memory that is kept. The server asks for huge pages; here
/// `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` does.
pub(crate) fn hash_for(threads: usize, millis: u64) -> Result<()> {
    let over = AtomicBool::new(false);
    let started = Instant::now();
    let counts: Vec<Result<u32>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads).map(|_| scope.spawn(|| hash_until(&over))).collect();
        thread::park_timeout(Duration::from_millis(millis));
        over.store(true, Ordering::Relaxed);
        lanes
            .into_iter()
            .map(|lane| lane.join().unwrap_or_else(|_| Err(anyhow!("a lane panicked"))))
            .collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    println!("{}", f64::from(counts.into_iter().sum::<Result<u32>>()?) / elapsed);
    Ok(())
}

/// Hashes once for every line that it reads, and prints the milliseconds that it took.
pub(crate) fn hash_on_demand() -> Result<()> {
    machine::lower_priority()?;
    let mut lane = Lane::new()?;
    for line in io::stdin().lines() {
        line?;
        let started = Instant::now();
        lane.hash()?;
        println!("{}", started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

fn hash_until(over: &AtomicBool) -> Result<u32> {
    machine::lower_priority()?;
    let (mut lane, mut hashes) = (Lane::new()?, 0);
    while !over.load(Ordering::Relaxed) {
        lane.hash()?;
        hashes += 1;
    }
    Ok(hashes)
}

/// The hash function with its memory.
struct Lane {
    argon2: Argon2<'static>,
    memory: Vec<Block>,
}

impl Lane {
    fn new() -> Result<Self> {
        let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| anyhow!("{error}"))?;
        let memory = vec![Block::default(); params.block_count()];
        Ok(Self { argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params), memory })
    }

    fn hash(&mut self) -> Result<()> {
        let (password, salt, mut tag) = (b"correct horse battery", b"0123456789abcdef", [0; 32]);
        let hashed = self.argon2.hash_password_into_with_memory(password, salt, &mut tag, &mut self.memory);
        hashed.map_err(|error| anyhow!("{error}"))
    }
}
