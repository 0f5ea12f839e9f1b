//! The key ring: signs tokens (JWS, RFC 7515) and checks them, with keys that all instances share through the store.
//!
//! A key is published before it signs and accepted until the last token of it has expired, so rotation refuses no token
//! (SEC-56); one that was revoked is gone at once and for good (SEC-57). Private halves are in the store only sealed
//! (SEC-116); the key that opens them comes from the configuration.
//!
//! **Invariant:** a token chooses nothing: a key signs and verifies with its own algorithm alone (SEC-36, SEC-37), and no
//! flood of made-up key ids reaches the store more than four times a second.

mod error;
mod key;
mod keys;
mod mac;
mod ring;
mod sealing;

pub use error::KeyRingError;
pub use mac::MacKey;
pub use ring::{KeyRing, KeyRingSettings};
pub use sealing::SealingKey;
