//! `frontdesk chat`: a conversation in the terminal, through the whole gateway.

mod command;
mod lines;
mod save;
mod screen;
mod talk;

use std::path::PathBuf;

use anyhow::anyhow;

use super::stage::{Cast, Plan, Stage};
use super::{ConfigOption, Exit, check, report};
use crate::app;
use crate::clock::Clock;
use crate::config::{Config, DEFAULT_FILE, Environment};
use command::Command;
use lines::Lines;
use screen::Screen;
use talk::Talk;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The assistant, by its name in the configuration, or a prompt folder [default: the only assistant]
    #[arg(value_name = "ASSISTANT")]
    assistant: Option<String>,
    /// Lets the stand-in model answer in place of the configured ones
    #[arg(long)]
    stand_in: bool,
    #[command(flatten)]
    config: ConfigOption,
}

/// Talks until there is nothing more to say.
pub(super) async fn run(options: Options) -> anyhow::Result<Exit> {
    let Some(cast) = choose(&options)? else {
        return Ok(Exit::Problems);
    };
    let Chosen {
        plan,
        config,
        note,
        is_live,
    } = cast;
    if let Err(problems) = app::load_prompts(&config) {
        report::prompts(&problems);
        return Ok(Exit::Problems);
    }
    let cast = if is_live { Cast::Live } else { Cast::Relayed };
    let stage = Stage::set(
        config.clone(),
        &plan.assistant,
        None,
        Clock::settable(),
        cast,
    )
    .await?;
    Screen::welcome(&plan.assistant, &config, is_live, note);
    let mut talk = Talk::begin(&stage, &config).await?;
    let mut lines = Lines::open()?;
    while let Some(line) = lines.next().await? {
        match Command::parse(&line) {
            Ok(Command::Quit) => break,
            Ok(command) => talk.follow(command).await?,
            Err(wrong) => Screen::complaint(&wrong),
        }
    }
    drop(talk);
    match stage.end().await {
        true => Ok(Exit::Fine),
        false => Ok(Exit::Failed),
    }
}

/// Who is talked to.
struct Chosen {
    plan: Plan,
    config: Config,
    /// What is to be said about it.
    note: Option<&'static str>,
    is_live: bool,
}

/// Finds the assistant and who answers for it. Nothing where the configuration has problems, which are told.
fn choose(options: &Options) -> anyhow::Result<Option<Chosen>> {
    let file = options.config.config.as_deref();
    let source = check::find(file)?;
    let has_file = file.is_some() || std::path::Path::new(DEFAULT_FILE).exists();
    let loaded = Config::load(source.clone(), &Environment::of_process());
    let known = match loaded {
        Ok(config) => config,
        Err(mut wrong) => {
            let Some(config) = wrong.config.take() else {
                report::all(&wrong, &[]);
                return Ok(None);
            };
            *config
        }
    };
    let folder = options.assistant.as_ref().map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join("rules.toml").exists());
    let assistant = match (&options.assistant, folder) {
        (Some(name), _) if known.assistants.contains_key(name) => name.clone(),
        (Some(_), Some(folder)) => {
            return Ok(chosen(Plan::bare(Some(folder)), false, Some(NO_MODEL)));
        }
        (Some(name), None) => {
            let names: Vec<_> = known.assistants.keys().cloned().collect();
            return Err(anyhow!(
                "`{name}` is neither an assistant nor a prompt folder; there are: {}",
                names.join(", ")
            ));
        }
        (None, _) => {
            let Some(name) = known.inbound_default() else {
                let names: Vec<_> = known.assistants.keys().cloned().collect();
                return Err(anyhow!("say with whom to talk: {}", names.join(", ")));
            };
            name.to_owned()
        }
    };
    let plan = |is_live| Plan::configured(source.clone(), &known, &assistant, is_live);
    if options.stand_in {
        return Ok(chosen(plan(false), false, None));
    }
    // The built-in sample names a model, and mostly nobody has given its key.
    let is_live = has_file || plan(true).load([]).is_ok();
    Ok(match is_live {
        true => chosen(plan(true), true, None),
        false => chosen(plan(false), false, Some(NO_MODEL)),
    })
}

/// What is said where nobody chose the stand-in.
const NO_MODEL: &str = "no model is configured, so the stand-in answers, which knows a few words about orders, returns and hours";

/// Reads the configuration of a plan. Nothing where it has problems, which are told.
fn chosen(plan: Plan, is_live: bool, note: Option<&'static str>) -> Option<Chosen> {
    match plan.load([]) {
        Ok(config) => Some(Chosen {
            plan,
            config,
            note,
            is_live,
        }),
        Err(problems) => {
            report::prompts(&problems);
            if is_live {
                Screen::complaint("`--stand-in` does without the configured models");
            }
            None
        }
    }
}
