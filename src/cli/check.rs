//! `frontdesk check`: everything wrong, at once, and nothing started.

mod online;

use std::path::Path;

use anyhow::Context;

use super::{ConfigOption, Exit, report};
use crate::app;
use crate::config::{Config, DEFAULT_FILE, Environment, Problems, Source};
use crate::problem::Problem;
use crate::prompts::Prompts;

/// What the command is told.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Asks the workspaces, models and desks too what can be asked harmlessly; nothing is sent to anybody
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    config: ConfigOption,
}

/// Checks the configuration, then the prompt folders that it names, then what they lead to, where that is wanted.
pub(super) async fn run(options: &Options) -> anyhow::Result<Exit> {
    match offline(options.config.config.as_deref()) {
        Ok(config) if options.online => online::run(&config).await,
        Ok(_) => Ok(Exit::Fine),
        Err(exit) => Ok(exit),
    }
}

fn offline(file: Option<&Path>) -> Result<Config, Exit> {
    let config = match read(file) {
        Ok(config) => config,
        Err(Unloaded::Unreadable(error)) => {
            report::failure(&error);
            return Err(Exit::Problems);
        }
        Err(Unloaded::Wrong(problems)) => {
            // The folders of assistants that took shape are looked into all the same.
            let found = problems.config.as_deref().map(app::load_prompts);
            let found = found.and_then(Result::err).unwrap_or_default();
            report::all(&problems, &found);
            return Err(Exit::Problems);
        }
    };
    match app::load_prompts(&config) {
        Ok(prompts) => {
            summary(&prompts);
            Ok(config)
        }
        Err(problems) => {
            report::prompts(&problems);
            Err(Exit::Problems)
        }
    }
}

fn summary(prompts: &[(String, Prompts)]) {
    for (name, prompts) in prompts {
        let folder = prompts.current();
        let languages: Vec<String> = folder.languages().map(|l| l.to_string()).collect();
        anstream::println!(
            "assistant `{name}`: prompts {} in {}, {} rules",
            folder.version(),
            languages.join(", "),
            folder.rules().iter().count()
        );
    }
    anstream::println!("no problems");
}

/// Loads the configuration, or shows what is wrong with it.
pub(super) fn load(file: Option<&Path>) -> Option<Config> {
    match read(file) {
        Ok(config) => return Some(config),
        Err(Unloaded::Unreadable(error)) => report::failure(&error),
        Err(Unloaded::Wrong(problems)) => report::all(&problems, &[]),
    }
    None
}

/// Loads what a command needs that does without the rest: what is wrong with other keys than those that are needed does
/// not matter to it, such as secrets that it is not given.
pub(super) fn load_part(file: Option<&Path>, is_needed: impl Fn(&str) -> bool) -> Option<Config> {
    match read(file) {
        Ok(config) => return Some(config),
        Err(Unloaded::Unreadable(error)) => report::failure(&error),
        Err(Unloaded::Wrong(mut problems)) => {
            let is_needed = |problem: &Problem| is_needed(&problem.key);
            match problems.config.take() {
                Some(config) if !problems.problems.iter().any(is_needed) => return Some(*config),
                Some(_) => problems.problems.retain(is_needed),
                None => {}
            }
            report::all(&problems, &[]);
        }
    }
    None
}

/// Why there is no configuration.
enum Unloaded {
    /// The file cannot be read.
    Unreadable(anyhow::Error),
    /// What it says is wrong.
    Wrong(Problems),
}

/// Shows what a part found wrong with the value of a key when it was started.
pub(super) fn found_wrong(file: Option<&Path>, problem: Problem) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let problems = Config::found_wrong(find(file)?, &environment, problem);
    report::all(&problems, &[]);
    Ok(())
}

fn read(file: Option<&Path>) -> Result<Config, Unloaded> {
    let source = find(file).map_err(Unloaded::Unreadable)?;
    Config::load(source, &Environment::of_process()).map_err(Unloaded::Wrong)
}

/// Finds the configuration's text.
pub(super) fn find(file: Option<&Path>) -> anyhow::Result<Source> {
    let name = file.unwrap_or(Path::new(DEFAULT_FILE)).display();
    Source::find(file).with_context(|| format!("cannot read the configuration file {name}"))
}
