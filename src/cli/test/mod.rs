//! `frontdesk test`: conversations that must go right, played through the real gateway.

pub(in crate::cli) mod case;
pub(in crate::cli) mod checks;
mod read;
mod rubric;
pub(in crate::cli) mod run;
mod shown;
mod table;
mod yaml;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures_util::{StreamExt, stream};

use super::stage::Plan;
use super::{ConfigOption, Exit, check, report};
use crate::app;
use crate::config::{Config, Environment, Source};
use crate::problem::Problem;
use crate::prompts::{self, Prompts};
use case::File;
use run::{Play, Ran};

/// Tests that are played at once for each core: each waits for its disk half of the time.
const PER_CORE: usize = 2;

/// Tests that are played at once at most, with the real model: what no server counts as a flood.
const LIVE_AT_ONCE: usize = 4;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Prompt folders, folders of tests, or files of tests [default: those of every assistant of the configuration]
    #[arg(value_name = "FOLDER|FILE")]
    paths: Vec<PathBuf>,
    /// Plays only tests that have this in their description or the name of their file
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Asks the configured models in place of the scripted one; this costs what they cost
    #[arg(long)]
    live: bool,
    /// Writes the results as `JUnit` XML, for continuous integration
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigOption,
}

/// The tests of one assistant.
struct Suite {
    plan: Arc<Plan>,
    files: Vec<File>,
}

/// Plays the tests.
pub(super) async fn run(options: Options) -> anyhow::Result<Exit> {
    let suites = match suites(&options) {
        Ok(suites) => suites,
        Err(Unfit::Failed(error)) => return Err(error),
        Err(Unfit::Told) => return Ok(Exit::Problems),
    };
    let plays = match plays(&suites, &options) {
        Ok(plays) => plays,
        Err(problems) => return Ok(wrong(&problems)),
    };
    if plays.is_empty() {
        return Err(nothing(&suites, &options));
    }
    let at_once = match options.live {
        true => LIVE_AT_ONCE,
        false => std::thread::available_parallelism().map_or(1, usize::from) * PER_CORE,
    };
    let mut ran: Vec<Ran> = Vec::new();
    let mut running = stream::iter(plays.into_iter().map(Play::run)).buffered(at_once);
    while let Some(one) = running.next().await {
        shown::one(&one);
        ran.push(one);
    }
    shown::summary(&ran);
    write(options.junit.as_deref(), || shown::junit(&ran))?;
    write(options.json.as_deref(), || {
        format!("{:#}\n", shown::json(&ran))
    })?;
    match ran.iter().all(|one| one.failures.is_empty()) {
        true => Ok(Exit::Fine),
        false => Ok(Exit::Failed),
    }
}

fn wrong(problems: &[Problem]) -> Exit {
    report::prompts(problems);
    Exit::Problems
}

fn write(file: Option<&Path>, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, text()).with_context(|| format!("cannot write {}", file.display()))
}

/// Says why there is nothing to play.
fn nothing(suites: &[Suite], options: &Options) -> anyhow::Error {
    let files: usize = suites.iter().map(|suite| suite.files.len()).sum();
    match (&options.filter, files) {
        (Some(filter), 1..) => anyhow!("no test has `{filter}` in its description or file"),
        _ => anyhow!(
            "there are no tests: write some to `tests/NAME.yaml` in the assistant's prompt folder"
        ),
    }
}

/// Why there is nothing to play.
enum Unfit {
    /// Something cannot be read.
    Failed(anyhow::Error),
    /// It was told already.
    Told,
}

impl From<anyhow::Error> for Unfit {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Finds the tests: those of the paths, else those of every assistant.
fn suites(options: &Options) -> Result<Vec<Suite>, Unfit> {
    let file = options.config.config.as_deref();
    if options.paths.is_empty() {
        let (source, config) = configuration(file)?;
        let suites = config.assistants.iter().map(|(name, assistant)| {
            let prompts = app::prompt_source(assistant);
            let plan = match &prompts {
                // They prove the folder that we ship, by the business that they were written for.
                prompts::Source::BuiltIn if !options.live => Plan::bare(None),
                _ => Plan::configured(source.clone(), &config, name, options.live),
            };
            Ok(Suite {
                plan: Arc::new(plan),
                files: files_of(&prompts)?,
            })
        });
        return suites.collect();
    }
    // Paths stand for themselves; a configuration that is there says more about their assistants.
    let known = match (file, Path::new(crate::config::DEFAULT_FILE).exists()) {
        (None, false) => None,
        _ => Some(configuration(file)?),
    };
    let suites = options.paths.iter().map(|path| {
        let found = Found::at(path)?;
        let plan = found.plan(known.as_ref(), options.live)?;
        Ok(Suite {
            plan: Arc::new(plan),
            files: found.files,
        })
    });
    suites.collect()
}

/// Reads the configuration as far as it takes shape; what tests do not need may be wrong with it.
fn configuration(file: Option<&Path>) -> Result<(Source, Config), Unfit> {
    let source = check::find(file)?;
    match Config::load(source.clone(), &Environment::of_process()) {
        Ok(config) => Ok((source, config)),
        Err(mut wrong) => match wrong.config.take() {
            Some(config) if !config.assistants.is_empty() => Ok((source, *config)),
            _ => {
                report::all(&wrong, &[]);
                Err(Unfit::Told)
            }
        },
    }
}

fn files_of(source: &prompts::Source) -> anyhow::Result<Vec<File>> {
    let tests = source.tests().context("cannot read the tests")?;
    Ok(tests
        .into_iter()
        .map(|(name, text)| File { name, text })
        .collect())
}

/// What stands at a path.
struct Found {
    path: PathBuf,
    /// The prompt folder around it, where there is one.
    folder: Option<PathBuf>,
    files: Vec<File>,
}

impl Found {
    fn at(path: &Path) -> anyhow::Result<Self> {
        let unread = || format!("cannot read {}", path.display());
        let is_folder = std::fs::metadata(path).with_context(unread)?.is_dir();
        let is_prompts = |folder: &Path| folder.join("rules.toml").exists();
        let absolute = std::fs::canonicalize(path).with_context(unread)?;
        let folder = absolute
            .ancestors()
            .take(3)
            .find(|folder| is_prompts(folder));
        let shown = folder.map(|folder| shown_as(path, &absolute, folder));
        let files = match is_folder {
            false => vec![one(path)?],
            true if is_prompts(path) => files_of(&prompts::Source::Directory(path.to_owned()))?,
            true => {
                let mut names = Vec::new();
                for entry in std::fs::read_dir(path).with_context(unread)? {
                    names.push(entry.with_context(unread)?.path());
                }
                names.retain(|name| is_yaml(name));
                names.sort_unstable();
                names
                    .iter()
                    .map(|name| one(name))
                    .collect::<anyhow::Result<_>>()?
            }
        };
        Ok(Self {
            path: path.to_owned(),
            folder: shown,
            files,
        })
    }

