use std::fmt;

use maestro_auth_domain::{
    AuditId, CatalogueRevision, ClientId, Generation, KeyId, PasswordHash, PasswordVersion, PermissionName,
    Permissions, RefreshCounter, RoleName, Roles, SessionId, TenantId, Timestamp, TokenId, UserId,
};
use sqlx::error::BoxDynError;
use sqlx::{Arguments, Database, Encode, Type};
use uuid::Uuid;

/// One statement of SQL with its parameters.
#[derive(Debug, Clone)]
pub struct Statement {
    pub(crate) sql: &'static str,
    values: Values,
}

/// The values of the parameters `$1`, `$2`, …
#[derive(Clone, Default)]
pub(crate) struct Values(Vec<Value>);

/// The value of one parameter.
#[derive(Clone)]
pub(crate) enum Value {
    Id(Option<Uuid>),
    Text(Option<String>),
    Number(Option<i64>),
    Flag(bool),
    Bytes(Vec<u8>),
}

/// What a port method does, all or nothing.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) statements: Vec<Statement>,
    /// Whether doing it twice is the same as doing it once, so that a lost connection may be forgiven.
    pub(crate) only_reads: bool,
}

impl Step {
    pub(crate) fn read(statement: Statement) -> Self {
        Self { statements: vec![statement], only_reads: true }
    }

    /// More than one statement run in one transaction.
    pub(crate) fn write(statements: impl IntoIterator<Item = Statement>) -> Self {
        Self { statements: statements.into_iter().collect(), only_reads: false }
    }
}

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql, values: Values::default() }
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.0.push(value.into());
        self
    }

    /// The values in the form that a driver takes.
    pub(crate) fn arguments<DB: Database>(&self) -> Result<DB::Arguments, BoxDynError>
    where
        Option<Uuid>: for<'q> Encode<'q, DB> + Type<DB>,
        Option<String>: for<'q> Encode<'q, DB> + Type<DB>,
        Option<i64>: for<'q> Encode<'q, DB> + Type<DB>,
        bool: for<'q> Encode<'q, DB> + Type<DB>,
        Vec<u8>: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let mut arguments = DB::Arguments::default();
        for value in self.values.0.clone() {
            match value {
                Value::Id(id) => arguments.add(id),
                Value::Text(text) => arguments.add(text),
                Value::Number(number) => arguments.add(number),
                Value::Flag(flag) => arguments.add(flag),
                Value::Bytes(bytes) => arguments.add(bytes),
            }?;
        }
        Ok(arguments)
    }
}

impl Values {
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.0.push(value.into());
        self
    }

    pub(crate) fn for_one(self, sql: &'static str) -> Statement {
        Statement { sql, values: self }
    }

    /// The same values for each statement of a step.
    pub(crate) fn for_each(self, sqls: &'static [&'static str]) -> impl Iterator<Item = Statement> {
        sqls.iter().map(move |sql| self.clone().for_one(sql))
    }
}

/// Values stay out of logs: among them are addresses and password hashes.
impl fmt::Debug for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} values", self.0.len())
    }
}

macro_rules! values {
    ($($from:ty => |$value:ident| $into:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

values! {
    UserId => |id| id.as_uuid().into();
    SessionId => |id| id.as_uuid().into();
    TenantId => |id| id.as_uuid().into();
    TokenId => |id| id.as_uuid().into();
    ClientId => |id| id.as_uuid().into();
    AuditId => |id| id.as_uuid().into();
    Uuid => |id| Self::Id(Some(id));
    Option<UserId> => |id| Self::Id(id.map(UserId::as_uuid));
    &str => |text| Self::Text(Some(text.to_owned()));
    Option<&str> => |text| Self::Text(text.map(str::to_owned));
    KeyId => |id| id.as_str().into();
    Option<KeyId> => |id| Self::Text(id.map(|id| id.to_string()));
    &Roles => |roles| joined(roles.iter().map(RoleName::as_str));
    &[RoleName] => |roles| joined(roles.iter().map(RoleName::as_str));
    &Permissions => |permissions| joined(permissions.iter().map(PermissionName::as_str));
    &PasswordHash => |hash| hash.as_str().into();
    Option<&PasswordHash> => |hash| Self::Text(hash.map(|hash| hash.as_str().to_owned()));
    Timestamp => |instant| instant.unix_micros().into();
    Option<Timestamp> => |instant| Self::Number(instant.map(Timestamp::unix_micros));
    Generation => |generation| generation.number().into();
    CatalogueRevision => |revision| revision.number().into();
    Option<CatalogueRevision> => |revision| Self::Number(revision.map(CatalogueRevision::number));
    PasswordVersion => |version| version.number().into();
    RefreshCounter => |counter| counter.number().into();
    i64 => |number| Self::Number(Some(number));
    Option<i64> => |number| Self::Number(number);
    Option<RefreshCounter> => |counter| Self::Number(counter.map(RefreshCounter::number));
    u32 => |number| Self::Number(Some(number.into()));
    bool => |flag| Self::Flag(flag);
    &[u8] => |bytes| Self::Bytes(bytes.to_vec());
}

/// A list of names, none of which has a space in it.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    Value::Text(Some(names.collect::<Vec<_>>().join(" ")))
}
