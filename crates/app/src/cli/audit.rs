use std::fmt;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use maestro_auth_domain::{self as domain, AuditFilter, Timestamp, UserId};
use maestro_auth_service::{AuthService, Caller, ChainFault, ChainReport};

use super::{print, write_text};
use crate::audit_text::Format;
use crate::config::Settings;
use crate::failure::Failure;
use crate::wire;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Tell whether entries were changed, deleted or added by somebody else than the server
    Verify {
        /// Where the chain once ended, as this command has shown it: tells also whether it was cut off before that
        #[arg(long, value_name = "POSITION:MAC", value_parser = place)]
        expect: Option<Place>,
    },
    /// Write the trail to the standard output, the newest entries first
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// Only what this user did, or what was done to it
    #[arg(long, value_name = "USER_ID")]
    user: Option<UserId>,
    /// Only what was done of this kind, such as login.failed
    #[arg(long, value_parser = action)]
    action: Option<domain::Action>,
    /// Not before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse_rfc3339)]
    since: Option<Timestamp>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse_rfc3339)]
    until: Option<Timestamp>,
}

/// A link of the chain, as it is shown and as somebody may have written it down: `POSITION:MAC`, the code in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    position: i64,
    mac: [u8; 32],
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (position, digits) = text.split_once(':')?;
        let half = |digit: char| digit.to_digit(16).and_then(|half| u8::try_from(half).ok());
        let halves: [u8; 64] = digits.chars().map(half).collect::<Option<Vec<_>>>()?.try_into().ok()?;
        let mac = std::array::from_fn(|index| halves[2 * index] << 4 | halves[2 * index + 1]);
        Some(Self { position: position.parse().ok()?, mac })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.position)?;
        self.mac.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

pub(super) async fn run(settings: &Settings, action: Action, out: &mut impl Write) -> Result<(), Failure> {
    let auth = wire::build(settings, wire::Purpose::Operate).await?.auth;
    match action {
        Action::Verify { expect } => verify(&auth, expect, out).await,
        Action::Export(export) => write_export(&auth, export, out).await,
    }
}

/// Fails unless the whole trail is what the server has written. It is told what it looks like also when nothing can be linked.
async fn verify(auth: &AuthService, expect: Option<Place>, out: &mut impl Write) -> Result<(), Failure> {
    let laid = auth.lay_chain().await.context("the chain was not laid over the latest entries");
    let report = auth.verify_audit().await.context("the trail was not read")?;
    let lacks_expected = match expect {
        Some(Place { position, mac }) => !auth.has_audit_link(position, mac).await?,
        None => false,
    };
    let told = tell(&report, laid.as_ref().err(), out);
    // The verdict counts whether somebody reads what leads to it or not.
    if lacks_expected {
        let why = "the chain does not hold the expected link: it was cut off or replaced";
        return Err(anyhow!(why).into());
    }
    match report.fault_count {
        0 => laid?,
        faults => return Err(anyhow!("the audit trail was tampered with: faults found: {faults}").into()),
    }
    told
}

fn tell(report: &ChainReport, not_laid: Option<&anyhow::Error>, out: &mut impl Write) -> Result<(), Failure> {
    print(out, &as_text(report))?;
    if let Some(error) = not_laid {
        print(out, &format!("{error:#}"))?;
    }
    report.faults.iter().try_for_each(|fault| print(out, &fault_as_text(fault)))
}

async fn write_export(auth: &Arc<AuthService>, export: Export, out: &mut impl Write) -> Result<(), Failure> {
    let Export { format, user, action, since, until } = export;
    let filter = AuditFilter { user, action, since, until };
    let begun = auth.export_audit(&Caller::operator(), filter).await;
    let mut pages = begun.context("the export was not begun, since it can't be written down")?;
    write_text(out, &format.head())?;
    while let Some(entries) = pages.next_page().await.context("the export is not complete")? {
        write_text(out, &format.lines(&entries))?;
    }
    Ok(())
}

fn as_text(report: &ChainReport) -> String {
    let ChainReport { linked, waiting, .. } = report;
    let head = report.head.map(|head| Place { position: head.position, mac: head.mac });
    let head = head.map_or_else(|| "none".to_owned(), |head| head.to_string());
    format!("entries on the chain: {linked}\nentries that wait for it: {waiting}\nlast link: {head}")
}

fn fault_as_text(fault: &ChainFault) -> String {
    match fault {
        ChainFault::Deleted { position, entry } => format!("deleted: entry {entry}, link {position}"),
        ChainFault::Changed { position, entry } => format!("changed: entry {entry}, link {position}"),
        ChainFault::Unreadable { entry } => format!("unreadable: entry {entry}"),
        ChainFault::Gap { first, last } if first == last => format!("missing: link {first}"),
        ChainFault::Gap { first, last } => format!("missing: links {first} to {last}"),
        ChainFault::Stray { entry } => format!("not by the server: entry {entry}"),
    }
}

fn place(typed: &str) -> Result<Place, &'static str> {
    Place::parse(typed).ok_or("a link is written POSITION:MAC, as `audit verify` shows the last one")
}

fn action(typed: &str) -> Result<domain::Action, &'static str> {
    domain::Action::from_name(typed).ok_or("an action is written as an export shows it, such as login.failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_taken_as_it_was_shown() {
        let mut mac = [0xA5; 32];
        mac[..4].copy_from_slice(&[0, 1, 0x10, 0xFF]);
        let shown = Place { position: 1_204, mac };
        assert_eq!(Place::parse(&shown.to_string()), Some(shown));
        let digits = "0".repeat(64);
        for bad in
            ["", "1", "1:", ":", &format!(":{digits}"), &format!("x:{digits}"), &format!("1:{digits}0")]
        {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
        assert_eq!(Place::parse(&format!("1:{}", "0".repeat(63))), None);
        assert_eq!(Place::parse(&format!("1:{}g", "0".repeat(63))), None);
    }
}
