//! `frontdesk setup`: what has to be set up elsewhere, for this configuration.

mod braze;
mod page;

use anyhow::anyhow;
use clap::Subcommand;

use super::{ConfigOption, Exit, check, report};
use crate::config::Config;

/// Where something has to be set up.
#[derive(Debug, Subcommand)]
pub(super) enum Where {
    /// The two campaigns in Braze, with the bodies to paste
    Braze(Options),
}

/// What the command is told.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The assistant to set up [default: all]
    #[arg(long, value_name = "NAME")]
    assistant: Option<String>,
    /// Prints a page of Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    config: ConfigOption,
}

/// Prints the steps. Secrets and campaign ids need not be there yet: they come out of them.
pub(super) fn run(place: &Where) -> Exit {
    let Where::Braze(options) = place;
    let Some(config) = check::load_part(options.config.config.as_deref(), is_needed) else {
        return Exit::Problems;
    };
    let names = match &options.assistant {
        Some(name) if config.assistants.contains_key(name) => vec![name.as_str()],
        Some(name) => {
            report::failure(&anyhow!(
                "no assistant `{name}` is configured: {}",
                known(&config)
            ));
            return Exit::Misused;
        }
        None => config.assistants.keys().map(String::as_str).collect(),
    };
    for (place, name) in names.into_iter().enumerate() {
        if place > 0 {
            anstream::println!();
        }
        let page = braze::page(&config, name);
        match options.markdown {
            true => anstream::print!("{}", page.markdown()),
            false => anstream::print!("{}", page.text()),
        }
    }
    Exit::Fine
}

/// Tells whether a problem with a key leaves nothing to print.
fn is_needed(key: &str) -> bool {
    key == "assistants" || key.ends_with(".message_property")
}

fn known(config: &Config) -> String {
    config
        .assistants
        .keys()
        .cloned()
        .collect::<Vec<_>>()
        .join(", ")
}
