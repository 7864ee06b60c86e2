//! `frontdesk serve`: the gateway, until it is told to stop.

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, check, report};
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::problem::Problem;

/// Runs the gateway. SIGTERM or Ctrl-C stops it, SIGHUP reads the prompt folders again.
pub(super) async fn run(file: Option<&Path>) -> anyhow::Result<Exit> {
    let Some(config) = check::load(file) else {
        return Ok(Exit::Problems);
    };
    config.log.start()?;
    // Before the start, so that a stop during it is a stop and no kill.
    let mut signals = Signals::listen()?;
    let app = match App::start(&config, Clock::system()).await {
        Ok(app) => app,
        Err(StartError::Prompts(problems)) => {
            report::prompts(&problems);
            return Ok(Exit::Problems);
        }
        Err(StartError::Open(error)) if error.is_wrong_file() => {
            let problem = Problem::new("store.path", error.to_string());
            check::found_wrong(
                file,
                problem.help("name another file, or start the program that wrote it"),
            )?;
            return Ok(Exit::Problems);
        }
        Err(error) => return Err(error.into()),
    };
    tracing::info!(address = %app.address(), operator = %app.operator_address(), version = env!("CARGO_PKG_VERSION"), "frontdesk is ready");
    signals.until_stop(&app).await;
    tracing::info!("stopping");
    tokio::select! {
        ended_well = app.stop() => Ok(if ended_well { Exit::Fine } else { Exit::Crashed }),
        () = signals.stop_again() => {
            tracing::warn!("stopped at once; the store knows what was under way");
            Ok(Exit::Failed)
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn stop_again(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn until_stop(&mut self, app: &App) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => app.reload(),
                () = app.stopping() => return,
            }
        }
    }
}
