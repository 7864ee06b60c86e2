//! Bringing in people: what the desk is told, signed so that it can trust it, and sent until it is taken.

mod address;
mod config;
mod desk;
mod event;
mod format;
mod hearing;
mod links;
mod signature;
mod telling;

pub use address::Address;
pub use config::{DEFAULT_IDLE, DeskConfig, MayReturn, OnTimeout};
pub use desk::{Desk, DeskError};
pub use event::{
    Facts, KEEP_TRYING, Requested, TRANSCRIPT_MESSAGES, acknowledged, end, ended, message,
    note_of_end, requested, timeout, window_closing,
};
pub use format::{Format, FormatError, TemplateError};
pub use hearing::{Call, Heard, Unheard, WEBHOOK_BYTES};
pub use links::{Links, Permit};
pub use signature::{SigningKey, SigningKeyError};
