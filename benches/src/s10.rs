//! S10: the same requests beside a thousand users and beside a million.

use std::time::Instant;

use anyhow::Result;

use crate::api::{self, Tokens};
use crate::http::Connection;
use crate::load::latency;
use crate::proxy::Proxy;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::median;
use crate::storage::Storage;

const FEW: u32 = 1_000;
const MANY: u32 = 1_000_000;
const ROUNDS: u32 = 200;

/// A server on a PostgreSQL with so many users, and what its requests took in milliseconds.
struct World {
    users: u32,
    server: Server,
    proxy: Proxy,
    _storage: Storage,
    login: Vec<f64>,
    login_in_database: Vec<f64>,
    me: Vec<f64>,
    refresh: Vec<f64>,
}

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let (mut few, mut many) = (World::of(FEW)?, World::of(MANY)?);
    for round in 0..ROUNDS {
        few.ask(round)?;
        many.ask(round)?;
    }
    for (what, times) in [
        ("`/me` with a token that is new", (&few.me, &many.me)),
        ("refresh", (&few.refresh, &many.refresh)),
        ("login with its hash", (&few.login, &many.login)),
        ("login, in the database alone", (&few.login_in_database, &many.login_in_database)),
    ] {
        let (few, many) = (median(times.0), median(times.1));
        report.goal(
            format!("S10 {what}, at a million users"),
            format!("{:.2} × as at a thousand ({many:.2} against {few:.2} ms)", many / few),
            "≤ 1.2 ×",
            many / few <= 1.2,
        );
    }
    Ok(())
}

impl World {
    fn of(users: u32) -> Result<Self> {
        let storage = Storage::postgres()?;
        let proxy = Proxy::before(&storage.url)?;
        let server = Server::start(&storage, &[("DATABASE__URL", &proxy.url)])?;
        api::sign_up(&server.address, "template@example.com")?;
        storage.query(&add_users(users))?;
        storage.query("VACUUM ANALYZE")?;
        storage.query("CHECKPOINT")?;
        let [login, login_in_database, me, refresh] = [(); 4].map(|()| Vec::new());
        Ok(Self { users, server, proxy, _storage: storage, login, login_in_database, me, refresh })
    }

    /// Signs a user in, asks who it is, and buys a successor; in each round another user, from all over the table.
    fn ask(&mut self, round: u32) -> Result<()> {
        const STRIDE: u32 = 619_001; // a prime

        let user = round.wrapping_mul(STRIDE) % self.users + 1;
        let mut connection = Connection::open(&self.server.address)?;
        let (started, waited_before) = (Instant::now(), self.proxy.waited());
        let answer = connection.ask(&api::login(&format!("user-{user}@example.com")), 200)?;
        self.login.push(started.elapsed().as_secs_f64() * 1e3);
        let waited = self.proxy.waited().saturating_sub(waited_before);
        self.login_in_database.push(waited.as_secs_f64() * 1e3);

        let tokens = Tokens::of(&answer)?;
        self.me.push(latency(&mut connection, &api::me(&tokens), 200)?);
        self.refresh.push(latency(&mut connection, &api::refresh(&tokens), 200)?);
        Ok(())
    }
}

/// Adds so many users with a session each, all of them like the one that is there. What refers to what is right by
/// construction, so nobody checks it.
fn add_users(count: u32) -> String {
    let id = "('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid";
    format!(
        "SET session_replication_role = replica;
        INSERT INTO users (id, tenant_id, email, email_canonical, name, roles, is_active, email_verified,
            created_at, generation, session_floor, password_hash, password_version)
        SELECT {id}, tenant_id, 'user-' || n || '@example.com', 'user-' || n || '@example.com', name, roles,
            is_active, email_verified, created_at, generation, session_floor, password_hash, password_version
        FROM users, generate_series(1, {count}) AS n WHERE email_canonical = 'template@example.com';
        INSERT INTO sessions (id, tenant_id, user_id, opened_generation, counter, created_at, rotated_at,
            expires_at)
        SELECT {id}, tenant_id, {id}, opened_generation, counter, created_at, rotated_at, expires_at + n
        FROM sessions, generate_series(1, {count}) AS n"
    )
}
