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
