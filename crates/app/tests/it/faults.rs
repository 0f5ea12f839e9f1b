//! The storage fails under a running server: 503 at once, never a hang, and well again by itself (REL-01, REL-02, REL-16,
//! REL-18).

use std::fs::{self, File};
use std::future::Future;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};
use tempfile::TempDir;

use crate::support::bounds::ELSEWHERE;
use crate::support::{
    Cluster, PASSWORD, Server, SignedIn, Storage, code, command, logged_in, registered, say,
};

/// What is promised to a client while the storage is away.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// What is promised to an operator once it is back.
const HEAL_LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_postgres_is_503_everywhere_and_heals_without_a_restart() {
    let Some(cluster) = Cluster::start() else { return };
    let scene = Scene::over(cluster).await;
    scene.cluster.stop();
    scene.every_endpoint_says_unavailable().await;
    scene.cluster.start_again();
    scene.is_well_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_postgres_is_503_everywhere_and_heals_without_a_restart() {
    let Some(cluster) = Cluster::start() else { return };
    let scene = Scene::over(cluster).await;
    scene.cluster.freeze();
    scene.every_endpoint_says_unavailable().await;
    scene.every_endpoint_says_unavailable().await; // with whatever the first round left in the pool
    scene.cluster.thaw();
    scene.is_well_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_postgres_is_survived() {
    let Some(cluster) = Cluster::start() else { return };
    let scene = Scene::over(cluster).await;
    scene.fill_the_pool().await;
    scene.cluster.crash();
    scene.every_endpoint_says_unavailable().await;
    scene.cluster.start_again();
    scene.is_well_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rel_02_no_read_fails_over_the_stale_connections_of_a_restarted_postgres() {
    let Some(cluster) = Cluster::start() else { return };
    let scene = Scene::over(cluster).await;
    scene.fill_the_pool().await;
    scene.cluster.restart(); // nobody asks meanwhile, so the server still believes in every connection
    scene.is_well_again().await;
}

#[test]
fn a_server_whose_postgres_refuses_ends_with_one_clear_line() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    ends_with_one_clear_line(port);
}

#[test]
fn a_server_whose_postgres_never_answers_ends_with_one_clear_line() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port"); // the kernel accepts, nobody reads
    ends_with_one_clear_line(silent.local_addr().expect("an address").port());
}

#[tokio::test(flavor = "multi_thread")]
async fn rel_18_a_second_process_on_one_sqlite_file_refuses_and_the_first_goes_on() {
    let storage = Storage::sqlite();
    let first = Server::start(&storage, &[]);

    let Err(refusal) = Server::try_start(&storage, &[]) else { panic!("two servers share one SQLite file") };
    assert!(refusal.ends_with("exit status: 1"), "{refusal}");
    assert!(refusal.contains("maestro-auth.db") && refusal.contains("another process"), "{refusal}");
    assert!(!refusal.contains("panicked"), "{refusal}");

    registered(&first, "ada@example.com").await;
    first.kill();
    let next = Server::start(&storage, &[]); // a crash leaves no lock behind
    logged_in(&next, "ada@example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rel_16_a_full_disk_is_503_for_writes_alone_and_heals_with_space() {
    let Some(disk) = SmallDisk::mount() else {
        say("SKIPPED, since this user may not mount a tmpfs: rel_16, what a full disk does");
        return;
    };
    let storage = disk.storage();
    let server = Server::start(&storage, &[("MAESTRO_AUTH__HASHING__MAX_WAIT", "3s")]); // so that 503 has one meaning
    let mut user = registered(&server, "ada@example.com").await;

    disk.fill();
    let refused = loop {
        let answer = server.refresh(&user.refresh).await; // the cheapest write: the log grows by a page or two
        if answer.status() != StatusCode::OK {
            break answer;
        }
        user = SignedIn::from_answer(answer, StatusCode::OK).await;
    };
    says_unavailable("refresh", refused).await;
    says_unavailable("register", server.register("grace@example.com", PASSWORD).await).await;
    assert_eq!(server.me(&user.access).await.status(), StatusCode::OK, "reads go on");
    assert_eq!(server.get("/livez", None).await.status(), StatusCode::OK);

    disk.free();
    registered(&server, "grace@example.com").await;
    let user = SignedIn::from_answer(server.refresh(&user.refresh).await, StatusCode::OK).await;
    server.signal("-TERM");
    assert!(server.wait(Duration::from_secs(30)).success());

    let server = Server::start(&storage, &[]); // nothing is damaged
    assert_eq!(server.me(&user.access).await.status(), StatusCode::OK);
    logged_in(&server, "grace@example.com").await;
}

/// A server with a user, over a PostgreSQL that is about to fail.
struct Scene {
    server: Server,
    user: SignedIn,
    cluster: Cluster,
    _storage: Storage,
}

impl Scene {
    async fn over(cluster: Cluster) -> Self {
        let storage = Storage::at(cluster.url());
        let server = Server::start(&storage, &[]);
        let user = registered(&server, "ada@example.com").await;
        Self { server, user, cluster, _storage: storage }
    }

    /// Opens as many connections to the storage as the server ever does.
    async fn fill_the_pool(&self) {
        let reads = (0..64).map(|_| self.server.get("/api/v1/auth/health", None));
        for answer in futures_util::future::join_all(reads).await {
            assert_eq!(answer.status(), StatusCode::OK);
        }
    }

    /// Several callers of every endpoint at once, more than the pool has connections.
    async fn every_endpoint_says_unavailable(&self) {
        self.outlives_its_knowledge().await;
        let rounds = (0..4).map(|_| async {
            tokio::join!(
                self.says_unavailable_in_time("register", self.server.register("new@example.com", PASSWORD)),
                self.says_unavailable_in_time("login", self.server.login("ada@example.com", PASSWORD)),
                self.says_unavailable_in_time(
                    "unknown login",
                    self.server.login("nobody@example.com", PASSWORD)
                ),
                self.says_unavailable_in_time("refresh", self.server.refresh(&self.user.refresh)),
                self.says_unavailable_in_time("logout", self.server.logout(&self.user.access)),
                self.says_unavailable_in_time("me", self.server.me(&self.user.access)),
                self.is_unhealthy_in_time("/readyz"),
                self.is_unhealthy_in_time("/api/v1/auth/health"),
                self.lives(),
            );
        });
        futures_util::future::join_all(rounds).await;
    }

    /// For a moment it may go on answering from memory; the bound is that of api.md section 8.
    async fn outlives_its_knowledge(&self) {
        let since = Instant::now();
        loop {
            let asked = since.elapsed();
            let answer = in_time("me", self.server.me(&self.user.access)).await;
            if answer.status() != StatusCode::OK {
                return says_unavailable("me", answer).await;
            }
            assert!(asked < ELSEWHERE, "answered from what it knew {asked:?} ago");
        }
    }

    async fn says_unavailable_in_time(&self, name: &str, call: impl Future<Output = Response>) {
        let answer = in_time(name, call).await;
        says_unavailable(name, answer).await;
    }

    async fn is_unhealthy_in_time(&self, path: &str) {
        let answer = in_time(path, self.server.get(path, None)).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }

    async fn lives(&self) {
        let answer = in_time("/livez", self.server.get("/livez", None)).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn is_well_again(&self) {
        let deadline = Instant::now() + HEAL_LIMIT;
        while self.server.get("/readyz", None).await.status() != StatusCode::OK {
            assert!(Instant::now() < deadline, "not ready within {HEAL_LIMIT:?} of the storage's return");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for n in 0..200 {
            for (path, token) in
                [("/api/v1/auth/me", Some(&*self.user.access)), ("/api/v1/auth/health", None)]
            {
                let answer = self.server.get(path, token).await;
                assert_eq!(answer.status(), StatusCode::OK, "{path}, call {n} after the readiness returned");
            }
        }
        logged_in(&self.server, "ada@example.com").await;
        let refreshed = self.server.refresh(&self.user.refresh).await;
        assert_eq!(refreshed.status(), StatusCode::OK);
        assert_eq!(self.server.logout(&self.user.access).await.status(), StatusCode::OK);
        registered(&self.server, "later@example.com").await;
    }
}

async fn in_time(name: &str, call: impl Future<Output = Response>) -> Response {
    let answer = tokio::time::timeout(ANSWER_LIMIT, call).await;
    answer.unwrap_or_else(|_| panic!("{name} gave no answer within {ANSWER_LIMIT:?}"))
}

async fn says_unavailable(name: &str, answer: Response) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{name}");
    assert!(answer.headers().contains_key("retry-after"), "{name}");
    let code = code(answer).await;
    // A registration hashes before it writes, and a machine that is busy with other tests may not get to that in time.
    let is_crowded_out = name == "register" && code == "overloaded";
    assert!(code == "storage_unavailable" || is_crowded_out, "{name}: {code}");
}

/// No hang, no backtrace, no password in the output.
fn ends_with_one_clear_line(port: u16) {
    let storage = Storage::at(&format!("postgres://maestro:s3cret-Pa55@127.0.0.1:{port}/maestro"));
    let started = Instant::now();
    let output = command(&storage, &[]).output().expect("the binary starts");
    assert!(started.elapsed() < Duration::from_mins(1), "took {:?}", started.elapsed());

    let (log, line) =
        (String::from_utf8(output.stdout).expect("text"), String::from_utf8(output.stderr).expect("text"));
    assert_eq!(output.status.code(), Some(1), "{log}{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains("database"), "{line}");
    assert!(!log.contains("s3cret") && !line.contains("s3cret") && !line.contains("panicked"), "{log}{line}");
}

/// A file system of a few MiB.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None` when this user may not mount.
    fn mount() -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self { folder })
    }

    fn storage(&self) -> Storage {
        Storage::at(&format!("sqlite://{}", self.folder.path().join("maestro-auth.db").display()))
    }

    /// Until the last byte.
    fn fill(&self) {
        let mut filler = File::create(self.filler()).expect("a file");
        for size in [65536, 4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("the filler");
    }

    fn filler(&self) -> std::path::PathBuf {
        self.folder.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.folder.path());
    }
}

fn unmount(folder: &Path) {
    // Lazily: the server of a failed test may still have its files open.
    let _ = Command::new("umount").arg("-l").arg(folder).status();
}
