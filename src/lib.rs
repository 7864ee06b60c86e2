//! Frontdesk answers a business's WhatsApp customers.

pub mod cli;

pub mod sandbox;

pub mod app;
pub mod config;
pub mod http;
pub mod workers;

pub mod turn;

pub mod memory;
pub mod prompts;
pub mod rules;

pub mod model;

pub mod reply;

pub mod braze;
pub mod handoff;

pub mod store;

pub mod domain;

pub mod telemetry;

pub mod http_client;
pub mod shutdown;

pub mod clock;
pub mod duration;
pub mod problem;
pub mod redact;
pub mod retry;
