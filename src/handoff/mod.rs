//! Bringing in people: what the desk is told, signed so that it can trust it, and sent until it is taken.

mod config;
mod desk;
mod event;
mod signature;

pub use config::{DEFAULT_IDLE, DeskConfig};
pub use desk::{Desk, DeskError};
pub use event::{KEEP_TRYING, Requested, TRANSCRIPT_MESSAGES, end, message, requested};
pub use signature::{SigningKey, SigningKeyError};
