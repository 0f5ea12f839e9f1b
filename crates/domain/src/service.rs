use crate::{ClientId, DisplayName, Permissions, TenantId, Timestamp};

/// A registered service: another program that asks this server, or whose gateway does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub id: ClientId,
    pub tenant: TenantId,
    pub name: DisplayName,
    /// What it may do at this server by its own right.
    pub permissions: Permissions,
    pub created_at: Timestamp,
}

/// The keyed hash of a client secret, by a key that is not in the storage. The secret itself is 256 random bits, shown once and
/// kept nowhere (SEC-48).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretHash(***)")
    }
}
