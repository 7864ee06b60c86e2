//! Which server the stand-in model is, and how it behaves, as flags.

use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::sandbox::model::{Failing, Latency, Window};
use crate::sandbox::{Character, Fault, Model, Plan, Profile};

/// What the stand-in model is, and how it behaves.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Manners {
    /// Which server it is.
    #[arg(long, value_name = "NAME", default_value = "openai", value_parser = profiles())]
    profile: String,
    /// Tokens that a prompt may have, before the server says in its own way that it is too long.
    #[arg(long, value_name = "TOKENS")]
    context: Option<u64>,
    /// Refuses this field of the request by its name; may be given again.
    #[arg(long, value_name = "FIELD")]
    refuse: Vec<String>,
    /// How late answers are, in milliseconds: one number for all, or percentiles.
    #[arg(long, value_name = "P50:P90:P95:P99")]
    latency: Option<Latency>,
    /// How many of a hundred questions get a status (503) in place of an answer.
    #[arg(long, value_name = "PERCENT[:STATUS]")]
    fail: Option<Failing>,
    /// From which second on for how many seconds every question gets a status (429), and how the wait is told; may be
    /// given again.
    #[arg(long, value_name = "FROM:FOR[:STATUS[:HINT]]")]
    window: Vec<Window>,
    /// What goes wrong with every answer: garbage, reset, hang, drip, stall or cut.
    #[arg(long, value_name = "NAME")]
    fault: Option<Fault>,
    /// What decides the single latency and the single failure; the same number decides alike.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Manners {
    /// Makes the stand-in what the flags say.
    pub(in crate::cli) fn teach(self, model: &Model) {
        model.use_character(Character {
            profile: Profile::named(&self.profile).unwrap_or_default(),
            context: self.context,
            refuses: self.refuse,
            latency: self.latency,
            failing: self.fail,
            windows: self.window,
            seed: self.seed,
        });
        if let Some(fault) = self.fault {
            model.misbehave(Plan::from(fault));
        }
    }
}

fn profiles() -> PossibleValuesParser {
    let value = |profile: &Profile| PossibleValue::new(profile.name).help(profile.about);
    Profile::all().map(value).collect::<Vec<_>>().into()
}
