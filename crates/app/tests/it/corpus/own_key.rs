//! Signs as the server itself would, so that claims and headers are judged on their own and not by a bad signature.

use std::sync::{Arc, mpsc};

use actix_web::HttpServer;
use base64ct::{Base64UrlUnpadded, Encoding};
use maestro_auth::config::{PublicUrl, Settings};
use maestro_auth::http::{self, HttpState, Readiness, TrustedProxies};
use maestro_auth::wire::{self, KeyRing};
use maestro_auth_ports::{TokenSigner, TokenType};

use crate::support::forge::Es256Key;

/// The server's own key.
pub(super) enum OwnKey {
    /// Taken from a database with the encryption key: signs anything.
    Opened(Es256Key),
    /// In the ring of a server in this process, which signs any claims, but under the two headers that it knows.
    InRing(Arc<KeyRing>),
}

impl OwnKey {
    /// The signature over two segments; `None` when this key does not sign such a header.
    pub(super) fn sign(&self, header: &str, payload: &str) -> Option<String> {
        match self {
            Self::Opened(key) => {
                Some(crate::support::forge::encode(&key.sign(&format!("{header}.{payload}"))))
            }
            Self::InRing(ring) => {
                let claims = Base64UrlUnpadded::decode_vec(payload).ok()?;
                [TokenType::Access, TokenType::Refresh].into_iter().find_map(|kind| {
                    let token = ring.sign(kind, &claims).expect("a ring with a key");
                    token.token.strip_prefix(&format!("{header}.{payload}.")).map(str::to_owned)
                })
            }
        }
    }
}

/// A server over memory in this process, and its key ring. It ends with the process.
pub(super) async fn in_process(settings: &[(&str, &str)]) -> (String, OwnKey) {
    let variables: Vec<_> = settings
        .iter()
        .chain(&[("DATABASE_URL", "memory:"), ("MAESTRO_AUTH__HASHING__LANES", "1")])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let settings = Settings::from_sources(&[], &variables).expect("settings");
    let wired = wire::build(&settings, wire::Purpose::Serve)
        .await
        .map_err(|failure| failure.line())
        .expect("a server");
    let ring = Arc::clone(&wired.keys);
    let state = Arc::new(HttpState {
        auth: wired.auth,
        signer: wired.keys,
        readiness: Arc::new(Readiness::new()),
        request_ids: wired.request_ids,
        cursor_key: wired.keyed_hash,
        trusted_proxies: TrustedProxies::default(),
        public_url: PublicUrl::parse("http://127.0.0.1:8000").expect("a URL"),
    });
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || http::app(Arc::clone(&state))).workers(1).disable_signals();
            let server = server.bind("127.0.0.1:0").expect("a port");
            tell.send(server.addrs()[0].to_string()).expect("somebody waits");
            server.run().await.expect("the server runs");
        });
    });
    (told.recv().expect("an address"), OwnKey::InRing(ring))
}
