//! The machine room: reads one TOML file and the environment, and reports everything wrong with them together.
//!
//! Each module owns its slice of the file and says what in it cannot work; this one composes the slices, finds the
//! places in the file, fills in secrets, and checks that names lead somewhere.

mod assistant;
mod hours;
mod limits;
mod opt_out;
mod read;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::braze::{InboundLimits, WorkspaceConfig};
use crate::handoff::DeskConfig;
use crate::http::{BurstConfig, OperatorConfig, ServerConfig};
use crate::http_client::{Plain, check_url};
use crate::memory::MemoryConfig;
use crate::model::TargetConfig;
use crate::problem::Problem;
use crate::store::SqliteConfig;
use crate::telemetry::{LogConfig, TracesConfig};
use crate::workers::TurnsConfig;

pub use assistant::{AssistantConfig, ReplyConfig};
pub use hours::{ClosedPolicy, HoursConfig};
pub use limits::{LimitPolicy, LimitsConfig};
pub use opt_out::OptOutConfig;
pub use read::{Environment, names_secret};

/// The configuration in force where there is no file: the sample, with its values from the environment.
const SAMPLE: &str = include_str!("../../frontdesk.toml");

/// The name of the configuration file where none is given.
pub const DEFAULT_FILE: &str = "frontdesk.toml";

/// Letters of a name that the operator gives: longer ones would fill every line of a log.
const NAME_CHARS: usize = 64;

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP doors.
    #[serde(default)]
    pub server: ServerConfig,
    /// The operator's listener, and who may use it.
    #[serde(default)]
    pub operator: OperatorConfig,
    /// Where messages are kept.
    #[serde(default)]
    pub store: SqliteConfig,
    /// What is logged, and how.
    #[serde(default)]
    pub log: LogConfig,
    /// Whether traces are made, and where they go.
    #[serde(default)]
    pub traces: TracesConfig,
    /// What the model is reminded of.
    #[serde(default)]
    pub memory: MemoryConfig,
    /// How long to wait for more of a burst.
    #[serde(default)]
    pub burst: BurstConfig,
    /// What an inbound message may hold.
    #[serde(default)]
    pub inbound: InboundLimits,
    /// How much is worked on at once.
    #[serde(default)]
    pub turns: TurnsConfig,
    /// What may leave, and until when.
    #[serde(default)]
    pub reply: ReplyConfig,
    /// Braze workspaces, by name.
    #[serde(default)]
    pub workspaces: BTreeMap<String, WorkspaceConfig>,
    /// Models, by name.
    #[serde(default)]
    pub models: BTreeMap<String, TargetConfig>,
    /// Desks, by name.
    #[serde(default)]
    pub desks: BTreeMap<String, DeskConfig>,
    /// Assistants, by name.
    #[serde(default)]
    pub assistants: BTreeMap<String, AssistantConfig>,
    /// The assistant of `/v1/inbound`. Default: the only one.
    pub default_assistant: Option<String>,
}

/// The text that a configuration was read from, for pointing at places in it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name as it was given, or what stands in for a file.
    pub name: String,
    /// Its content.
    pub text: String,
    /// The folder that relative paths in it start from.
    pub folder: PathBuf,
}

/// Everything wrong with a configuration.
#[derive(Clone, Debug)]
pub struct Problems {
    /// Where it was read from.
    pub source: Source,
    /// What is wrong, in the order of the file where the place is known.
    pub problems: Vec<Problem>,
    /// What took shape all the same, for looking further into it.
    pub config: Option<Box<Config>>,
}

impl Source {
    /// Reads the file that was named, else [`DEFAULT_FILE`] where there is one, else the built-in sample.
    pub fn find(named: Option<&Path>) -> std::io::Result<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self {
                name: path.display().to_string(),
                text,
                folder: path.parent().map(Path::to_owned).unwrap_or_default(),
            }),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::from_text("the built-in configuration", SAMPLE))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a text instead of a file; relative paths start from the working folder.
    pub fn from_text(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            folder: PathBuf::new(),
        }
    }
}

