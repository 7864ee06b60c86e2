//! Which assistant is played, and a configuration that leads to stand-ins alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{random, signing_key};
use crate::config::{Config, Environment, Source};
use crate::handoff::DeskConfig;
use crate::problem::Problem;

/// The name of the assistant where there is no configuration.
const ASSISTANT: &str = "support";

/// The name of its desk.
const DESK: &str = "stage";

/// The free disk that is enough for a conversation.
const DISK_LOW_MIB: u64 = 32;

/// What is configured where there is nothing but a prompt folder.
const BARE: &str = r#"
[workspaces.stage]
endpoint = "http://127.0.0.1:1"
api_key = "env::STAGE_BRAZE_KEY"
rate = 10000
burst = 10000

[models.stage]
base_url = "http://127.0.0.1:1"
model = "stand-in"
retries = 0

[desks.stage]
url = "http://127.0.0.1:1"
signing_key = "env::STAGE_SIGNING_KEY"
secrets = ["env::STAGE_DESK_SECRET"]

[assistants.support]
secrets = ["env::STAGE_INBOUND_SECRET"]
campaign_id = "stage"
desk = "stage"
business = { name = "Acme" }
"#;

/// Tables and keys of what a conversation with stand-ins does without.
const NEIGHBOURS: [&str; 8] = [
    "default_assistant",
    "desks",
    "log",
    "operator",
    "server",
    "store",
    "traces",
    "workspaces",
];

/// Which assistant is played, and by which configuration.
#[derive(Clone)]
pub(in crate::cli) struct Plan {
    source: Source,
    environment: Environment,
    /// The name of the assistant.
    pub(in crate::cli) assistant: String,
    /// The name of its desk, where it has one.
    desk: Option<String>,
    /// The folder to read in place of the one that is configured.
    folder: Option<PathBuf>,
    /// Whether the configured models are asked.
    is_live: bool,
}

impl Plan {
    /// Plays an assistant of a configuration.
    pub(in crate::cli) fn configured(
        source: Source,
        config: &Config,
        assistant: &str,
        is_live: bool,
    ) -> Self {
        let own = config.assistants.get(assistant);
        Self {
            source,
            environment: Environment::of_process(),
            assistant: assistant.to_owned(),
            desk: own.and_then(|own| own.desk.clone()),
            folder: None,
            is_live,
        }
    }

    /// Plays a prompt folder by itself, or the built-in one.
    pub(in crate::cli) fn bare(folder: Option<PathBuf>) -> Self {
        Self {
            source: Source::from_text("the built-in configuration for tests", BARE),
            environment: Secrets::make().environment(),
            assistant: ASSISTANT.to_owned(),
            desk: Some(DESK.to_owned()),
            folder,
            is_live: false,
        }
    }

    /// Reads the configuration with some keys otherwise. What is wrong with neighbours that are not called does not matter.
    pub(in crate::cli) fn load<'a>(
        &self,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Config, Vec<Problem>> {
        let mut environment = self.environment.clone();
        let mut keys = Vec::new();
        for (key, value) in settings {
            let key = self.full(key);
            environment = environment.overriding(&key, value);
            keys.push(key);
        }
        let mut config = match Config::load(self.source.clone(), &environment) {
            Ok(config) => config,
            Err(mut wrong) => {
                let config = wrong.config.take();
                let is_there = |config: &Config| config.assistants.contains_key(&self.assistant);
                let mut problems = wrong.problems;
                match config.map(|config| *config).filter(is_there) {
                    Some(config) => {
                        problems.retain(|problem| {
                            self.matters(&problem.key) || keys.contains(&problem.key)
                        });
                        if !problems.is_empty() {
                            return Err(self.placed(problems));
                        }
                        config
                    }
                    None => return Err(self.placed(problems)),
                }
            }
        };
        if let (Some(folder), Some(assistant)) =
            (&self.folder, config.assistants.get_mut(&self.assistant))
        {
            assistant.prompts = Some(folder.clone());
        }
        Ok(config)
    }

    /// Gives the whole path of a key: `assistant.` and `desk.` stand for the tables of this one.
    fn full(&self, key: &str) -> String {
        let (table, rest) = key.split_once('.').unwrap_or((key, ""));
        match (table, &self.desk) {
            ("assistant", _) => format!("assistants.{}.{rest}", self.assistant),
            ("desk", Some(desk)) => format!("desks.{desk}.{rest}"),
            _ => key.to_owned(),
        }
    }

