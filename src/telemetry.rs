//! Logs: what happened, by ids and names, never by a customer's words.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::problem::Problem;

/// Crates that would write what they send and receive; nothing of it may reach a log.
const SILENCED: &str = "async_openai=off,hyper=warn,reqwest=warn,h2=warn";

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
        match EnvFilter::try_new(&self.level) {
            Ok(_) => Vec::new(),
            Err(error) => vec![Problem::new("level", error.to_string())],
        }
    }

    /// Starts logging to standard error. Once in a process.
    pub fn start(&self) -> Result<(), TryInitError> {
        let filter = EnvFilter::new(format!("{},{SILENCED}", self.level));
        let json = match self.format {
            LogFormat::Json => true,
            LogFormat::Pretty => false,
            LogFormat::Auto => !std::io::stderr().is_terminal(),
        };
        let registry = tracing_subscriber::registry().with(filter);
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        match json {
            true => registry.with(lines.json().flatten_event(true)).try_init(),
            false => registry
                .with(lines.with_ansi(std::io::stderr().is_terminal()))
                .try_init(),
        }
    }
}
