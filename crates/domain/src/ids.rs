use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Timestamp;

/// Declares an id that the compiler keeps apart from every other id.
macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A UUID v7 (RFC 9562 section 5.7): ordered by `now`, unguessable in its 74 bits from `random`.
            #[must_use]
            pub fn generate(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.unix_micros() / 1_000).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Takes an id that was made before, for instance one that a storage kept.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

/// Declares a number that counts up from one, and that the compiler keeps apart from every other number.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            pub const FIRST: Self = Self(1);

            /// Takes a number that was counted before, for instance one that a storage kept.
            #[must_use]
            pub const fn from_number(number: i64) -> Self {
                Self(number)
            }

            #[must_use]
            pub const fn number(self) -> i64 {
                self.0
            }

            /// Stays at the end of the numbers: one that comes from a token may be any.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    };
}

typed_id! {
    /// A user: the `sub` of its tokens.
    UserId
}
typed_id! {
    /// A session: one login and the refresh token family that grows from it; the `sid` of its tokens.
    SessionId
}
typed_id! {
    /// One access token: its `jti`.
    TokenId
}
typed_id! {
    /// The tenant that owns users. Addresses are unique per tenant.
    TenantId
}

impl TenantId {
    /// The one tenant that exists today. Both migrations insert it.
    pub const DEFAULT: Self = Self(Uuid::from_u128(1));
}

typed_id! {
    /// A registered service: its client id (RFC 6749 section 2.2).
    ClientId
}
typed_id! {
    /// One entry of the audit trail.
    AuditId
}

impl AuditId {
    /// What comes before every id that is made at `at` or later: ids begin with their millisecond.
    #[must_use]
    pub fn before(at: Timestamp) -> Self {
        let millis = u128::try_from(at.unix_micros().max(0) / 1_000).unwrap_or(0);
        Self(Uuid::from_u128(millis << 80))
    }
}

/// A signing key: its `kid`, which is the RFC 7638 thumbprint in base64url, so always 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LENGTH]);

impl KeyId {
    pub const LENGTH: usize = 43;

    /// Takes a thumbprint in base64url. Nothing else is a key id (SEC-38).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(is_base64url).then_some(Self(bytes))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // always is: see `parse`
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

counter! {
    /// Counts the changes of the roles and permissions of a tenant.
    CatalogueRevision
}
counter! {
    /// The token generation of a user: the `gen` of its tokens. It only ever rises, and an access token with a lower one
    /// than its user's is refused.
    Generation
}
counter! {
    /// Counts the passwords that a user has had. It rises when the password changes, and stays when the same password is
    /// merely hashed anew; so a login that verified an old password can be told from one that verified the current one.
    PasswordVersion
}
counter! {
    /// The place of a refresh token in its family: the `ctr` claim. The store keeps only the current one, so a stolen
    /// database opens no session.
    RefreshCounter
}
