use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};

use super::Storage;

/// The real server in a process of its own, on a free loopback port. It is killed when dropped.
pub struct Server {
    child: Child,
    pub base: String,
    pub http: reqwest::Client,
    before: String,
    /// A lock around it, so that a server can be shared between tasks.
    log: Mutex<mpsc::Receiver<String>>,
}

impl Server {
    /// Starts a server over `storage` with these settings and waits until it listens.
    pub fn start(storage: &Storage, settings: &[(&str, &str)]) -> Self {
        Self::try_start(storage, settings)
            .unwrap_or_else(|output| panic!("the server did not start:\n{output}"))
    }

    /// As [`Server::start`]; a server that ends before it listens gives all that it printed.
    pub fn try_start(storage: &Storage, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut child = command(storage, settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (lines, log) = mpsc::channel();
        follow(child.stdout.take().expect("stdout is piped"), lines.clone());
        follow(child.stderr.take().expect("stderr is piped"), lines);

        let mut printed = String::new();
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = log.recv_timeout(left) else {
                let _ = child.kill();
                let status = child.wait().expect("the child ends");
                return Err(format!("{printed}{status}"));
            };
            if let Some(base) = listening_address(&line) {
                let http = reqwest::Client::builder()
                    .timeout(Duration::from_mins(1))
                    .pool_max_idle_per_host(256)
                    .build()
                    .expect("a client");
                return Ok(Self { child, base, http, before: printed, log: Mutex::new(log) });
            }
            printed.push_str(&line);
            printed.push('\n');
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Everything that the server printed before it began to listen.
    pub fn printed_at_start(&self) -> &str {
        &self.before
    }

    /// Everything that the server has printed since it began to listen, or since this was last asked.
    pub fn printed(&self) -> String {
        self.log.lock().expect("no panic").try_iter().map(|line| line + "\n").collect()
    }

    /// SIGKILL, as a crash.
    pub fn kill(mut self) {
        self.child.kill().expect("the child lives");
        self.child.wait().expect("the child ends");
    }

    pub fn signal(&self, signal: &str) {
        let status =
            Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the process to end by itself.
    pub fn wait(mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("the server did not end within {limit:?}");
    }

    pub async fn get(&self, path: &str, bearer: Option<&str>) -> Response {
        let request = self.http.get(format!("{}{path}", self.base));
        let request = match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.expect("an answer")
    }

    pub async fn post(&self, path: &str, bearer: Option<&str>, body: Option<Value>) -> Response {
        let mut request = self.http.post(format!("{}{path}", self.base));
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("an answer")
    }

    pub async fn register(&self, email: &str, password: &str) -> Response {
        let body = json!({ "email": email, "password": password, "name": "Test User" });
        self.post("/api/v1/auth/register", None, Some(body)).await
    }

    pub async fn login(&self, email: &str, password: &str) -> Response {
        let body = json!({ "email": email, "password": password });
        self.post("/api/v1/auth/login", None, Some(body)).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Response {
        self.post("/api/v1/auth/refresh", Some(refresh_token), None).await
    }

    pub async fn logout(&self, access_token: &str) -> Response {
        self.post("/api/v1/auth/logout", Some(access_token), None).await
    }

    pub async fn me(&self, access_token: &str) -> Response {
        self.get("/api/v1/auth/me", Some(access_token)).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary over `storage`, with only these settings: nothing of the tester's own environment leaks in.
pub fn command(storage: &Storage, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maestro-auth"));
    command
        .env_clear()
        .current_dir(storage.folder())
        .env("DATABASE_URL", storage.url())
        .env("MAESTRO_AUTH__SERVER__PORT", "0")
        .env("MAESTRO_AUTH__RATE_LIMIT__ENABLED", "false")
        .stdin(Stdio::null());
    for (key, value) in settings {
        command.env(key, value);
    }
    command
}

fn follow(stream: impl std::io::Read + Send + 'static, lines: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}

fn listening_address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    let address = rest.split([' ', '"', '\u{1b}']).next()?;
    Some(address.to_owned())
}
