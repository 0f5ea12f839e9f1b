//! A server with one account, on which the cases play.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use super::case::{Repeat, Request};
use super::own_key::OwnKey;
use crate::support::forge::{EdDsaKey, Es256Key};
use crate::support::wire::{self, Reply};

const EMAIL: &str = "kim.smith@example.com";
const PASSWORD: &str = "a lighthouse keeps no diary";

pub(super) struct Stage {
    pub name: &'static str,
    address: String,
    /// The server's own signing key, where the test could get hold of it.
    own_key: Option<OwnKey>,
    pub own_jwk: Value,
    pub foreign_es256: Es256Key,
    pub foreign_eddsa: EdDsaKey,
    /// Where hostile headers point to. Nobody ever connects.
    trap: TcpListener,
    /// What `{name}` stands for in the case at hand.
    values: BTreeMap<&'static str, String>,
    /// Registrations that were answered with 201.
    pub registered: usize,
}

impl Stage {
    pub(super) async fn set(name: &'static str, address: &str, own_key: Option<OwnKey>) -> Self {
        let foreign_es256 = Es256Key::generate();
        let trap = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut stage = Self {
            name,
            address: address.to_owned(),
            own_key,
            own_jwk: Value::Null,
            foreign_eddsa: EdDsaKey::generate(),
            values: BTreeMap::from([
                ("email", EMAIL.to_owned()),
                ("password", PASSWORD.to_owned()),
                ("iss", "maestro-auth".to_owned()),
                ("aud", "maestro-auth".to_owned()),
                ("foreign_kid", crate::support::forge::thumbprint(&foreign_es256.jwk())),
                ("listener", format!("http://{}", trap.local_addr().expect("an address"))),
            ]),
            foreign_es256,
            trap,
            registered: 0,
        };
        let account = json!({ "email": EMAIL, "password": PASSWORD, "name": "Kim Smith" });
        let reply = stage.send(&post("/api/v1/auth/register", account)).await.expect("a reply");
        assert_eq!(reply.status, 201, "{}", reply.text());
        let body = reply.json().expect("tokens");
        stage.put("user_id", body["user"]["user_id"].as_str().expect("an id").to_owned());
        let jwks = stage.send(&get("/.well-known/jwks.json")).await.expect("a reply").json().expect("a JWKS");
        stage.own_jwk = jwks["keys"][0].clone();
        stage.put("own_kid", stage.own_jwk["kid"].as_str().expect("a kid").to_owned());
        stage
    }

    /// The server's signature over two segments; `None` when this stage can't make it.
    pub(super) fn sign_as_server(&self, header: &str, payload: &str) -> Option<String> {
        self.own_key.as_ref()?.sign(header, payload)
    }

    pub(super) fn put(&mut self, name: &'static str, value: String) {
        self.values.insert(name, value);
    }

    pub(super) fn value(&self, name: &str) -> &str {
        &self.values[name]
    }

    /// Opens a new session for the case at hand.
    pub(super) async fn sign_in(&mut self) {
        let reply =
            self.send(&post("/api/v1/auth/login", json!({ "email": EMAIL, "password": PASSWORD }))).await;
        let reply = reply.expect("a reply");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.json().expect("tokens");
        self.put("access", body["access_token"].as_str().expect("a token").to_owned());
        self.put("refresh", body["refresh_token"].as_str().expect("a token").to_owned());
    }

    /// Signs the first admin in, once, and takes a cursor of two lists.
    pub(super) async fn sign_in_admin(&mut self) {
        if self.values.contains_key("admin") {
            return;
        }
        let admin = json!({ "email": "admin@maestro.ml", "password": "admin123" });
        let reply = self.send(&post("/api/v1/auth/login", admin)).await.expect("a reply");
        let body = reply.json().expect("tokens");
        self.put("admin", body["access_token"].as_str().expect("a token").to_owned());
        self.put("admin_id", body["user"]["user_id"].as_str().expect("an id").to_owned());
        for (name, list) in [("cursor", "users"), ("foreign_cursor", "roles")] {
            let mut request = get(&format!("/api/v1/admin/{list}?limit=1"));
            request.headers.insert("Authorization".to_owned(), "Bearer {admin}".into());
            let page = self.send(&request).await.expect("a reply").json().expect("a page");
            self.put(name, page["next_cursor"].as_str().expect("a cursor").to_owned());
        }
    }

