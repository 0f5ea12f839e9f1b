use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::print;
use crate::config::Settings;
use crate::failure::Failure;

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Enough for a status line.
const MAX_BYTES: usize = 64;

/// Asks `/readyz` of the server that these settings describe; for container health checks, so without an HTTP client.
pub(super) fn run(settings: &Settings, out: &mut impl Write) -> Result<(), Failure> {
    let address = reachable(settings.server.address());
    let status = ask(address).with_context(|| format!("http://{address}/readyz does not answer"))?;
    if status != "200" {
        return Err(anyhow!("http://{address}/readyz answers {status}").into());
    }
    print(out, "ready")
}

/// The address under which a listener on every address is reached.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The status code that the server answers.
fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;

    let (mut answer, mut filled) = ([0; MAX_BYTES], 0);
    while filled < MAX_BYTES && !answer[..filled].contains(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut answer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    let answer = String::from_utf8_lossy(&answer[..filled]);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(status.context("what answers is not an HTTP server")?.to_owned())
}
