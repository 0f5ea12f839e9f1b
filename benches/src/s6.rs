//! S6: how often a request goes to PostgreSQL and back.

use anyhow::Result;

use crate::api::{self, Tokens};
use crate::http::Connection;
use crate::proxy::Proxy;
use crate::report::Report;
use crate::server::Server;
use crate::statistics::median;
use crate::storage::Storage;

/// The median of so many is free of what a new connection asks first, and of what the server asks by itself.
const REQUESTS: u32 = 25;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let storage = Storage::postgres()?;
    let proxy = Proxy::before(&storage.url)?;
    let server = Server::start(&storage, &[("DATABASE__URL", &proxy.url)])?;
    let mut connection = Connection::open(&server.address)?;
    let email = |n| format!("user-{n}@example.com");

    let registers = round_trips(&proxy, |n| connection.ask(&api::register(&email(n)), 201).map(drop))?;
    let logins = round_trips(&proxy, |n| connection.ask(&api::login(&email(n)), 200).map(drop))?;
    let mut tokens = Tokens::of(&connection.ask(&api::login(&email(0)), 200)?)?;
    let refreshes = round_trips(&proxy, |_| {
        tokens = Tokens::of(&connection.ask(&api::refresh(&tokens), 200)?)?;
        Ok(())
    })?;
    for (what, found, goal) in
        [("register", registers, 1.0), ("login", logins, 2.0), ("refresh", refreshes, 1.0)]
    {
        report.goal(
            format!("S6 a {what} over PostgreSQL"),
            format!("{found} round trips to the database"),
            &format!("≤ {goal}"),
            found <= goal,
        );
    }
    Ok(())
}

fn round_trips(proxy: &Proxy, mut request: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let mut counts = Vec::new();
    for n in 0..REQUESTS {
        let before = proxy.round_trips();
        request(n)?;
        let during = u32::try_from(proxy.round_trips() - before)?;
        counts.push(f64::from(during));
    }
    Ok(median(&counts))
}
