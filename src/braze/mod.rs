//! Braze: what its webhooks bring, and what is sent through it.

mod answer;
mod body;
mod config;
mod gate;
mod inbound;
mod probe;
mod region;
mod send;
mod shy;
mod spacing;
pub mod templates;
mod ticks;
mod track;
mod way;

pub use config::WorkspaceConfig;
pub use gate::{Gate, Step};
pub use inbound::{Escaping, InboundError, InboundLimits, parse, twin};
pub use probe::{CampaignSaid, KeySaid, Probe};
pub use region::region;
pub use send::Workspace;
pub use track::TRACK_OBJECTS;
pub use way::{NamedSend, REPLY_ID, Sender, Speaker, Vehicle, Way};
