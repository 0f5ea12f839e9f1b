//! The real gateways, each with its shipped configuration.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use maestro_auth_adapters::testing::is_skipped;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::client::Request;
use crate::support::say;

/// The software whose configuration is tested.
#[derive(Debug, Clone, Copy)]
pub enum Product {
    Nginx,
    Caddy,
    Haproxy,
    Traefik,
    Envoy,
}

impl Product {
    /// Whether it is not to be tested, which is then said aloud. Debian has no Traefik and no Envoy: they are tested when
    /// the tester names a binary.
    pub fn is_skipped(self) -> bool {
        if matches!(self, Self::Traefik | Self::Envoy) && named_program(self.name()).is_none() {
            say(&format!(
                "NOT TESTED, since MAESTRO_AUTH_TEST_{} names no binary",
                self.name().to_uppercase()
            ));
            return true;
        }
        is_skipped(self.name())
    }

    /// On an open path, where there is nothing to say. The others say so.
    pub fn drops_empty_headers(self) -> bool {
        matches!(self, Self::Traefik)
    }

    /// Whether trailers get through: docs/GATEWAYS.md says of which gateway.
    pub fn passes_on_what_is_not_announced(self) -> bool {
        matches!(self, Self::Haproxy)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// Where its configuration is in this repository.
    fn configuration(self) -> &'static str {
        match self {
            Self::Nginx => "deploy/gateways/nginx/nginx.conf",
            Self::Caddy => "deploy/gateways/caddy/Caddyfile",
            Self::Haproxy => "deploy/gateways/haproxy/haproxy.cfg",
            Self::Traefik => "deploy/gateways/traefik/traefik.yml",
            Self::Envoy => "deploy/gateways/envoy/envoy.yaml",
        }
    }

    /// In the foreground and in one process, so that whoever stops that one has stopped all of it.
    fn command(self, file: &str) -> Command {
        let mut command = Command::new(program(self.name()));
        match self {
            Self::Nginx => command.args(["-p", ".", "-c", file, "-g", "daemon off; master_process off;"]),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config", file]),
            Self::Haproxy => command.args(["-db", "-f", file]),
            Self::Traefik => command.arg(format!("--configFile={file}")),
            Self::Envoy => command.args(["-c", file, "--concurrency", "2", "--disable-hot-restart"]),
        };
        command
    }
}

/// A running gateway. It ends with the value.
pub struct Gateway {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Gateway {
    /// Starts it in front of a service, with a Maestro Auth at another port, and waits until it listens.
    pub async fn start(product: Product, service: u16, auth_server: u16) -> Self {
        Self::start_with(product, product.configuration(), service, auth_server).await
    }

    /// As [`Gateway::start`], with another configuration of this repository.
    pub async fn start_with(product: Product, configuration: &str, service: u16, auth_server: u16) -> Self {
        let mut printed = String::new();
        // Between the choice of a port and its use, another test may take it.
        for _ in 0..5 {
            let ports = Ports { gateway: free_port(), service, auth_server, own: free_port() };
            let mut gateway = Self::launch(product, configuration, ports);
            if gateway.listens().await {
                gateway.is_ready(product).await;
                return gateway;
            }
            printed = gateway.printed();
        }
        panic!("{product:?} did not start:\n{printed}");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.folder.path().join("printed")).expect("it is there")
    }

    fn launch(product: Product, configuration: &str, ports: Ports) -> Self {
        let folder = TempDir::new().expect("a folder");
        for shipped in ["deploy/gateways", "examples/python-behind-nginx"] {
            copy(&repository().join(shipped), &folder.path().join(shipped), ports);
        }
        let configuration = folder.path().join(configuration);
        let home = configuration.parent().expect("a folder").to_owned();
        fs::create_dir(home.join("run")).expect("a folder for what it writes");
        let printed = fs::File::create(folder.path().join("printed")).expect("a file");
        let file = configuration.file_name().and_then(|name| name.to_str()).expect("a name");
        let process = product
            .command(file)
            .current_dir(&home)
            .env("HOME", folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null())
            .stdout(printed.try_clone().expect("a second handle"))
            .stderr(printed)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{product:?} does not start ({error}); scripts/test.sh installs it")
            });
        Self { process, port: ports.gateway, folder }
    }

    /// Whether it accepts connections; false when it has ended instead.
    async fn listens(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return matches!(self.process.try_wait(), Ok(None));
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Gateway {
    /// Traefik listens before it has read all of its configuration, and knows no path until then.
    async fn is_ready(&self, product: Product) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(product, Product::Traefik)
            && Request::get("/healthz").send_to(self.port).await.status == 404
        {
            assert!(Instant::now() < deadline, "{}", self.printed());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Clone, Copy)]
struct Ports {
    gateway: u16,
    service: u16,
    auth_server: u16,
    /// A port that the gateway uses within itself.
    own: u16,
}

impl Ports {
    fn in_place_of_the_shipped(self, text: &str) -> String {
        let shipped =
            [(8080, self.gateway), (9000, self.service), (8000, self.auth_server), (8001, self.own)];
        shipped.iter().fold(text.to_owned(), |text, (shipped, used)| {
            let text = text.replace(&format!(":{shipped}"), &format!(":{used}"));
            text.replace(&format!("port_value: {shipped}"), &format!("port_value: {used}"))
        })
    }
}

/// Copies a folder of configuration, with these ports in place of those that are shipped. Nothing else is changed.
fn copy(from: &Path, to: &Path, ports: Ports) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of the repository") {
        let source = entry.expect("an entry").path();
        let target = to.join(source.file_name().expect("a name"));
        if source.is_dir() {
            copy(&source, &target, ports);
        } else {
            let text = fs::read_to_string(&source).expect("text");
            fs::write(target, ports.in_place_of_the_shipped(&text)).expect("a file");
        }
    }
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("an address").port()
}

/// The binary that the tester names, or that of the distribution, which puts daemons where only root looks.
fn program(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
    let found = || places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    named_program(name).or_else(found).unwrap_or_else(|| PathBuf::from(name))
}

fn named_program(name: &str) -> Option<PathBuf> {
    std::env::var_os(format!("MAESTRO_AUTH_TEST_{}", name.to_uppercase())).map(PathBuf::from)
}
