use std::env;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use super::{SKIP, is_skipped};

/// A Redis server of one test's own, which keeps nothing on disk. It ends with this value.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    process: Option<Child>,
}

impl RedisServer {
    /// A server without data; `None` when the tester said aloud that Redis is to be skipped.
    #[must_use]
    pub fn start() -> Option<Self> {
        if is_skipped("redis") {
            return None;
        }
        let name = format!("maestro-redis-{:016x}", RandomState::new().build_hasher().finish());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a temporary folder is made");
        let mut server = Self { folder, process: None };
        server.start_again();
        Some(server)
    }

    /// What the server under test is told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Kills it: connections break, nothing listens, and all data are lost.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a process of ours is killed");
            process.wait().expect("a killed process ends");
        }
    }

    /// Starts it again at the same place, without data.
    pub fn start_again(&mut self) {
        self.stop();
        let _ = fs::remove_file(self.socket()); // a killed server leaves it behind
        let mut process = spawn(&self.folder, &self.socket());
        let output = process.stdout.take().expect("its output is piped");
        self.process = Some(process);
        wait_until_ready(output);
    }

    /// Stops it where it is: connections stay open and new ones are accepted by the kernel, but nothing ever answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("the server runs");
        let sent = Command::new("kill").arg(signal).arg(process.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "{signal} could not be sent to the test's Redis");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &Path, socket: &Path) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--unixsocketperm", "700", "--save", "", "--appendonly", "no"])
        .arg("--unixsocket")
        .arg(socket)
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "this test needs the program redis-server ({error}): run scripts/test.sh, which installs it on Debian, \
                 install it yourself, or say {SKIP}=redis"
            )
        })
}

fn wait_until_ready(output: ChildStdout) {
    let (ready, is_ready) = channel();
    thread::spawn(move || follow(output, &ready));
    is_ready.recv_timeout(Duration::from_secs(30)).expect("the test's Redis gets ready");
}

/// Reads the output to its end, so that the server never waits for somebody to read it.
fn follow(output: ChildStdout, ready: &Sender<()>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if line.to_lowercase().contains("ready to accept connections") {
            let _ = ready.send(()); // who starts it has gone when a test ends early
        }
    }
}
