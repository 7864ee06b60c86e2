//! `frontdesk check`: everything wrong, at once, and nothing started.

use std::path::Path;

use anyhow::Context;

use super::{Exit, report};
use crate::app;
use crate::config::{Config, DEFAULT_FILE, Environment, Problems, Source};
use crate::prompts::Prompts;

/// Checks the configuration, then the prompt folders that it names.
pub(super) fn run(file: Option<&Path>) -> anyhow::Result<Exit> {
    let config = match read(file)? {
        Ok(config) => config,
        Err(problems) => {
            // The folders of assistants that took shape are looked into all the same.
            if let Some(Err(found)) = problems.config.as_deref().map(app::load_prompts) {
                report::prompts(&found);
            }
            report::configuration(&problems);
            return Ok(Exit::Problems);
        }
    };
    match app::load_prompts(&config) {
        Ok(prompts) => {
            summary(&prompts);
            Ok(Exit::Fine)
        }
        Err(problems) => {
            report::prompts(&problems);
            Ok(Exit::Problems)
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
pub(super) fn load(file: Option<&Path>) -> anyhow::Result<Option<Config>> {
    match read(file)? {
        Ok(config) => Ok(Some(config)),
        Err(problems) => {
            report::configuration(&problems);
            Ok(None)
        }
    }
}

fn read(file: Option<&Path>) -> anyhow::Result<Result<Config, Problems>> {
    let source = Source::find(file).with_context(|| {
        let name = file.unwrap_or(Path::new(DEFAULT_FILE)).display();
        format!("cannot read the configuration file {name}")
    })?;
    Ok(Config::load(source, &Environment::of_process()))
}
