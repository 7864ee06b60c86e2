//! Braze: what its webhooks bring, and what is sent through it.

mod config;
mod gate;
mod inbound;
mod send;
mod subscription;

pub use config::WorkspaceConfig;
pub use gate::Gate;
pub use inbound::{Escaping, InboundError, InboundLimits, parse};
pub use send::{Campaign, REPLY_ID, Workspace};
