//! Measures the goals of docs/PERFORMANCE.md on this machine:
//!
//! `cargo run --release -p maestro-auth-benches -- warm s3 s4` (nothing named means all of them).
//!
//! Absolute numbers depend on the machine and on whatever else it does, so every goal is a ratio of two things that are
//! measured in turns, and the reported value is the median of the rounds.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod api;
mod baseline;
mod http;
mod load;
mod machine;
mod postgres;
mod proxy;
mod report;
mod s10;
mod s3;
mod s4;
mod s5;
mod s6;
mod s7;
mod s8;
mod s9;
mod server;
mod statistics;
mod storage;
mod timing;
mod warm;

use anyhow::{Context, Result, bail, ensure};

use crate::report::Report;

type Bench = fn(&mut Report) -> Result<()>;

/// By their names. `warm` is S1 and S2, in one go.
const BENCHES: [(&str, Bench); 10] = [
    ("warm", warm::measure),
    ("s3", s3::measure),
    ("s4", s4::measure),
    ("s5", s5::measure),
    ("s6", s6::measure),
    ("s7", s7::measure),
    ("s8", s8::measure),
    ("s9", s9::measure),
    ("s10", s10::measure),
    ("timing", timing::measure),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // What the benches compare with, each in a process of its own.
        ["hello"] => baseline::serve_hello(),
        ["hash-on-demand"] => baseline::hash_on_demand(),
        ["hash", threads, millis] => baseline::hash_for(threads.parse()?, millis.parse()?),
        ref chosen => run(chosen),
    }
}

fn run(chosen: &[&str]) -> Result<()> {
    let all = BENCHES.map(|(name, _)| name);
    if let Some(unknown) = chosen.iter().find(|name| !all.contains(name)) {
        bail!("there is no bench {unknown:?}; there are {}", all.join(", "));
    }
    ensure!(!cfg!(debug_assertions), "numbers of a debug build say nothing: run with --release");
    server::build().context("building the server")?;

    let mut report = Report::default();
    report.note("other load before the benches", machine::load_average()?);
    for (name, measure) in BENCHES {
        if chosen.is_empty() || chosen.contains(&name) {
            eprint_progress(name);
            measure(&mut report).with_context(|| format!("measuring {name}"))?;
        }
    }
    println!("{report}");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress is not part of the result")]
fn eprint_progress(name: &str) {
    eprintln!("measuring {name} …");
}
