//! Entries of the audit trail as text: for the answers of the API, and for what is exported by it or by the command line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use clap::ValueEnum;
use maestro_auth_domain::{AuditEntry, Subject};
use serde::Serialize;
use utoipa::ToSchema;

/// One entry of the audit trail. What is not known is null.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct EntryText<'a> {
    /// A UUID v7.
    #[schema(format = Uuid, example = "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a")]
    id: String,
    /// When it happened; RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-11-24T06:00:00Z")]
    at: String,
    /// What was done, or tried.
    #[schema(example = "user.updated")]
    action: &'static str,
    /// `success`, `failure` or `denied`.
    #[schema(example = "success")]
    outcome: &'static str,
    /// Who did it: `user:ID`, `service:ID`, `operator`, `server` or `anonymous`.
    #[schema(example = "user:019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a")]
    actor: String,
    /// What it was done to: `user:ID`, `session:ID`, `service:ID`, `role:NAME`, `permission:NAME` or `key:KID`.
    #[schema(required, example = "user:019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4b")]
    subject: Option<String>,
    /// The address that the request came from.
    #[schema(required, example = "192.0.2.1")]
    address: Option<String>,
    /// What the client calls itself, at most 256 characters of it.
    #[schema(required, example = "Mozilla/5.0")]
    user_agent: Option<&'a str>,
    /// The `X-Request-Id` of the answer.
    #[schema(required, example = "b2c1a0f0-1")]
    request_id: Option<&'a str>,
    /// What else is to know. `repeated` says how many entries, alike but for their times, this one stands for.
    #[schema(example = json!({"roles.from": "viewer", "roles.to": "ml_engineer"}))]
    details: BTreeMap<&'a str, &'a str>,
}

impl<'a> EntryText<'a> {
    pub(crate) fn of(entry: &'a AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            at: entry.at.to_rfc3339(),
            action: entry.action.as_str(),
            outcome: entry.outcome.as_str(),
            actor: entry.actor.to_text(),
            subject: entry.subject.as_ref().map(Subject::to_text),
            address: entry.origin.address.map(|address| address.to_string()),
            user_agent: entry.origin.user_agent(),
            request_id: entry.origin.request_id(),
            details: entry.details.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        }
    }

    fn as_json(&self) -> String {
        // Strings and maps of strings always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn as_csv(&self) -> String {
        let details = serde_json::to_string(&self.details).unwrap_or_default();
        let columns = [
            self.id.as_str(),
            self.at.as_str(),
            self.action,
            self.outcome,
            self.actor.as_str(),
            self.subject.as_deref().unwrap_or_default(),
            self.address.as_deref().unwrap_or_default(),
            self.user_agent.unwrap_or_default(),
            self.request_id.unwrap_or_default(),
            details.as_str(),
        ];
        columns.map(csv_field).join(",")
    }
}

/// How entries are written that leave the server, one a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line
    Jsonl,
    /// After RFC 4180, with a header line; what a spreadsheet would take for a formula is preceded by an apostrophe
    Csv,
}

impl Format {
    const COLUMNS: &'static str = "id,at,action,outcome,actor,subject,address,user_agent,request_id,details";

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "jsonl" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// As what a browser saves it.
    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::Jsonl => "audit.jsonl",
            Self::Csv => "audit.csv",
        }
    }

    /// What stands before the first entry.
    pub(crate) fn head(self) -> String {
        match self {
            Self::Jsonl => String::new(),
            Self::Csv => format!("{}\r\n", Self::COLUMNS),
        }
    }

    pub(crate) fn lines(self, entries: &[AuditEntry]) -> String {
        let line = |entry| match self {
            Self::Jsonl => EntryText::of(entry).as_json() + "\n",
            Self::Csv => EntryText::of(entry).as_csv() + "\r\n",
        };
        entries.iter().map(line).collect()
    }
}

