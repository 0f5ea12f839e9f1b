//! The form of a case in `tests/corpus/*.jsonl`. A member that is not declared here fails the test, so a typo in the data
//! can't turn a case into nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// One bad (or, as a control, good) input and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub id: String,
    /// Sent first, each with an answer of no interest.
    #[serde(default)]
    pub setup: Vec<Request>,
    /// What `{token}` stands for in the request.
    pub token: Option<TokenSpec>,
    pub request: Request,
    pub expect: Expect,
    #[serde(skip)]
    line: String,
}

impl Case {
    /// Whether the case needs a signed-in user. Each such case gets a session of its own, so that none disturbs another.
    pub fn needs_tokens(&self) -> bool {
        self.token.is_some() || self.line.contains("{access}") || self.line.contains("{refresh}")
    }

    /// Whether the case needs what only an admin can tell.
    pub fn needs_admin(&self) -> bool {
        self.line.contains("{admin}") || self.line.contains("{admin_id}")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, Value>,
    /// A string is sent as it is, any other value as JSON.
    pub body: Option<Value>,
    pub body_base64: Option<String>,
    pub body_repeat: Option<Repeat>,
    /// Sends the body in chunks rather than with its length.
    pub chunked: bool,
    /// The bytes of the whole request; the connection is not asked to close.
    pub raw: Option<String>,
    pub raw_base64: Option<String>,
    /// Goes on after `raw`.
    pub raw_repeat: Option<Repeat>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeat {
    #[serde(default)]
    pub prefix: String,
    pub unit: String,
    pub count: usize,
    pub suffix: String,
}

/// How a token of the corpus's account is changed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenSpec {
    /// `access` unless it says `refresh`.
    pub kind: Option<String>,
    pub header: Edit,
    pub claims: Edit,
    pub header_text: Option<String>,
    pub payload_text: Option<String>,
    /// `keep` (default), `none`, `own`, `foreign:es256`, `foreign:eddsa`, or `hs256:` and a form of the public key.
    pub sign: Option<String>,
    /// `standard` or `padded` base64 instead of the unpadded URL-safe one.
    pub encode: Option<String>,
    /// A change to one segment after signing.
    pub flip: Option<String>,
    /// The final form, in terms of the segments `{h}`, `{p}` and `{s}`.
    pub text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Edit {
    pub set: BTreeMap<String, Value>,
    pub drop: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub status: OneOrMany<u16>,
    pub code: Option<OneOrMany<String>>,
    /// The pointers of all offending fields, in alphabetical order.
    pub pointers: Option<Vec<String>>,
    /// The codes of all offending fields.
    pub errors: Option<Vec<String>>,
    /// The `Allow` header.
    pub allow: Option<String>,
    /// Members that the user in a good answer has.
    pub user: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub fn any(&self, test: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::One(value) => test(value),
            Self::Many(values) => values.iter().any(test),
        }
    }
}

/// Every case, in the order of files and lines.
pub(super) fn all() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        for (number, line) in fs::read_to_string(&file).expect("text").lines().enumerate() {
            let case = serde_json::from_str::<Case>(line);
            let case = case.unwrap_or_else(|error| panic!("{}:{}: {error}", file.display(), number + 1));
            cases.push(Case { line: line.to_owned(), ..case });
        }
    }
    cases
}
