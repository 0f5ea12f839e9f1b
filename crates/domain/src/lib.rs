//! Values and rules of Maestro Auth.
//!
//! **Invariant:** nothing here does IO, awaits, reads a clock or draws randomness; a value that exists is valid.
//! Callers bring the time ([`Timestamp`]) and the random bytes that ids are made of.

mod blacklist;
mod blocklist;
mod email;
mod ids;
mod name;
mod password;
mod role;
mod session;
mod stored_hash;
mod timestamp;
mod user;
mod violation;

pub use blacklist::{BlacklistEntry, RevocableToken, RevocationTime, Revoked};
pub use email::Email;
pub use ids::{Generation, PasswordVersion, RefreshCounter, SessionId, TenantId, TokenId, UserId};
pub use name::DisplayName;
pub use password::{NewPassword, Password, PasswordPolicy};
pub use role::{Permission, PermissionName, RoleName, Roles};
pub use session::{NewSession, RefreshPolicy, RefreshVerdict, Session};
pub use stored_hash::{Argon2Params, HashRejected, HashScheme, PasswordHash};
pub use timestamp::Timestamp;
pub use user::{NewUser, User};
pub use violation::Violation;