    /// Tells whether a key means something to a conversation with stand-ins.
    fn matters(&self, key: &str) -> bool {
        let mut steps = key.split(['.', '[']);
        let (first, second, third) = (steps.next(), steps.next(), steps.next());
        match (first.unwrap_or_default(), second, third) {
            ("models", ..) | ("assistants", _, Some("models" | "shares")) => self.is_live,
            ("assistants", _, Some("secrets" | "campaign_id" | "workspace")) => false,
            ("assistants", Some(name), _) => name == self.assistant,
            (first, ..) => !NEIGHBOURS.contains(&first),
        }
    }

    /// Names the file of each problem that has none.
    fn placed(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let placed = problems.into_iter().map(|problem| match &problem.file {
            Some(_) => problem,
            None => problem.in_file(&self.source.name),
        });
        placed.collect()
    }
}

/// Secrets made for one run.
pub(in crate::cli) struct Secrets {
    pub(super) braze: String,
    pub(super) signing: String,
    pub(super) desk: String,
    pub(super) inbound: String,
}

impl Secrets {
    pub(super) fn make() -> Self {
        Self {
            braze: random(),
            signing: signing_key(),
            desk: random(),
            inbound: random(),
        }
    }

    fn environment(&self) -> Environment {
        Environment::of([
            ("STAGE_BRAZE_KEY", &self.braze),
            ("STAGE_SIGNING_KEY", &self.signing),
            ("STAGE_DESK_SECRET", &self.desk),
            ("STAGE_INBOUND_SECRET", &self.inbound),
        ])
    }
}

/// Where the stand-ins are.
pub(super) struct Outside<'a> {
    pub(super) model: &'a str,
    pub(super) braze: &'a str,
    pub(super) desk: &'a str,
    pub(super) folder: &'a Path,
    pub(super) secrets: &'a Secrets,
    /// Whether the configured models are asked.
    pub(super) keeps_models: bool,
}

/// Leads everything in a configuration that goes out to the stand-ins. What the assistant is and does stays as it is.
pub(super) fn bend(config: &mut Config, outside: &Outside<'_>) -> anyhow::Result<()> {
    let environment = outside
        .secrets
        .environment()
        .overriding("workspaces.stage.endpoint", outside.braze)
        .overriding("models.stage.base_url", outside.model)
        .overriding("desks.stage.url", outside.desk);
    let bare = Config::load(Source::from_text("the stage", BARE), &environment);
    let bare = bare.map_err(|wrong| anyhow!("{:?}", wrong.problems))?;
    let stage = bare.assistants.get(ASSISTANT);
    let stage = stage.context("the stage has no assistant")?;
    config.server = crate::http::ServerConfig {
        listen: "127.0.0.1:0".parse()?,
        tls: None,
        ..config.server.clone()
    };
    config.operator = crate::http::OperatorConfig::default();
    config.operator.listen = config.server.listen;
    config.store.path = outside.folder.join("frontdesk.db");
    config.store.disk_low_mib = DISK_LOW_MIB;
    config.traces = crate::telemetry::TracesConfig::default();
    config.default_assistant = None;
    let price = config.models.values().find_map(|model| model.price);
    if !outside.keeps_models {
        config.models = bare.models;
        for model in config.models.values_mut() {
            model.price = price;
        }
    }
    config.workspaces = bare.workspaces;
    let desk = bare.desks.get(DESK).context("the stage has no desk")?;
    for own in config.desks.values_mut() {
        // The terms are the desk's own; whatever it understands, the stand-in takes our own JSON.
        *own = DeskConfig {
            idle: own.idle,
            ack_within: own.ack_within,
            on_timeout: own.on_timeout,
            customer_may_return: own.customer_may_return,
            language: own.language.clone(),
            summary_within: own.summary_within,
            ..desk.clone()
        };
    }
    for assistant in config.assistants.values_mut() {
        assistant.secrets.clone_from(&stage.secrets);
        assistant.campaign_id.clone_from(&stage.campaign_id);
        assistant.workspace = None;
        if !outside.keeps_models {
            assistant.models.clear();
            assistant.shares.clear();
        }
    }
    Ok(())
}
