//! `frontdesk backup`: a copy of the store, while the gateway runs or while it does not.

use std::path::{Path, PathBuf};

use super::{ConfigOption, Exit, check};
use crate::store;

/// What the command is told.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where the copy goes; nothing may be there yet
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    config: ConfigOption,
}

/// Copies the store that the configuration names.
pub(super) fn run(options: &Options) -> anyhow::Result<Exit> {
    let file = options.config.config.as_deref();
    let Some(config) = check::load_part(file, |key| key.starts_with("store")) else {
        return Ok(Exit::Problems);
    };
    let to: &Path = &options.to;
    let copied = store::backup(&config.store, to)?;
    anstream::println!(
        "{}: {} bytes, {} messages, {} of them without an outcome; read through and whole",
        to.display(),
        copied.bytes,
        copied.messages,
        copied.waiting
    );
    Ok(Exit::Fine)
}
