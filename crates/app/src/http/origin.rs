//! Where a request comes from: what the audit trail tells of it, and what limits are counted by.

use std::net::IpAddr;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpMessage, HttpRequest};
use maestro_auth_domain::Origin;

use super::request_id::RequestId;
use crate::config::Network;

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    #[must_use]
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address of the client: the other end of the connection, unless that is a trusted proxy. Then it is the one that the
    /// proxies name, read from the right for as long as those who wrote are trusted (SEC-31). What is no address ends the reading,
    /// since nobody knows what it hides.
    fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let values = headers.get_all(header::X_FORWARDED_FOR);
        let hops: Vec<&[u8]> =
            values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
        let mut hops = hops.into_iter().rev();
        while self.contain(client) {
            let Some(address) = hops.next().and_then(address) else { break };
            client = address;
        }
        client
    }
}

/// One hop of `X-Forwarded-For`: an address, which some proxies write with the port.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let with_port = || hop.parse().ok().map(|socket: std::net::SocketAddr| socket.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address: Option<IpAddr> = hop.parse().ok().or_else(with_port).or_else(bracketed);
    address.map(|address| address.to_canonical())
}

/// Where the request comes from.
pub(super) fn of(request: &HttpRequest, proxies: &TrustedProxies) -> Origin {
    let headers = request.headers();
    let address = request.peer_addr().map(|peer| proxies.client_address(peer.ip(), headers));
    let user_agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map(RequestId::as_str);
    Origin::new(address, user_agent.as_deref(), request_id)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = trusted.iter().map(|network| Network::read(network).unwrap()).collect();
        let mut request = TestRequest::get().peer_addr(format!("{peer}:4711").parse().unwrap());
        for value in forwarded {
            request = request.append_header(("x-forwarded-for", *value));
        }
        request =
            request.insert_header(("forwarded", "for=192.0.2.99")).insert_header(("x-real-ip", "192.0.2.98"));
        let origin = of(&request.to_http_request(), &TrustedProxies::new(proxies));
        origin.address.unwrap().to_string()
    }

    #[test]
    fn sec_31_nobody_but_a_trusted_proxy_is_believed() {
        assert_eq!(client(&[], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn sec_31_it_is_the_rightmost_address_that_no_trusted_proxy_has() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        let through = |forwarded: &[&str]| client(&trusted, "10.0.0.1", forwarded);
        assert_eq!(through(&["198.51.100.1"]), "198.51.100.1");
        assert_eq!(through(&["192.0.2.66, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(through(&["192.0.2.66", "198.51.100.1", "10.0.0.2,10.0.0.3"]), "198.51.100.1");
        assert_eq!(through(&["198.51.100.1:5555"]), "198.51.100.1");
        assert_eq!(through(&["[2001:db8::1]:5555"]), "2001:db8::1");
        assert_eq!(through(&["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(through(&["::ffff:198.51.100.1"]), "198.51.100.1");
        assert_eq!(through(&[]), "10.0.0.1");
        assert_eq!(through(&["10.0.0.7"]), "10.0.0.7", "all are trusted: the farthest one");
        assert_eq!(client(&trusted, "[::ffff:10.0.0.1]", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn sec_31_garbage_ends_the_reading() {
        for garbage in
            ["", "unknown", "198.51.100.1.5", "198.51.100.1, ", "_hidden", "\u{e9}", "198.51.100.1;10.0.0.9"]
        {
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[garbage]), "10.0.0.1", "{garbage}");
            let later = format!("{garbage}, 10.0.0.2");
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[&later]), "10.0.0.2", "{garbage}");
        }
    }
}
