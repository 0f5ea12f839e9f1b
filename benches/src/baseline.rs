//! What the server is compared with. Each runs in a process of its own, as the server does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde_json::json;

use crate::machine;
use crate::statistics::median;

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

/// Hashes for so long on so many threads, with the server's parameters, priority and habit of keeping the memory; prints
/// how many hashes that were in a second, and the median of their milliseconds.
///
/// The server asks for huge pages; here `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` does.
pub(crate) fn hash_for(threads: usize, millis: u64) -> Result<()> {
    let over = AtomicBool::new(false);
    let started = Instant::now();
    let found: Vec<Result<Vec<f64>>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads).map(|_| scope.spawn(|| hash_until(&over))).collect();
        thread::park_timeout(Duration::from_millis(millis));
        over.store(true, Ordering::Relaxed);
        lanes
            .into_iter()
            .map(|lane| lane.join().unwrap_or_else(|_| Err(anyhow!("a lane panicked"))))
            .collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    let latencies: Vec<f64> = found.into_iter().collect::<Result<Vec<_>>>()?.concat();
    println!("{} {}", f64::from(u32::try_from(latencies.len())?) / elapsed, median(&latencies));
    Ok(())
}

fn hash_until(over: &AtomicBool) -> Result<Vec<f64>> {
    machine::lower_priority()?;
    let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| anyhow!("{error}"))?;
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut tag, mut latencies) = ([0; 32], Vec::new());
    while !over.load(Ordering::Relaxed) {
        let started = Instant::now();
        argon2
            .hash_password_into_with_memory(
                b"correct horse battery",
                b"0123456789abcdef",
                &mut tag,
                &mut memory,
            )
            .map_err(|error| anyhow!("{error}"))?;
        latencies.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}
