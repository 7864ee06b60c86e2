//! Noticing that a folder has changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, recommended_watcher};
use tokio::sync::Notify;

use super::{Prompts, Reloaded, Source};
use crate::clock::Clock;
use crate::problem::Problem;
use crate::shutdown::Shutdown;

/// Long enough for an editor to write a file and rename it; short enough that nobody waits for his change.
const QUIET: Duration = Duration::from_millis(300);

/// After so many waits for quiet a folder that never rests is read all the same; what is half written is refused.
const QUIET_WAITS_MAX: usize = 10;

/// How often the folder is read without a sign: network mounts give none, nor do links above the folder.
pub(super) const POLL: Duration = Duration::from_secs(30);

/// Reloads a folder on disk whenever it changes, until the stop; the built-in one never does.
pub fn watch(prompts: Prompts, clock: Clock, shutdown: &Shutdown) {
    let Source::Directory(directory) = prompts.source().clone() else {
        return;
    };
    let stop = shutdown.clone();
    shutdown.spawn(async move {
        let changed = Arc::new(Notify::new());
        let mut problems = Vec::new();
        loop {
            // Made anew before each look, as the folder may be another one behind the same name by now.
            let _eyes = look(&directory, Arc::clone(&changed));
            problems = reload(&prompts, problems).await;
            tokio::select! {
                () = stop.stopping() => return,
                () = clock.sleep(POLL) => {}
                () = rest(&clock, &changed) => {}
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

/// Starts to watch a directory. Where that fails, the poll remains.
fn look(directory: &Path, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
    let wake = move |event: Result<Event, _>| {
        // A permit is kept for who waits later, so no change is lost between two looks.
        if event.as_ref().map_or(true, is_change) {
            changed.notify_one();
        }
    };
    let watched = recommended_watcher(wake).and_then(|mut watcher| {
        watcher.watch(directory, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watched
        .inspect_err(|error| tracing::debug!(%error, "prompts are polled, not watched"))
        .ok()
}

/// Tells changes from mere reading, which would make each reload the cause of the next.
pub(super) fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// Waits for a change, and then until nothing has changed for a moment.
async fn rest(clock: &Clock, changed: &Notify) {
    changed.notified().await;
    for _ in 0..QUIET_WAITS_MAX {
        if clock.timeout(QUIET, changed.notified()).await.is_err() {
            return;
        }
    }
}

/// Counts the line, from 1, that a problem stands in.
fn line(problem: &Problem) -> Option<usize> {
    let start = problem.span.as_ref()?.start;
    let text = std::fs::read(problem.file.as_ref()?).ok()?;
    let before = text.get(..start)?;
    Some(before.split(|byte| *byte == b'\n').count())
}
