//! The gateway as a whole, through its real doors, against stand-in servers, with time moved by hand.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod backup;
mod batches;
mod canary;
mod cli;
mod collector;
mod config;
mod crowd;
mod desk;
mod disclosure;
mod docs;
mod door;
mod evaluation;
mod faults;
mod fire;
mod flow;
mod gate;
mod handoff;
mod hooked;
mod injection;
mod intake;
mod keywords;
mod late;
mod layers;
mod lineup;
mod masks;
mod metrics;
mod models;
mod naughty;
mod online;
mod opening;
mod operator;
mod outage;
mod path;
mod presets;
mod profiles;
mod prompts;
mod raw;
mod replies;
mod room;
mod rules;
mod silence;
mod spending;
mod stop;
mod store;
mod summaries;
mod supersede;
mod traces;
mod trying;
mod ways;
mod webhooks;
mod world;
