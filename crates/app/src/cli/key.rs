use std::io::Write;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use maestro_auth_domain::KeyId;
use maestro_auth_ports::PublicKey;
use maestro_auth_service::{AdminError, AuthService, Caller};

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
    /// Revoke a key that somebody else may have: no token of it is accepted any more, so all who hold one sign in again
    Revoke {
        /// The kid of the key
        #[arg(value_name = "KID", value_parser = key_id, allow_hyphen_values = true)]
        key: KeyId,
    },
}

pub(super) async fn run(settings: &Settings, action: Action, out: &mut impl Write) -> Result<(), Failure> {
    let auth = &*wire::build(settings, wire::Purpose::Operate).await?.auth;
    match action {
        Action::List => {}
        Action::Rotate { now } => {
            auth.rotate_key(&Caller::operator(), now).await.context("the keys were not rotated")?;
        }
        Action::Revoke { key } => revoke(auth, key, out).await?,
    }
    for key in auth.list_keys() {
        print(out, &as_text(&key))?;
    }
    Ok(())
}

async fn revoke(auth: &AuthService, key: KeyId, out: &mut impl Write) -> Result<(), Failure> {
    match auth.revoke_key(&Caller::operator(), key).await {
        Ok(()) => print(out, &format!("{key}  is revoked, and with it all its tokens; these keys are left:")),
        Err(AdminError::NotFound) => Err(anyhow!("there is no key {key}; it may be revoked already").into()),
        Err(error) => Err(anyhow::Error::new(error).context("the key was not revoked").into()),
    }
}

fn key_id(typed: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(typed).ok_or("a kid is 43 characters of base64url, as `key list` shows it")
}

fn as_text(key: &PublicKey) -> String {
    let end = key.retires_at.map_or_else(String::new, |end| format!("  retires {}", end.to_rfc3339()));
    format!("{}  {:5}  signs from {}{end}", key.kid, key.algorithm.name(), key.active_from.to_rfc3339())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        action: Action,
    }

    fn revoked(typed: &str) -> Option<KeyId> {
        match Line::try_parse_from(["key", "revoke", typed]).ok()?.action {
            Action::Revoke { key } => Some(key),
            other => panic!("{typed} was taken for {other:?}"),
        }
    }

    #[test]
    fn every_kid_can_be_typed_and_nothing_else() {
        for start in ["a", "-", "--", "-h", "_"] {
            let kid = format!("{start:Z<43}");
            assert_eq!(revoked(&kid).map(|key| key.to_string()), Some(kid));
        }
        for wrong in ["", "kid", "--now", &"a".repeat(44), &"+".repeat(43)] {
            assert_eq!(revoked(wrong), None, "{wrong}");
        }
    }
}
