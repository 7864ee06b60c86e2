//! Noticing that files have changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, Watcher, recommended_watcher};
use tokio::sync::Notify;

use crate::clock::Clock;

pub use notify::RecursiveMode;

/// Long enough for an editor to write a file and rename it; short enough that nobody waits for his change.
const QUIET: Duration = Duration::from_millis(300);

/// After so many waits for quiet a folder that never rests is read all the same; what is half written is refused.
const QUIET_WAITS_MAX: usize = 10;

/// How often to look without a sign: network mounts give none, nor do links above the folder.
pub const POLL: Duration = Duration::from_secs(30);

/// Eyes on folders.
#[derive(Debug)]
pub struct Watch {
    changed: Arc<Notify>,
    /// Where watching fails, the poll remains.
    _watchers: Vec<RecommendedWatcher>,
}

impl Watch {
    /// Looks at folders from now on. A folder is watched and not its files: those are replaced by others of their name.
    pub fn over<P: AsRef<Path>>(folders: &[P], mode: RecursiveMode) -> Self {
        let changed = Arc::default();
        let watchers = folders
            .iter()
            .filter_map(|folder| look(folder.as_ref(), mode, &changed));
        Self {
            _watchers: watchers.collect(),
            changed,
        }
    }

    /// Waits for a change and then until nothing has changed for a moment; at most for [`POLL`].
    pub async fn changed(&self, clock: &Clock) {
        tokio::select! {
            () = clock.sleep(POLL) => {}
            () = self.rest(clock) => {}
        }
    }

    async fn rest(&self, clock: &Clock) {
        self.changed.notified().await;
        for _ in 0..QUIET_WAITS_MAX {
            if clock.timeout(QUIET, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }
}

fn look(folder: &Path, mode: RecursiveMode, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let wake = move |event: Result<Event, _>| {
        // A permit is kept for who waits later, so no change is lost between two looks.
        if event.as_ref().map_or(true, is_change) {
            changed.notify_one();
        }
    };
    let watched = recommended_watcher(wake).and_then(|mut watcher| {
        watcher.watch(folder, mode)?;
        Ok(watcher)
    });
    watched
        .inspect_err(|error| tracing::debug!(%error, "files are polled, not watched"))
        .ok()
}

/// Tells changes from mere reading, which would make each look the cause of the next.
pub fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