    pub(super) fn filled(&self, text: &str) -> String {
        self.values
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    /// Sends a request; again when the hashing lane was too busy with other tests of this machine.
    pub(super) async fn send(&self, request: &Request) -> Result<Reply, String> {
        let bytes = self.bytes(request);
        for _ in 0..120 {
            let reply = wire::talk(&self.address, bytes.clone()).await?;
            if reply.status != 503 || reply.json().is_none_or(|problem| problem["code"] != "overloaded") {
                return Ok(reply);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Err("overloaded for half a minute".to_owned())
    }

    /// Whether anybody followed a URL of a case.
    pub(super) fn is_trap_untouched(&self) -> bool {
        self.trap.set_nonblocking(true).expect("a mode");
        self.trap.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The JSON body of a request, with its placeholders filled in.
    pub(super) fn json_of(&self, request: &Request) -> Option<Value> {
        let body = request.body.as_ref().filter(|body| body.is_object())?;
        serde_json::from_str(&self.filled(&body.to_string())).ok()
    }

    fn bytes(&self, request: &Request) -> Vec<u8> {
        if let Some(encoded) = &request.raw_base64 {
            return base64(encoded);
        }
        if let Some(raw) = &request.raw {
            let mut bytes = self.filled(raw).into_bytes();
            bytes.extend(request.raw_repeat.as_ref().map(|repeat| self.repeated(repeat)).unwrap_or_default());
            return bytes;
        }
        let body = self.body(request);
        let mut head =
            format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, self.filled(&request.path));
        if !request.headers.contains_key("Host") {
            let _ = write!(head, "Host: {}\r\n", self.address);
        }
        if body.is_some() && !request.headers.contains_key("Content-Type") {
            head.push_str("Content-Type: application/json\r\n");
        }
        for (name, value) in &request.headers {
            for value in self.header_values(value) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        let body = body.unwrap_or_default();
        if request.chunked {
            [format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes(), in_chunks(&body)].concat()
        } else if body.is_empty() && request.body.is_none() {
            format!("{head}\r\n").into_bytes()
        } else {
            [format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
        }
    }

    fn body(&self, request: &Request) -> Option<Vec<u8>> {
        if let Some(encoded) = &request.body_base64 {
            return Some(base64(encoded));
        }
        if let Some(repeat) = &request.body_repeat {
            return Some(self.repeated(repeat));
        }
        Some(match request.body.as_ref()? {
            Value::String(text) => self.filled(text).into_bytes(),
            json => self.filled(&json.to_string()).into_bytes(),
        })
    }

    fn repeated(&self, repeat: &Repeat) -> Vec<u8> {
        let middle = repeat.unit.repeat(repeat.count);
        [self.filled(&repeat.prefix), middle, self.filled(&repeat.suffix)].concat().into_bytes()
    }

    /// No, one or several values; or a repeated one.
    fn header_values(&self, value: &Value) -> Vec<String> {
        match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values.iter().flat_map(|value| self.header_values(value)).collect(),
            Value::Object(repeat) => {
                let parts = &repeat["$repeat"];
                let count = usize::try_from(parts[2].as_u64().expect("a count")).expect("a count");
                let text = |index: usize| parts[index].as_str().expect("a text");
                vec![format!("{}{}", text(0), text(1).repeat(count))]
            }
            value => vec![self.filled(value.as_str().expect("a header value"))],
        }
    }
}

pub(super) fn post(path: &str, body: Value) -> Request {
    Request { method: "POST".to_owned(), path: path.to_owned(), body: Some(body), ..Request::default() }
}

pub(super) fn get(path: &str) -> Request {
    Request { method: "GET".to_owned(), path: path.to_owned(), ..Request::default() }
}

fn base64(encoded: &str) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    Base64::decode_vec(encoded).expect("base64 in the corpus")
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(8 * 1024) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
