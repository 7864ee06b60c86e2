//! The gateway as a whole, through its real doors, against stand-in servers, with time moved by hand.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod backup;
mod canary;
mod cli;
mod collector;
mod config;
mod crowd;
mod desk;
mod docs;
mod door;
mod evaluation;
mod faults;
mod fire;
mod gate;
mod handoff;
mod hooked;
mod intake;
mod late;
mod layers;
mod lineup;
mod metrics;
mod models;
mod naughty;
mod opening;
mod operator;
mod outage;
mod path;
mod profiles;
mod prompts;
mod raw;
mod room;
mod rules;
mod silence;
mod spending;
mod stop;
mod store;
mod summaries;
mod supersede;
mod traces;
mod world;
