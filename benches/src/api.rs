//! What the benches ask of the server.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::http::{Connection, get, post};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// What a client holds after it signed in.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    pub(crate) fn of(answer: &Value) -> Result<Self> {
        let token = |name| Ok::<_, anyhow::Error>(answer[name].as_str().context("a token")?.to_owned());
        Ok(Self { access: token("access_token")?, refresh: token("refresh_token")? })
    }
}

/// Makes an account.
pub(crate) fn sign_up(address: &str, email: &str) -> Result<Tokens> {
    Tokens::of(&Connection::open(address)?.ask(&register(email), 201)?)
}

pub(crate) fn register(email: &str) -> Vec<u8> {
    let body = json!({ "email": email, "password": PASSWORD, "name": "Bench" });
    post("/api/v1/auth/register", None, Some(&body))
}

pub(crate) fn login(email: &str) -> Vec<u8> {
    login_with(email, PASSWORD)
}

pub(crate) fn login_with(email: &str, password: &str) -> Vec<u8> {
    post("/api/v1/auth/login", None, Some(&json!({ "email": email, "password": password })))
}

pub(crate) fn refresh(tokens: &Tokens) -> Vec<u8> {
    post("/api/v1/auth/refresh", Some(&tokens.refresh), None)
}

pub(crate) fn logout(tokens: &Tokens) -> Vec<u8> {
    post("/api/v1/auth/logout", Some(&tokens.access), None)
}

pub(crate) fn me(tokens: &Tokens) -> Vec<u8> {
    get("/api/v1/auth/me", Some(&tokens.access))
}

pub(crate) fn verify(tokens: &Tokens) -> Vec<u8> {
    get("/api/v1/auth/verify", Some(&tokens.access))
}
