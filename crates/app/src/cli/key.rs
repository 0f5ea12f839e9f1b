use std::io::Write;

use anyhow::Context;
use clap::Subcommand;
use maestro_auth_ports::{PublicKey, TokenSigner};

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::wire;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the published keys, the newest first
    List,
    /// Make a new key, published at once; it signs after `keys.publish_ahead`
    Rotate {
        /// Let it sign at once; verifiers that cache the published keys refuse its tokens until they look again
        #[arg(long)]
        now: bool,
    },
}

pub(super) async fn run(settings: &Settings, action: Action, out: &mut impl Write) -> Result<(), Failure> {
    let keys = wire::build(settings, wire::Purpose::Operate).await?.keys;
    if let Action::Rotate { now } = action {
        let rotated = if now { keys.rotate_now().await } else { keys.rotate().await };
        rotated.context("the keys were not rotated")?;
    }
    for key in keys.public_keys() {
        print(out, &as_text(&key))?;
    }
    Ok(())
}

fn as_text(key: &PublicKey) -> String {
    let end = key.retires_at.map_or_else(String::new, |end| format!("  retires {}", end.to_rfc3339()));
    format!("{}  {:5}  signs from {}{end}", key.kid, key.algorithm.name(), key.active_from.to_rfc3339())
}
