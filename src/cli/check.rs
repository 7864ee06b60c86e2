//! `frontdesk check`: everything wrong, at once, and nothing started.

use std::path::Path;

use anyhow::Context;

use super::{Exit, report};
use crate::app;
use crate::config::{Config, Environment, Source};

/// Checks the configuration, then the prompt folders that it names.
pub(super) fn run(file: Option<&Path>) -> anyhow::Result<Exit> {
    let Some(config) = load(file)? else {
        return Ok(Exit::Problems);
    };
    match app::load_prompts(&config) {
        Ok(prompts) => {
            for (name, prompts) in &prompts {
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
            Ok(Exit::Fine)
        }
        Err(problems) => {
            report::prompts(&problems);
            Ok(Exit::Problems)
        }
    }
}

/// Loads the configuration, or shows what is wrong with it.
pub(super) fn load(file: Option<&Path>) -> anyhow::Result<Option<Config>> {
    let source = Source::find(file).with_context(|| {
        let name = file
            .unwrap_or(Path::new(crate::config::DEFAULT_FILE))
            .display();
        format!("cannot read the configuration file {name}")
    })?;
    match Config::load(source, &Environment::of_process()) {
        Ok(config) => Ok(Some(config)),
        Err(problems) => {
            report::configuration(&problems);
            Ok(None)
        }
    }
}
