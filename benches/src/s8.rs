//! S8: from the start of the program to its first 200, on a storage that exists.

use anyhow::Result;

use crate::report::Report;
use crate::server::{Server, time_to_first_answer};
use crate::statistics::{least, median};
use crate::storage::Storage;

const STARTS: usize = 20;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    for (storage, goal) in [(Storage::sqlite()?, 100.0), (Storage::postgres()?, 300.0)] {
        Server::start(&storage, &[])?.stop()?; // makes the schema, the key and the first admin
        let mut times = Vec::new();
        for _ in 0..STARTS {
            times.push(time_to_first_answer(&storage)?);
        }
        let (best, usual) = (least(&times), median(&times));
        report.goal(
            format!("S8 start on {}", storage.name),
            format!("{best:.0} ms at best, {usual:.0} ms median of {STARTS}"),
            &format!("≤ {goal:.0} ms"),
            usual <= goal,
        );
    }
    Ok(())
}