impl Config {
    /// Reads a configuration whole, or says everything that is wrong with it.
    pub fn load(source: Source, environment: &Environment) -> Result<Self, Problems> {
        let (read, mut problems) = read::read(&source.text, environment);
        let config = read.config.map(|mut config| {
            config.resolve_paths(&source.folder);
            let turns = config.turns.in_flight;
            config
                .models
                .values_mut()
                .for_each(|model| model.follow(turns));
            config.traces.adopt(|name| environment.get(name));
            problems.extend(secrets::fill(&mut config, &source.folder, environment));
            problems.extend(config.check_slices());
            // What did not take shape would only be missed once more.
            if read.is_whole {
                problems.extend(config.check_names());
                problems.extend(config.check_attempts());
            }
            config
        });
        for problem in &mut problems {
            let place = problem.span.take();
            let place = place.or_else(|| read.places.span(&problem.key));
            let variable = place
                .as_ref()
                .and_then(|place| environment.variable_at(&source.text, place));
            if let Some(variable) = variable {
                let told = problem.help.take().map(|help| format!("; {help}"));
                let told = told.unwrap_or_default();
                problem.help = Some(format!(
                    "the environment variable `{variable}` sets it{told}"
                ));
            } else {
                problem.span = place;
            }
        }
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        problems.dedup();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            config => Err(Problems {
                source,
                problems,
                config: config.map(Box::new),
            }),
        }
    }

    /// Gives the name of the assistant that `/v1/inbound` is for, where one is meant.
    pub fn inbound_default(&self) -> Option<&str> {
        self.default_assistant
            .as_deref()
            .or_else(|| only(&self.assistants))
    }

    /// Says what a part of the program found wrong with the value of a key once it was at work.
    pub fn found_wrong(source: Source, environment: &Environment, problem: Problem) -> Problems {
        let (read, _) = read::read(&source.text, environment);
        let place = read.places.span(&problem.key);
        let place = place.filter(|place| place.end <= source.text.len());
        Problems {
            source,
            problems: vec![problem.at(place)],
            config: None,
        }
    }

    /// Gives the names of the models that an assistant asks, in order: those it names, else the only one.
    pub fn models_of<'a>(&'a self, assistant: &'a AssistantConfig) -> Vec<&'a str> {
        match assistant.models.is_empty() {
            true => only(&self.models).into_iter().collect(),
            false => assistant.models.iter().map(String::as_str).collect(),
        }
    }

    /// Gives the names of the other assistants that an assistant can pass a customer on to: those who answer through the same
    /// workspace, since only that has the number that he writes to.
    pub fn peers_of(&self, name: &str) -> Vec<String> {
        let workspace = |assistant: &AssistantConfig| {
            meant(assistant.workspace.as_deref(), &self.workspaces).map(str::to_owned)
        };
        let own = self.assistants.get(name).map(workspace);
        let others = self.assistants.iter().filter(|(other, _)| *other != name);
        let peers = others.filter(|(_, other)| Some(workspace(other)) == own);
        peers.map(|(other, _)| other.clone()).collect()
    }

    fn resolve_paths(&mut self, folder: &Path) {
        self.store.path = folder.join(&self.store.path);
        let listeners = [&mut self.server.tls, &mut self.operator.tls];
        for tls in listeners.into_iter().flatten() {
            tls.resolve(folder);
        }
        for assistant in self.assistants.values_mut() {
            assistant.prompts = assistant.prompts.take().map(|path| folder.join(path));
        }
    }

    fn check_slices(&self) -> Vec<Problem> {
        let singles = [
            ("server", self.server.check()),
            ("operator", self.operator.check()),
            ("store", self.store.check()),
            ("memory", self.memory.check()),
            ("burst", self.burst.check()),
            ("inbound", self.inbound.check()),
            ("turns", self.turns.check()),
            ("reply", self.reply.check()),
            ("log", self.log.check()),
            ("traces", self.traces.check()),
            ("server", Vec::from_iter(self.check_public_url())),
        ];
        let mut problems: Vec<Problem> = singles
            .into_iter()
            .flat_map(|(key, found)| found.into_iter().map(move |problem| problem.under(key)))
            .collect();
        if (Duration::from_millis(1)..=self.burst.cap).contains(&self.reply.ttl) {
            problems.push(
                Problem::new("reply.ttl", "is not longer than `burst.cap`")
                    .help("a message that waits for its burst would be too old to be answered"),
            );
        }
        if self.server.listen == self.operator.listen && self.server.listen.port() != 0 {
            problems.push(
                Problem::new("operator.listen", "is the address of `server.listen`, too")
                    .help("give operators another port"),
            );
        }
        problems.extend(check_each(
            "workspaces",
            &self.workspaces,
            WorkspaceConfig::check,
        ));
        problems.extend(check_each("models", &self.models, TargetConfig::check));
        problems.extend(check_each("desks", &self.desks, DeskConfig::check));
        problems.extend(check_each(
            "assistants",
            &self.assistants,
            AssistantConfig::check,
        ));
        problems
    }

    /// Checks the gateway's address as a desk reaches it: by plain `http` only where some desk may be reached so.
    fn check_public_url(&self) -> Option<Problem> {
        let url = self.server.public_url.as_deref()?;
        let is_allowed = self.desks.values().any(|desk| desk.allow_http);
        check_url("public_url", url, Plain::IfAllowed(is_allowed))
    }

    /// Checks that every name leads to something that is configured.
    fn check_names(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.assistants.is_empty() {
            problems.push(
                Problem::new("assistants", "no assistant is configured")
                    .help("add a table `[assistants.support]`"),
            );
        }
        if let Some(name) = &self.default_assistant
            && !self.assistants.contains_key(name)
        {
            problems.push(unknown("default_assistant", name, &self.assistants));
        }
        for (name, assistant) in &self.assistants {
            let key = |field: &str| format!("assistants.{name}.{field}");
            problems.extend(lead(
                &key("workspace"),
                assistant.workspace.as_deref(),
                &self.workspaces,
            ));
            if assistant.models.is_empty() {
                problems.extend(lead(&key("models"), None, &self.models));
            }
            for (place, model) in assistant.models.iter().enumerate() {
                if !self.models.contains_key(model) {
                    let key = key(&format!("models[{place}]"));
                    problems.push(unknown(&key, model, &self.models));
                }
            }
            if let Some(desk) = assistant.desk.as_deref()
                && !self.desks.contains_key(desk)
            {
                problems.push(unknown(&key("desk"), desk, &self.desks));
            }
            problems.extend(self.check_prices(name, assistant));
        }
        problems
    }

    /// Finds a limit of money that could not be kept, since a model of the assistant has no price.
    fn check_prices(&self, name: &str, assistant: &AssistantConfig) -> Option<Problem> {
        let limit = assistant.limits.first_cost()?;
        let mut models = self.models_of(assistant).into_iter();
        let is_free = |model: &&str| self.models.get(*model).is_some_and(|m| m.price.is_none());
        let model = models.find(is_free)?;
        let key = format!("assistants.{name}.limits.{limit}");
        let help = format!("add `price = {{ input = 0.15, output = 0.6 }}` to `[models.{model}]`");
        let what = format!("cannot be kept: the model `{model}` has no price");
        Some(Problem::new(key, what).help(help))
    }

    /// Finds calls of models that may take longer than every turn that makes them.
    fn check_attempts(&self) -> Vec<Problem> {
        let longer = |(name, model): (&String, &TargetConfig)| {
            let users = self.assistants.values();
            let users = users.filter(|user| self.models_of(user).contains(&name.as_str()));
            let longest = users.map(|user| user.deadline).max()?;
            let is_longer = model.attempt_within.is_some_and(|limit| limit > longest);
            // A limit that is no good by itself is told already.
            (is_longer && model.check().is_empty()).then(|| {
                let key = format!("models.{name}.attempt_within");
                Problem::new(
                    key,
                    "is longer than the `deadline` of all assistants that ask it",
                )
                .help("leave it out, or raise `deadline` in `[assistants.NAME]`")
            })
        };
        self.models.iter().filter_map(longer).collect()
    }
}

