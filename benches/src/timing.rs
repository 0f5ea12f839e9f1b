//! SEC-16 and SEC-17: whether the time of a failed login tells an unknown address from a known one.

use anyhow::Result;

use crate::api::{login_with, sign_up};
use crate::http::Connection;
use crate::load::latency;
use crate::report::Report;
use crate::server::{Server, operate};
use crate::statistics::{area_under_curve, quantile};
use crate::storage::Storage;

const TRIALS: usize = 400;
const ACCOUNTS: usize = 20;
/// With a bcrypt hash of the default cost around, every failure takes a third of a second.
const LEGACY_TRIALS: usize = 50;
/// The first failures teach the server how slow its slowest scheme is here.
const WARM_UP: usize = 4;

/// Failed logins of one kind, and what each took in milliseconds.
struct Kind {
    name: &'static str,
    requests: Vec<Vec<u8>>,
    times: Vec<f64>,
}

impl Kind {
    /// For addresses `PREFIX-0`, `PREFIX-1` and so on, as many as there are accounts of the kind.
    fn new(name: &'static str, prefix: &str, addresses: usize) -> Self {
        let wrong = |n| login_with(&format!("{prefix}-{n}@example.com"), "not the password");
        Self { name, requests: (0..addresses).map(wrong).collect(), times: Vec::new() }
    }
}

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let storage = Storage::sqlite()?;
    let server = Server::start(&storage, &[])?;
    for n in 0..ACCOUNTS {
        sign_up(&server.address, &format!("wrong-{n}@example.com"))?;
        sign_up(&server.address, &format!("inactive-{n}@example.com"))?;
    }
    server.stop()?;
    for n in 0..ACCOUNTS {
        operate(&storage, &["user", "deactivate", "--email", &format!("inactive-{n}@example.com")])?;
    }

    let server = Server::start(&storage, &[])?;
    let kinds = [
        Kind::new("unknown", "unknown", TRIALS),
        Kind::new("wrong password", "wrong", ACCOUNTS),
        Kind::new("inactive", "inactive", ACCOUNTS),
    ];
    compare(report, &server, kinds, TRIALS)?;
    server.stop()?;

    let server = Server::start(&storage, &[("HASHING__ALGORITHM", "bcrypt")])?;
    for n in 0..ACCOUNTS {
        sign_up(&server.address, &format!("legacy-{n}@example.com"))?;
    }
    server.stop()?;
    let server = Server::start(&storage, &[])?;
    let kinds = [
        Kind::new("unknown beside bcrypt", "unknown", LEGACY_TRIALS),
        Kind::new("legacy bcrypt", "legacy", ACCOUNTS),
        Kind::new("argon2id beside bcrypt", "wrong", ACCOUNTS),
    ];
    compare(report, &server, kinds, LEGACY_TRIALS)
}

/// Interleaves the kinds, the first of which is the one that the others must look like.
fn compare(report: &mut Report, server: &Server, mut kinds: [Kind; 3], trials: usize) -> Result<()> {
    let mut connection = Connection::open(&server.address)?;
    for trial in 0..WARM_UP + trials {
        for kind in &mut kinds {
            let request = &kind.requests[trial % kind.requests.len()];
            let time = latency(&mut connection, request, 401)?;
            if trial >= WARM_UP {
                kind.times.push(time);
            }
        }
    }
    let [reference, others @ ..] = &kinds;
    for kind in others {
        let area = area_under_curve(&kind.times, &reference.times);
        let gap = (quantile(&kind.times, 0.05) - quantile(&reference.times, 0.05)).abs();
        report.goal(
            format!("SEC-16/17 {} against {}, {trials} pairs", kind.name, reference.name),
            format!(
                "AUC {area:.2}, gap of the 5th percentiles {gap:.2} ms (medians {:.1} and {:.1} ms)",
                quantile(&kind.times, 0.5),
                quantile(&reference.times, 0.5)
            ),
            "AUC 0.40–0.60, gap ≤ 5 ms",
            (0.40..=0.60).contains(&area) && gap <= 5.0,
        );
    }
    Ok(())
}
