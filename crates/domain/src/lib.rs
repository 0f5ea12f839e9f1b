//! Values and rules of Maestro Auth.
//!
//! **Invariant:** nothing here does IO, awaits, reads a clock or draws randomness; a value that exists is valid.
//! Callers bring the time ([`Timestamp`]) and the random bytes that ids are made of.

mod audit;
mod blacklist;
mod blocklist;
mod catalogue;
mod email;
mod ids;
mod name;
mod password;
mod permission;
mod role;
mod service;
mod session;
mod stored_hash;
mod timestamp;
mod user;
mod violation;

pub use audit::{Action, Actor, AuditEntry, AuditFilter, AuditLink, Origin, Outcome, Subject};
pub use blacklist::{BlacklistEntry, RevocableToken, RevocationTime, Revoked};
pub use catalogue::{CatalogueError, Role, RoleCatalogue, RoleDefinition};
pub use email::Email;
pub use ids::{
    AuditId, CatalogueRevision, ClientId, Generation, KeyId, PasswordVersion, RefreshCounter, SessionId,
    TenantId, TokenId, UserId,
};
pub use name::DisplayName;
pub use password::{NewPassword, Password, PasswordPolicy};
pub use permission::{Description, Permission, PermissionName, Permissions};
pub use role::{RoleName, Roles};
pub use service::{SecretHash, Service};
pub use session::{NewSession, RefreshPolicy, RefreshVerdict, Session};
pub use stored_hash::{Argon2Params, HashRejected, HashScheme, PasswordHash};
pub use timestamp::Timestamp;
pub use user::{NewUser, User, UserChange, UserFilter};
pub use violation::Violation;
