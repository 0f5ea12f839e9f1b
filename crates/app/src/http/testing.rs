//! The state of a server over memory, for the tests of this layer.

use std::net::SocketAddr;
use std::sync::Arc;

use maestro_auth_domain::{DisplayName, Email, Origin, Password};
use maestro_auth_ports::KeyedHash;
use maestro_auth_service::{Login, Register};

use super::{HttpState, Readiness, TrustedProxies};
use crate::config::{PublicUrl, Settings};
use crate::{seed, wire};

pub(super) const ADMIN: &str = "admin@maestro.ml";
pub(super) const VIEWER: &str = "viewer@example.com";
const PASSWORDS: [(&str, &str); 2] = [(ADMIN, "admin123"), (VIEWER, "password 123 of a viewer")];

/// A server in this process, with the seeded admin and one viewer.
pub(super) struct Running {
    pub state: Arc<HttpState>,
}

impl Running {
    pub(super) async fn start() -> Self {
        let variables = [("DATABASE_URL", "memory:"), ("MAESTRO_AUTH__HASHING__LANES", "1")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::from_sources(&[], &variables).unwrap();
        let wired = wire::build(&settings, wire::Purpose::Serve).await.ok().unwrap();
        seed::seed(&settings, &wired.auth).await.ok().unwrap();
        let state = Arc::new(HttpState {
            auth: wired.auth,
            signer: wired.keys,
            readiness: Arc::new(Readiness::new()),
            request_ids: wired.request_ids,
            cursor_key: wired.keyed_hash,
            trusted_proxies: TrustedProxies::default(),
            public_url: PublicUrl::of_listener(SocketAddr::from(([127, 0, 0, 1], 8000))),
        });
        let (email, name) = (Email::parse(VIEWER).unwrap(), DisplayName::parse("Test").unwrap());
        let password = state.auth.passwords().accept(password_of(VIEWER), Some(&email), Some(&name)).unwrap();
        let registration = Register { email, name, password, role: None };
        state.auth.register(registration, &Origin::default()).await.unwrap();
        Self { state }
    }

    /// The `Authorization` header of somebody who logs in for it.
    pub(super) async fn bearer(&self, email: &str) -> String {
        let login = Login { email: Email::parse(email).unwrap(), password: password_of(email) };
        format!("Bearer {}", self.state.auth.login(login, &Origin::default()).await.unwrap().access_token)
    }
}

/// One of several keys.
pub(super) fn cursor_key(number: u8) -> Arc<dyn KeyedHash> {
    wire::keyed_hash(&[number; 32]).ok().unwrap()
}

fn password_of(email: &str) -> Password {
    let (_, password) = PASSWORDS.iter().find(|(somebody, _)| *somebody == email).unwrap();
    Password::parse(password).unwrap()
}
