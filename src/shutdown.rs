//! Stopping in two steps: no new work, then no work at all.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;

/// Spawns tasks that somebody waits for, and tells them when to stop.
///
/// The soft stop means: take no new work, finish what you hold. The hard stop cuts each task where it waits; the store
/// knows the rest. A task that ends by a panic cancels `soft` and is remembered, so that the process can say so in its exit code.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
    crashed: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// Makes a handle with nothing running and nothing stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task that [`Shutdown::drain`] waits for. A panic in it starts the stop of everything.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let guard = Guard(Some(self.clone()));
        drop(self.spawn_contained(async move {
            task.await;
            guard.finished();
        }));
    }

    /// Spawns a task whose panic ends that task alone. The handle gives `None` where the hard stop cut it short.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn_contained<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        let hard = self.hard.clone();
        // On the heap, since what is wrapped around it would hold it three times over, in each of thousands of turns.
        let task = Box::pin(task);
        tokio::spawn(
            self.tasks
                .track_future(hard.run_until_cancelled_owned(task)),
        )
    }

    /// Starts the stop: whoever waits on [`Shutdown::stopping`] goes on.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Starts the stop because something is broken that only a new start can mend.
    pub fn crash(&self) {
        self.crashed.cancel();
        self.soft.cancel();
    }

    /// Waits until the stop has started.
    pub async fn stopping(&self) {
        self.soft.cancelled().await;
    }

    /// Tells whether the stop has started.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Tells whether a task that has to live as long as the process died of a panic.
    pub fn has_crashed(&self) -> bool {
        self.crashed.is_cancelled()
    }

    /// Stops everything: waits up to `grace` for the tasks to finish, then cancels them. Gives how many had to be.
    pub async fn drain(&self, clock: &Clock, grace: Duration) -> usize {
        self.stop();
        self.tasks.close();
        if clock.timeout(grace, self.tasks.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tasks.len();
        self.hard.cancel();
        self.tasks.wait().await;
        left
    }
}

/// Notices that a task ended without saying that it finished.
struct Guard(Option<Shutdown>);

impl Guard {
    fn finished(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(shutdown) = self.0.take()
            && std::thread::panicking()
        {
            shutdown.crash();
        }
    }
}