/// Gives the name that is meant: the one given, else the only one there is.
pub fn meant<'a, T>(named: Option<&'a str>, all: &'a BTreeMap<String, T>) -> Option<&'a str> {
    named.or_else(|| only(all))
}

fn only<T>(all: &BTreeMap<String, T>) -> Option<&str> {
    match all.len() {
        1 => all.keys().next().map(String::as_str),
        _ => None,
    }
}

fn lead<T>(key: &str, named: Option<&str>, all: &BTreeMap<String, T>) -> Option<Problem> {
    match meant(named, all) {
        Some(name) if all.contains_key(name) => None,
        Some(name) => Some(unknown(key, name, all)),
        None => Some(
            Problem::new(key, "does not say which one is meant")
                .help(format!("name one of: {}", list(all))),
        ),
    }
}

fn unknown<T>(key: &str, name: &str, all: &BTreeMap<String, T>) -> Problem {
    Problem::new(key, format!("`{name}` is not configured"))
        .help(format!("configured are: {}", list(all)))
}

fn list<T>(all: &BTreeMap<String, T>) -> String {
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.keys().cloned().collect::<Vec<_>>().join(", "),
    }
}

fn check_each<T>(
    table: &str,
    all: &BTreeMap<String, T>,
    check: impl Fn(&T) -> Vec<Problem>,
) -> Vec<Problem> {
    let found = all.iter().flat_map(|(name, slice)| {
        let prefix = format!("{table}.{name}");
        let mut problems = check(slice);
        problems.extend(check_name(name));
        problems
            .into_iter()
            .map(move |problem| problem.under(&prefix))
    });
    found.collect()
}

/// Finds what is wrong with a name that the operator gives: it becomes a part of paths, logs and variables.
fn check_name(name: &str) -> Option<Problem> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let fits = (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(is_good);
    (!fits).then(|| {
        let rule = format!("a name has 1 to {NAME_CHARS} letters, digits, `-` and `_`");
        Problem::new("", rule).help("such as `[assistants.support]`")
    })
}

#[cfg(test)]
mod tests;
