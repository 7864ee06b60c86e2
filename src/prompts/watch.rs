//! Noticing that a folder has changed.

use super::{Prompts, Reloaded, Source};
use crate::clock::Clock;
use crate::problem::Problem;
use crate::shutdown::Shutdown;
use crate::watch::{RecursiveMode, Watch};

/// Reloads a folder on disk whenever it changes, until the stop; the built-in one never does.
pub fn watch(prompts: Prompts, clock: Clock, shutdown: &Shutdown) {
    let Source::Directory(directory) = prompts.source().clone() else {
        return;
    };
    let stop = shutdown.clone();
    shutdown.spawn(async move {
        let mut problems = Vec::new();
        loop {
            // Made anew before each look, as the folder may be another one behind the same name by now.
            let watch = Watch::over(&[&directory], RecursiveMode::Recursive);
            problems = reload(&prompts, problems).await;
            tokio::select! {
                () = stop.stopping() => return,
                () = watch.changed(&clock) => {}
            }
        }
    });
}

/// Logs what a reload did.
pub fn report(prompts: &Prompts, outcome: &Result<Reloaded, Vec<Problem>>) {
    let folder = prompts.source().name_of("");
    match outcome {
        Ok(Reloaded::Unchanged) => {
            let version = prompts.current().version().to_owned();
            tracing::info!(folder, version, "prompts unchanged");
        }
        Ok(Reloaded::Mended) => {
            let version = prompts.current().version().to_owned();
            tracing::info!(
                folder,
                version,
                "prompts are in order again, and the same as before"
            );
        }
        Ok(Reloaded::Swapped { from, to }) => tracing::info!(folder, from, to, "prompts reloaded"),
        Err(problems) => {
            let version = prompts.current().version().to_owned();
            for problem in problems {
                tracing::error!(
                    folder,
                    version,
                    line = line(problem),
                    %problem,
                    "prompts not reloaded, the old ones stay in force"
                );
            }
        }
    }
}

/// Reloads, and logs the outcome unless it is the same trouble as `before`. Gives the trouble that there is.
async fn reload(prompts: &Prompts, before: Vec<Problem>) -> Vec<Problem> {
    let reader = prompts.clone();
    let Ok(outcome) = tokio::task::spawn_blocking(move || reader.reload()).await else {
        return before;
    };
    // Looks are many: one that finds what the one before found is not worth a line.
    match outcome {
        Ok(Reloaded::Unchanged) => return Vec::new(),
        Err(problems) if problems == before => return problems,
        _ => report(prompts, &outcome),
    }
    outcome.err().unwrap_or_default()
}

/// Counts the line, from 1, that a problem stands in.
fn line(problem: &Problem) -> Option<usize> {
    let start = problem.span.as_ref()?.start;
    let text = std::fs::read(problem.file.as_ref()?).ok()?;
    let before = text.get(..start)?;
    Some(before.split(|byte| *byte == b'\n').count())
}
