//! S9: the size of the idle process and of the binary.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use crate::api;
use crate::load;
use crate::machine;
use crate::report::Report;
use crate::server::{Server, binary};
use crate::storage::Storage;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    for storage in [Storage::sqlite()?, Storage::postgres()?] {
        Server::start(&storage, &[])?.stop()?; // makes what a first start makes
        let server = Server::start(&storage, &[])?;
        let fresh = machine::resident_mib(server.pid())?;

        // Every lane has hashed afterwards, and so has its buffer.
        api::sign_up(&server.address, "bench@example.com")?;
        let lanes = machine::cores();
        let logins = api::login("bench@example.com");
        load::side_by_side(&server.address, &logins, 4 * machine::cores(), Duration::from_secs(1))?;
        let used = machine::resident_mib(server.pid())?;
        let beyond = used - machine::hash_buffers_mib();
        report.goal(
            format!("S9 resident after logins on {}", storage.name),
            format!(
                "{beyond:.1} MiB beyond {lanes} hash buffers ({used:.1} in all; {fresh:.1} at the start)"
            ),
            "≤ 16 MiB + hash buffers",
            beyond <= 16.0,
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    let megabytes = fs::metadata(binary()?)?.len() as f64 / 1e6;
    report.goal("S9 stripped binary", format!("{megabytes:.1} MB"), "≤ 15 MB", megabytes <= 15.0);
    Ok(())
}
