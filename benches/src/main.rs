//! Measures the goals of docs/PERFORMANCE.md on this machine:
//!
//! `cargo run --release -p maestro-auth-benches -- s1 s3 s8 s9 timing` (nothing named means all of them).
//!
//! Absolute numbers depend on the machine and on whatever else it does, so every goal is a ratio of two things that are
//! measured in turns, and the reported value is the median of the rounds.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod baseline;
mod http;
mod load;
mod machine;
mod report;
mod s1;
mod s3;
mod s8;
mod s9;
mod server;
mod statistics;
mod storage;
mod timing;

use anyhow::{Context, Result, bail, ensure};

use crate::report::Report;

const ALL: [&str; 5] = ["s1", "s3", "s8", "s9", "timing"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // What the benches compare with, each in a process of its own.
        ["hello"] => baseline::serve_hello(),
        ["hash-on-demand"] => baseline::hash_on_demand(),
        ["hash", threads, millis] => baseline::hash_for(threads.parse()?, millis.parse()?),
        [] => run(&ALL),
        ref chosen => run(chosen),
    }
}

fn run(chosen: &[&str]) -> Result<()> {
    if let Some(unknown) = chosen.iter().find(|name| !ALL.contains(name)) {
        bail!("there is no bench {unknown:?}; there are {}", ALL.join(", "));
    }
    ensure!(!cfg!(debug_assertions), "numbers of a debug build say nothing: run with --release");
    server::build().context("building the server")?;

    let mut report = Report::default();
    report.note("other load before the benches", machine::load_average()?);
    for name in chosen {
        eprint_progress(name);
        let measured = match *name {
            "s1" => s1::measure(&mut report),
            "s3" => s3::measure(&mut report),
            "s8" => s8::measure(&mut report),
            "s9" => s9::measure(&mut report),
            _ => timing::measure(&mut report),
        };
        measured.with_context(|| format!("measuring {name}"))?;
    }
    println!("{report}");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress is not part of the result")]
fn eprint_progress(name: &str) {
    eprintln!("measuring {name} …");
}
