//! The processes under measurement.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tempfile::TempDir;

use crate::http::{Connection, get};
use crate::machine;
use crate::storage::{Storage, workspace};

/// Builds the release binary of the server.
pub(crate) fn build() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(["build", "--release", "--locked", "--package", "maestro-auth"]);
    ensure!(cargo.status()?.success(), "cargo build failed");
    Ok(())
}

/// The release binary, which lies beside this one.
pub(crate) fn binary() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("maestro-auth"))
}

/// A running server. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _log: TempDir,
}

impl Server {
    /// As an operator starts it, with these settings, given without their prefix.
    pub(crate) fn start(storage: &Storage, settings: &[(&str, &str)]) -> Result<Self> {
        Self::run(command(storage, settings)?)
    }

    /// With one worker, alone on the server's core.
    pub(crate) fn start_pinned(storage: &Storage) -> Result<Self> {
        machine::on_core(machine::SERVER_CORE, || Self::start(storage, &[("SERVER__WORKERS", "1")]))
    }

    /// The "hello" server, alone on the server's core.
    pub(crate) fn start_hello() -> Result<Self> {
        let mut hello = Command::new(std::env::current_exe()?);
        hello.arg("hello");
        machine::on_core(machine::SERVER_CORE, || Self::run(hello))
    }

    /// Starts it with its log in a file, which nobody spends time on reading.
    fn run(mut command: Command) -> Result<Self> {
        let log = TempDir::new()?;
        let path = log.path().join("log");
        let file = File::create(&path)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        let mut server = Self { child, address: String::new(), _log: log };
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let printed = fs::read_to_string(&path)?;
            if let Some((_, rest)) = printed.split_once("listening on http://")
                && let Some((address, _)) =
                    rest.split_once(|end: char| !end.is_ascii_digit() && end != '.' && end != ':')
            {
                address.clone_into(&mut server.address);
                return Ok(server);
            }
            ensure!(server.child.try_wait()?.is_none(), "the server ended: {printed}");
            thread::park_timeout(Duration::from_millis(5));
        }
        bail!("the server did not listen within 30 s: {}", fs::read_to_string(&path)?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it end by itself, so that its storage is free afterwards.
    pub(crate) fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The time in milliseconds from the start of the program to its first 200, on a port that is free now.
pub(crate) fn time_to_first_answer(storage: &Storage) -> Result<f64> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = command(storage, &[("SERVER__PORT", &port.to_string())])?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (address, ready) = (format!("127.0.0.1:{port}"), get("/readyz", None));

    let started = Instant::now();
    let mut child = command.spawn()?;
    let answered = loop {
        let is_ready =
            Connection::open(&address).is_ok_and(|mut connection| connection.ask(&ready, 200).is_ok());
        if is_ready {
            break Ok(started.elapsed().as_secs_f64() * 1e3);
        }
        if started.elapsed() > Duration::from_secs(30) {
            break Err(anyhow::anyhow!("no 200 from /readyz within 30 s"));
        }
        thread::park_timeout(Duration::from_micros(200));
    };
    child.kill()?;
    child.wait()?;
    answered
}

/// Runs a command of the server's command line to its end.
pub(crate) fn operate(storage: &Storage, arguments: &[&str]) -> Result<()> {
    let output = command(storage, &[])?.args(arguments).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn command(storage: &Storage, settings: &[(&str, &str)]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.current_dir(storage.folder()).env("DATABASE_URL", &storage.url);
    for (name, value) in [("SERVER__PORT", "0"), ("RATE_LIMIT__ENABLED", "false")].iter().chain(settings) {
        command.env(format!("MAESTRO_AUTH__{name}"), value);
    }
    Ok(command)
}
