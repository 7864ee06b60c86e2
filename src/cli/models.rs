//! `frontdesk models`: whether each model answers, and how.

mod hints;
mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use futures_util::future::join_all;

use super::{ConfigOption, Exit, check, report};
use crate::clock::Clock;
use crate::duration;
use crate::model::{Dialect, Lineup, Probed, Target, TargetConfig};

/// From what a fast model takes to what one on a small machine takes that is loaded first.
const DEADLINE_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_mins(5);

/// What the command is told.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The models to ask, by their names in the configuration [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Shows JSON instead of a table
    #[arg(long)]
    json: bool,
    /// How long each model may take, all its calls together; 1s to 5m
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = deadline)]
    deadline: Duration,
    #[command(flatten)]
    config: ConfigOption,
}

/// What came of asking one model.
pub(super) struct Asked<'a> {
    pub(super) name: &'a str,
    config: &'a TargetConfig,
    /// The fields that the settings say, and those that are left of them after what the server refused.
    meant: Dialect,
    taken: Dialect,
    pub(super) probed: Probed,
}

/// Asks all models at once, or those that are named. Only their own settings and secrets are needed.
pub(super) async fn run(options: Options) -> anyhow::Result<Exit> {
    let is_asked = |name: &str| options.names.is_empty() || options.names.iter().any(|n| n == name);
    let is_needed = |key: &str| match key.strip_prefix("models.") {
        Some(rest) => is_asked(rest.split('.').next().unwrap_or_default()),
        None => key == "models",
    };
    let Some(config) = check::load_part(options.config.config.as_deref(), is_needed) else {
        return Ok(Exit::Problems);
    };
    let models = config.models;
    if let Some(name) = options
        .names
        .iter()
        .find(|name| !models.contains_key(*name))
    {
        report::failure(&anyhow!(
            "no model `{name}` is configured: {}",
            names(&models)
        ));
        return Ok(Exit::Misused);
    }
    if models.is_empty() {
        report::failure(&anyhow!(
            "no model is configured; add a table `[models.main]`"
        ));
        return Ok(Exit::Problems);
    }
    let asked = models.iter().filter(|(name, _)| is_asked(name));
    let asked = join_all(asked.map(|(name, model)| ask(name, model, options.deadline))).await;
    let asked = asked.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    match options.json {
        true => anstream::println!("{:#}", shown::json(&asked)),
        false => anstream::print!("{}", shown::table(&asked)),
    }
    match asked.iter().all(|asked| asked.probed.said.is_ok()) {
        true => Ok(Exit::Fine),
        false => Ok(Exit::Failed),
    }
}

/// Asks one model.
pub(super) async fn ask<'a>(
    name: &'a str,
    config: &'a TargetConfig,
    deadline: Duration,
) -> anyhow::Result<Asked<'a>> {
    let clock = Clock::system();
    let target = Target::new(name, config, clock.clone())?;
    let meant = target.dialect();
    let lineup = Lineup::new(vec![target.clone()], Vec::new(), deadline, clock);
    let probed = lineup.probe().await;
    Ok(Asked {
        name,
        config,
        meant,
        taken: target.dialect(),
        probed,
    })
}

fn names(models: &BTreeMap<String, TargetConfig>) -> String {
    models.keys().cloned().collect::<Vec<_>>().join(", ")
}

fn deadline(text: &str) -> Result<Duration, String> {
    let deadline = duration::parse(text)?;
    match DEADLINE_RANGE.contains(&deadline) {
        true => Ok(deadline),
        false => Err("expected 1 s to 5 min".to_owned()),
    }
}
