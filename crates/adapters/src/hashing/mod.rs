//! The hashing lanes: passwords are hashed on threads of their own, within bounds of their own.
//!
//! A hash costs what tens of thousands of other requests cost, so it must not stand in their way, however many ask for
//! one. Each lane is an operating system thread at the lowest priority that hashes one password at a time in memory
//! that it keeps. In front of the lanes is one short queue; whoever can't be served in time is told so.
//!
//! **Invariant:** threads, memory and waiting are bounded, whatever the number of callers; no text of a password or a
//! hash is ever logged.

mod engine;
mod floor;
mod lanes;
mod memory;
mod queue;
mod recent;
mod settings;
mod stored;

pub use lanes::{HashingLanes, LaneError};
pub use settings::{HashingSettings, SettingsError};