/// A value as a field of RFC 4180, which no spreadsheet takes for a formula (SEC-119). Spaces before a formula do not stop every
/// spreadsheet, nor do the wide forms of its first character.
fn csv_field(value: &str) -> String {
    let starts_formula = |character| {
        matches!(
            character,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\u{FF1D}' | '\u{FF0B}' | '\u{FF0D}' | '\u{FF20}'
        )
    };
    let is_formula = value.starts_with(starts_formula) || value.trim_start().starts_with(starts_formula);
    let value = if is_formula { Cow::Owned(format!("'{value}")) } else { Cow::Borrowed(value) };
    if value.contains(['"', ',', ';', '\r', '\n', '\t']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::{
        Action, Actor, AuditId, Origin, Outcome, RoleName, TenantId, Timestamp, UserId,
    };
    use serde_json::{Value, json};

    use super::*;

    fn entry(user_agent: &str) -> AuditEntry {
        let at = Timestamp::from_unix_seconds(1_800_000_000);
        AuditEntry {
            id: AuditId::generate(at, [1; 10]),
            tenant: TenantId::DEFAULT,
            at,
            action: Action::RolePut,
            outcome: Outcome::Success,
            actor: Actor::User(UserId::generate(at, [2; 10])),
            subject: Some(Subject::Role(RoleName::viewer())),
            origin: Origin::new(Some([192, 0, 2, 1].into()), Some(user_agent), Some("-1")),
            details: vec![("permissions".to_owned(), "a:b \"c\"".to_owned())],
        }
    }

    #[test]
    fn an_entry_is_one_line_of_json_with_every_field() {
        let operator = AuditEntry {
            actor: Actor::Operator,
            subject: None,
            origin: Origin::default(),
            details: vec![],
            ..entry("")
        };
        let lines = Format::Jsonl.lines(&[entry("a\r\nb"), operator]);
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected = json!({
            "id": entry("").id.to_string(),
            "at": "2027-01-15T08:00:00Z",
            "action": "role.put",
            "outcome": "success",
            "actor": entry("").actor.to_text(),
            "subject": "role:viewer",
            "address": "192.0.2.1",
            "user_agent": "a\u{FFFD}\u{FFFD}b",
            "request_id": "-1",
            "details": {"permissions": "a:b \"c\""},
        });
        assert_eq!(lines[0], expected);
        for absent in ["subject", "address", "user_agent", "request_id"] {
            assert_eq!(lines[1].as_object().unwrap()[absent], Value::Null, "{absent}");
        }
        assert_eq!((&lines[1]["actor"], &lines[1]["details"]), (&json!("operator"), &json!({})));
    }

    #[test]
    fn csv_is_what_rfc_4180_says() {
        assert_eq!(Format::Csv.head().trim_end().split(',').count(), 10);
        let entry = entry("Mozilla/5.0 (X11, \"it\")");
        let expected = format!(
            "{},2027-01-15T08:00:00Z,role.put,success,{},role:viewer,192.0.2.1,\"Mozilla/5.0 (X11, \"\"it\"\")\",'-1,\
             \"{{\"\"permissions\"\":\"\"a:b \\\"\"c\\\"\"\"\"}}\"\r\n",
            entry.id,
            entry.actor.to_text()
        );
        assert_eq!(Format::Csv.lines(&[entry]), expected);
    }

    #[test]
    fn sec_119_no_value_is_a_formula() {
        for formula in
            ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\u{FF1D}1", "=cmd|' /C calc'!A0"]
        {
            let field = csv_field(formula);
            assert!(field.trim_start_matches('"').starts_with('\''), "{field}");
        }
        for (plain, field) in
            [("", ""), ("a=b", "a=b"), ("2001:db8::1", "2001:db8::1"), ("a\"b", "\"a\"\"b\"")]
        {
            assert_eq!(csv_field(plain), field);
        }
        let line = Format::Csv.lines(&[entry("=HYPERLINK(\"http://evil.example\",\"x\")")]);
        assert!(line.contains(",\"'=HYPERLINK("), "{line}");
    }
}
