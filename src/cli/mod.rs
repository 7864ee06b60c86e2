//! The command line: arguments, and one file a command.

mod backup;
mod chat;
mod check;
mod demo;
mod models;
mod report;
mod sandbox;
mod serve;
mod setup;
mod stage;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Answers WhatsApp customers through Braze with a language model, and brings in a person when one is needed.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway until it is told to stop (SIGTERM or Ctrl-C).
    Serve(ConfigOption),
    /// Looks for everything wrong in the configuration and the prompt folders; starts nothing.
    Check(check::Options),
    /// Copies the store to a new file and reads the copy through; the gateway may run meanwhile.
    Backup(backup::Options),
    /// Prints what has to be set up elsewhere for this configuration, step by step.
    #[command(subcommand)]
    Setup(setup::Where),
    /// Asks each configured model a short question and shows what came of it; the gateway may run meanwhile.
    Models(models::Options),
    /// Talks to an assistant in the terminal, through the whole gateway; nothing leaves but questions to its models.
    Chat(chat::Options),
    /// Plays the conversation tests of the prompt folders; it needs no account and no key.
    Test(test::Options),
    /// Shows the whole gateway at work on this machine; it needs no account, key or file.
    Demo(demo::Options),
    /// Runs a stand-in for a model, Braze or a desk, to try a configuration against.
    #[command(subcommand)]
    Sandbox(sandbox::StandIn),
}

#[derive(Debug, clap::Args)]
struct ConfigOption {
    /// The configuration file [default: frontdesk.toml where there is one, else the built-in sample and the environment]
    #[arg(long, short, value_name = "FILE", env = "FRONTDESK_CONFIG")]
    config: Option<PathBuf>,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  it went well
  1  it failed; the message says why
  2  the arguments are wrong
  3  the configuration or the prompts have problems
  4  a part of the running gateway died; start it again";

/// How a command ended, as the shell hears it.
#[derive(Clone, Copy, Debug)]
enum Exit {
    Fine = 0,
    Failed = 1,
    Misused = 2,
    Problems = 3,
    Crashed = 4,
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Command::Serve(option) => on_runtime(serve::run(option.config.as_deref())),
        Command::Check(options) => on_runtime(check::run(&options)),
        Command::Setup(place) => Ok(setup::run(&place)),
        Command::Backup(options) => backup::run(&options),
        Command::Models(options) => on_runtime(models::run(options)),
        Command::Chat(options) => on_runtime(chat::run(options)),
        Command::Test(options) => on_runtime(test::run(options)),
        Command::Demo(options) => on_runtime(demo::run(options)),
        Command::Sandbox(stand_in) => on_runtime(sandbox::run(stand_in)),
    };
    let exit = ended.unwrap_or_else(|error| {
        report::failure(&error);
        Exit::Failed
    });
    ExitCode::from(exit as u8)
}

fn on_runtime(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_make_sense() {
        super::Cli::command().debug_assert();
    }
}
