//! The log: lines on standard error.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::problem::Problem;

/// Where our own lines come from. Other crates write what they send and receive when they are asked for details, so of
/// them only warnings are logged, whatever the filter says.
const OURS: &str = "frontdesk";

/// The crate whose very warnings hold what it received.
const SILENCED: &str = "async_openai";

/// What is said about a filter that cannot be read.
const LEVELS: &str = "one of `error`, `warn`, `info`, `debug` and `trace`, or a filter such as `info,frontdesk::workers=debug`";

/// What is logged, and how: `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `pretty` for people, `json` for machines, `auto` (default): pretty on a terminal, else JSON.
    pub format: LogFormat,
    /// `error`, `warn`, `info` (default), `debug` or `trace`; or a filter such as `info,frontdesk::workers=debug`.
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    #[default]
    Auto,
    /// A line for people.
    Pretty,
    /// An object for machines.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: "info".to_owned(),
        }
    }
}

impl LogConfig {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        let wrong = |message: String| vec![Problem::new("level", message).help(LEVELS)];
        // A word alone could also be the name of a module, and then nothing else would be logged.
        let stray = self
            .level
            .split(',')
            .map(str::trim)
            .find(|part| !part.contains('=') && part.parse::<Level>().is_err());
        match (stray, EnvFilter::try_new(&self.level)) {
            (Some(stray), _) => wrong(format!("`{stray}` is no level")),
            (None, Err(error)) => wrong(error.to_string()),
            (None, Ok(_)) => Vec::new(),
        }
    }

    /// Starts logging to standard error. Once in a process.
    pub fn start(&self) -> Result<(), TryInitError> {
        let filter = EnvFilter::new(&self.level).and(filter_fn(may_be_logged));
        let json = match self.format {
            LogFormat::Json => true,
            LogFormat::Pretty => false,
            LogFormat::Auto => !std::io::stderr().is_terminal(),
        };
        let registry = tracing_subscriber::registry();
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        match json {
            true => registry
                .with(lines.json().flatten_event(true).with_filter(filter))
                .try_init(),
            false => registry
                .with(
                    lines
                        .with_ansi(std::io::stderr().is_terminal())
                        .with_filter(filter),
                )
                .try_init(),
        }
    }
}

/// Tells whether a line may reach a log at all.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target.starts_with(OURS) || *metadata.level() <= Level::WARN && !target.starts_with(SILENCED)
}
