use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::Server;
use anyhow::{Context, anyhow};
use maestro_auth_service::AuthService;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::config::{ConfigError, PublicUrl, Settings};
use crate::failure::Failure;
use crate::http::{self, HttpState, Readiness, TrustedProxies};
use crate::seed::seed;
use crate::wire::{self, Wired};
use crate::worker::Worker;

/// How long a client may take to send the head of a request (REL-32).
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept. More than the minute that many load balancers keep theirs, so they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Open connections of one worker; more wait in the backlog.
const MAX_CONNECTIONS: usize = 16_384;

/// The server, ready to run: its storage is open, its keys are loaded, its port is bound.
pub struct Application {
    server: Server,
    address: SocketAddr,
    readiness: Arc<Readiness>,
    drain_delay: Duration,
    worker: Worker,
}

impl Application {
    pub async fn build(settings: &Settings) -> Result<Self, Failure> {
        let wired = wire::build(settings, wire::Purpose::Serve).await?;
        seed(settings, &wired.auth).await?;
        refuse_unassignable_roles(&wired.auth).await?;

        let listener = listen(settings.server.address())?;
        let address = listener.local_addr().context("the listening address is unknown")?;
        let readiness = Arc::new(Readiness::new());
        let state = Arc::new(http_state(settings, &wired, Arc::clone(&readiness), address));
        let server = serve(settings, state, listener).context("the HTTP server did not start")?;
        let worker = Worker::start(wired.auth, wired.keys, wired.clock_sync);
        let drain_delay = settings.server.drain_delay;
        Ok(Self { server, address, readiness, drain_delay, worker })
    }

    /// The port that the server listens on, also when any free one was asked for.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Serves until SIGTERM or SIGINT, then drains (REL-28). Another signal cuts that short.
    pub async fn run(self) -> Result<(), Failure> {
        let mut stop = StopSignals::new().context("signals can't be handled")?;
        let handle = self.server.handle();
        let (mut server, mut worker) = (self.server, self.worker);
        tracing::info!("listening on http://{}", self.address);

        tokio::select! {
            ended = &mut server => {
                ended.context("the HTTP server failed")?;
                return Err(anyhow!("the HTTP server stopped by itself").into());
            }
            // Without it nothing is heard of revocations and nothing told to the audit trail: better to be started anew.
            () = worker.ended() => {
                return Err(anyhow!("what runs beside the requests has broken off").into());
            }
            () = stop.next() => {}
        }
        tracing::info!("stopping: waiting for the requests in flight");
        self.readiness.drain();

        let drain = async {
            sleep(self.drain_delay).await;
            let ((), ended) = tokio::join!(handle.stop(true), &mut server);
            worker.stop().await;
            ended
        };
        tokio::select! {
            ended = drain => ended.context("the HTTP server failed")?,
            () = stop.next() => return Err(anyhow!("stopped at once: requests in flight were cut off").into()),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// A setting that would hand out what nobody may have, or what does not exist, is found at the start and not by a stranger.
async fn refuse_unassignable_roles(auth: &AuthService) -> Result<(), Failure> {
    if let Some(role) = auth.first_unassignable_role().await.context("the storage does not answer")? {
        let why = format!("names {role}, which does not exist or permits everything");
        return Err(ConfigError::about("registration.self_assignable_roles", &why).into());
    }
    Ok(())
}

fn http_state(
    settings: &Settings,
    wired: &Wired,
    readiness: Arc<Readiness>,
    address: SocketAddr,
) -> HttpState {
    let public_url = settings.server.public_url.clone().unwrap_or_else(|| PublicUrl::of_listener(address));
    HttpState {
        auth: Arc::clone(&wired.auth),
        signer: wired.keys.clone(),
        readiness,
        request_ids: Arc::clone(&wired.request_ids),
        cursor_key: Arc::clone(&wired.keyed_hash),
        trusted_proxies: TrustedProxies::new(settings.server.trusted_proxies.clone()),
        public_url,
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?; // a restart need not wait for the connections of the run before
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().with_context(|| format!("cannot listen on {address}"))
}

fn serve(settings: &Settings, state: Arc<HttpState>, listener: TcpListener) -> io::Result<Server> {
    let server = HttpServer::new(move || http::app(Arc::clone(&state)))
        .workers(settings.server.workers)
        .max_connections(MAX_CONNECTIONS)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        // A client that has gone away gives up what is held open for it at once.
        .h1_allow_half_closed(false)
        .shutdown_timeout(settings.server.shutdown_grace.as_secs())
        .disable_signals()
        .listen(listener.into_std()?)?
        .run();
    Ok(server)
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
