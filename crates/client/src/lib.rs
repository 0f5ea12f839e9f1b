//! Protects a Rust service with Maestro Auth.
//!
//! The service checks access tokens itself, in microseconds and without a call to the server: it follows the server's public
//! keys, its revocations and its roles in the background. What was revoked is refused within a second; when the server can't
//! be reached for longer than `max_staleness`, a [`StalePolicy`] decides.
//!
//! ```no_run
//! use maestro_auth_client::MaestroAuth;
//!
//! # async fn start(client_id: &str, client_secret: &str, token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let auth = MaestroAuth::builder("https://auth.example.com").service(client_id, client_secret).start()?;
//!
//! let identity = auth.verify(token).await?;
//! if identity.has_permission("model:deploy") { /* … */ }
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `actix`, [`actix::RequirePermission`] guards a scope or a resource in one line, and a handler takes the
//! [`Identity`] as a parameter. With the feature `tower`, [`tower::RequirePermissionLayer`] does the same for axum and others.
//! The guide is `docs/CLIENT.md`.

#[cfg(feature = "actix")]
pub mod actix;
mod auth;
mod backoff;
mod bearer;
mod builder;
mod clock;
mod identity;
mod ids;
mod keys;
mod refusal;
mod revocations;
mod roles;
mod server;
mod tokens;
#[cfg(feature = "tower")]
pub mod tower;

pub use auth::{MaestroAuth, Status};
pub use builder::{Builder, StalePolicy, StartError};
pub use identity::Identity;
pub use ids::{SessionId, TokenId, UserId};
pub use refusal::Refusal;