    /// Gives the plan: the assistant of the configuration that has this folder, else the folder by itself.
    fn plan(&self, known: Option<&(Source, Config)>, is_live: bool) -> anyhow::Result<Plan> {
        let real = |folder: &Path| std::fs::canonicalize(folder).ok();
        let same = |own: Option<&PathBuf>| match (own, &self.folder) {
            (Some(own), Some(folder)) => real(own).is_some() && real(own) == real(folder),
            (None, None) => true,
            _ => false,
        };
        let named = known.and_then(|(source, config)| {
            let mut assistants = config.assistants.iter();
            let (name, _) = assistants.find(|(_, own)| same(own.prompts.as_ref()))?;
            Some(Plan::configured(source.clone(), config, name, is_live))
        });
        match named {
            Some(plan) => Ok(plan),
            None if is_live => Err(anyhow!(
                "no assistant of the configuration has the prompts of {}: `--live` needs its models",
                self.path.display()
            )),
            None => Ok(Plan::bare(self.folder.clone())),
        }
    }
}

/// Gives a folder around a path as the operator would write it.
fn shown_as(path: &Path, absolute: &Path, folder: &Path) -> PathBuf {
    let up = absolute
        .strip_prefix(folder)
        .map_or(0, |rest| rest.components().count());
    let shown = path
        .ancestors()
        .nth(up)
        .filter(|shown| !shown.as_os_str().is_empty());
    shown.map_or_else(|| folder.to_owned(), Path::to_owned)
}

fn is_yaml(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn one(path: &Path) -> anyhow::Result<File> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    Ok(File { name, text })
}

/// Reads all tests, and prepares what each needs; a folder is loaded once for all tests that see it alike.
fn plays(suites: &[Suite], options: &Options) -> Result<Vec<Play>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut plays = Vec::new();
    let mut loaded = Loaded::default();
    for suite in suites {
        for file in &suite.files {
            let tests = match read::read(file) {
                Ok(tests) => tests,
                Err(found) => {
                    problems.extend(found);
                    continue;
                }
            };
            let is_wanted = |text: &str| {
                let wanted = options.filter.as_ref().map(|filter| filter.to_lowercase());
                wanted.is_none_or(|wanted| text.to_lowercase().contains(&wanted))
            };
            for test in tests {
                if !is_wanted(&test.description) && !is_wanted(&test.file) {
                    continue;
                }
                let settings = test.settings.iter();
                let settings = settings.map(|one| (one.key.as_str(), one.value.as_str()));
                let config = suite.plan.load(settings);
                let prepared = config
                    .map_err(|found| run::blamed(found, &test))
                    .and_then(|config| Ok((loaded.prompts(&config)?, config)));
                match prepared {
                    Ok((prompts, config)) => plays.push(Play {
                        test,
                        plan: Arc::clone(&suite.plan),
                        config,
                        prompts,
                        is_live: options.live,
                    }),
                    Err(found) => problems.extend(found),
                }
            }
        }
    }
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        if !told.contains(&problem) {
            told.push(problem);
        }
    }
    if told.is_empty() {
        Ok(plays)
    } else {
        Err(told)
    }
}

/// Prompt folders that were loaded, by where they are and what they are told.
#[derive(Default)]
struct Loaded(HashMap<String, Prompts>);

impl Loaded {
    fn prompts(&mut self, config: &Config) -> Result<Vec<(String, Prompts)>, Vec<Problem>> {
        let mut all = Vec::new();
        for (name, assistant) in &config.assistants {
            let source = app::prompt_source(assistant);
            let business = serde_json::Value::Object(assistant.business.clone());
            let key = format!("{source:?} {} {business}", assistant.language());
            if !self.0.contains_key(&key) {
                let language = assistant.language();
                let prompts = Prompts::open(source, language, assistant.business.clone())?;
                self.0.insert(key.clone(), prompts);
            }
            let prompts = self.0.get(&key).cloned();
            all.extend(prompts.map(|prompts| (name.clone(), prompts)));
        }
        Ok(all)
    }
}

/// Counts the tests in a text; for who writes such.
#[cfg(test)]
pub(in crate::cli) fn parsed(text: &str) -> usize {
    let file = File {
        name: "written.yaml".to_owned(),
        text: text.to_owned(),
    };
    let tests = read::read(&file);
    tests
        .unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
        .len()
}

/// Gives a text as JSON; for who writes such.
#[cfg(test)]
pub(in crate::cli) fn as_json(text: &str) -> serde_json::Value {
    yaml::read(text).unwrap().json()
}
