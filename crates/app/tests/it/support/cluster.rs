//! A PostgreSQL of one test's own, to stop, freeze and kill.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::say;

/// A throw-away cluster. It ends with the value.
pub struct Cluster {
    folder: TempDir,
    url: String,
}

impl Cluster {
    /// `None` when the tester said aloud that PostgreSQL is to be skipped.
    pub fn start() -> Option<Self> {
        if is_skipped() {
            say("SKIPPED, since MAESTRO_AUTH_TEST_SKIP names postgres: a test on a PostgreSQL of its own");
            return None;
        }
        let folder = TempDir::new().expect("a folder");
        let url = script("start", folder.path());
        Some(Self { folder, url })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it at once, as `pg_ctl stop -m immediate`: connections break, nothing listens.
    pub fn stop(&self) {
        run(script_command("stop", self.folder.path()).arg("immediate"));
    }

    /// Starts it again on the same port.
    pub fn start_again(&self) {
        script("start", self.folder.path());
    }

    pub fn restart(&self) {
        script("restart", self.folder.path());
    }

    /// SIGKILL to the postmaster.
    pub fn crash(&self) {
        script("kill", self.folder.path());
    }

    /// Stops all its processes where they are: connections stay open and new ones are accepted by the kernel, but nothing
    /// ever answers.
    pub fn freeze(&self) {
        self.signal_all("-STOP");
    }

    pub fn thaw(&self) {
        self.signal_all("-CONT");
    }

    fn signal_all(&self, signal: &str) {
        let Some(postmaster) = self.postmaster() else { return };
        signal_one(signal, &postmaster); // first, so that it starts no further child
        for child in children(&postmaster) {
            signal_one(signal, &child);
        }
    }

    fn postmaster(&self) -> Option<String> {
        let file = fs::read_to_string(self.folder.path().join("data/postmaster.pid")).ok()?;
        file.lines().next().map(str::to_owned)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.thaw();
        let _ = script_command("stop", self.folder.path()).arg("immediate").output();
    }
}

#[expect(clippy::disallowed_methods, reason = "the tester's word, not a setting of the server")]
fn is_skipped() -> bool {
    std::env::var("MAESTRO_AUTH_TEST_SKIP").is_ok_and(|names| names.split(',').any(|name| name == "postgres"))
}

fn script(command: &str, folder: &Path) -> String {
    let printed = run(&mut script_command(command, folder));
    printed.lines().last().unwrap_or_default().to_owned()
}

fn script_command(command: &str, folder: &Path) -> Command {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres.sh");
    let mut process = Command::new("bash");
    process.arg(script).arg(command).arg(folder);
    process
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn signal_one(signal: &str, pid: &str) {
    // A child that ended meanwhile is no matter.
    let _ = Command::new("kill").args([signal, pid]).output();
}

fn children(parent: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("a /proc").filter_map(Result::ok);
    processes
        .filter(|entry| {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|pid| pid.trim() == parent))
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
