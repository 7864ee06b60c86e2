//! The one thread that writes: whatever waits goes into one commit, and each caller hears of it afterwards.

use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::StoreError;
use crate::clock::Clock;
use crate::metrics;

/// Writes that may wait for the thread; beyond them intake is refused. At 10,000 writes a second this is 0.2 s of work.
const QUEUE: usize = 2_048;

/// Writes that share one commit. More would make the first of them wait for no gain: at 256 the sync is spread thin.
const GROUP: usize = 256;

/// Hands writes to the thread. Dropping it waits until what was handed over is on disk and the file is closed: whoever
/// opens the file next must not meet a writer that is still at work.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// One write: run inside the transaction, answered after the commit.
trait Job: Send {
    fn is_alone(&self) -> bool;
    fn run(&mut self, connection: &Connection);
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Work<T, F> {
    alone: bool,
    run: Option<F>,
    result: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn is_alone(&self) -> bool {
        self.alone
    }

    fn run(&mut self, connection: &Connection) {
        if let Some(work) = self.run.take() {
            self.result = Some(match self.alone {
                true => work(connection),
                false => in_savepoint(connection, work),
            });
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, caller, .. } = *self;
        let answer = committed.and_then(|()| result.unwrap_or(Err(StoreError::Closed)));
        // A caller who is gone has no use for the answer.
        drop(caller.send(answer));
    }
}

impl Writer {
    /// Starts the thread. It ends when the handle is dropped and the queue is empty.
    pub(super) fn start(
        connection: Connection,
        clock: Clock,
        metrics: metrics::Store,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&connection, jobs, &clock, &metrics))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Tells how many writes wait for the thread.
    pub(super) fn queued(&self) -> u64 {
        let waiting = |queue: &mpsc::Sender<_>| queue.max_capacity() - queue.capacity();
        let waiting = self.queue.as_ref().map_or(0, waiting);
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    /// Runs `work` in a transaction of its own, however full the queue is.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let slot = queue.reserve().await.map_err(|_| StoreError::Closed)?;
        submit(slot, false, work).await
    }

    /// Runs `work` outside any transaction, while everything else waits: for what SQLite does in no other way.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let slot = queue.reserve().await.map_err(|_| StoreError::Closed)?;
        submit(slot, true, work).await
    }

    /// Runs `work` in a transaction of its own, unless the queue is full: back-pressure for those who can come again.
    pub(super) async fn try_write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let slot = queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(()) => StoreError::Closed,
        })?;
        submit(slot, false, work).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has closed the file as well.
            drop(thread.join());
        }
    }
}

async fn submit<T: Send + 'static>(
    slot: mpsc::Permit<'_, Box<dyn Job>>,
    alone: bool,
    work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (caller, answer) = oneshot::channel();
    slot.send(Box::new(Work {
        alone,
        run: Some(work),
        result: None,
        caller,
    }));
    answer.await.unwrap_or(Err(StoreError::Closed))
}

fn run(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    clock: &Clock,
    metrics: &metrics::Store,
) {
    let mut group = Vec::with_capacity(GROUP);
    while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
        while !group.is_empty() {
            let next_alone = group.iter().position(|job| job.is_alone());
            let rest = group.split_off(next_alone.unwrap_or(group.len()).max(1));
            let (begun, writes) = (clock.elapsed(), group.len());
            let committed = match next_alone {
                Some(0) => {
                    group.iter_mut().for_each(|job| job.run(connection));
                    Ok(())
                }
                _ => commit(connection, &mut group),
            };
            let took = clock.elapsed().saturating_sub(begun);
            metrics.committed(took, writes, committed.is_err());
            for job in group.drain(..) {
                job.answer(committed.clone());
            }
            group.extend(rest);
        }
    }
}

/// Runs the whole group in one transaction. An error here means that nothing of the group is on disk.
fn commit(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for job in group {
        job.run(connection);
        // A full disk makes SQLite roll back everything at once; what followed would each commit by itself.
        if connection.is_autocommit() {
            return Err(StoreError::Database(
                "the transaction was rolled back; is the disk full?".to_owned(),
            ));
        }
    }
    let committed = connection.execute_batch("COMMIT");
    if committed.is_err() && !connection.is_autocommit() {
        // The commit's own error is the one to tell.
        drop(connection.execute_batch("ROLLBACK"));
    }
    Ok(committed?)
}

/// Runs `work` so that its failure undoes its own changes and nobody else's.
fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("SAVEPOINT job")?.execute(())?;
    let result = work(connection);
    if result.is_err() && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK TO job")?.execute(())?;
    }
    if !connection.is_autocommit() {
        connection.prepare_cached("RELEASE job")?.execute(())?;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(connection: &Connection, value: i64) -> Result<(), StoreError> {
        connection.execute("INSERT INTO t VALUES (?)", [value])?;
        Ok(())
    }

    #[tokio::test]
    async fn a_failed_write_takes_no_other_with_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)")
            .unwrap();
        let writer = Writer::start(connection, Clock::system(), metrics::Store::default()).unwrap();
        let (first, clash, second) = tokio::join!(
            writer.write(|c| insert(c, 1)),
            writer.write(|c| insert(c, 7).and_then(|()| insert(c, 1))),
            writer.write(|c| insert(c, 2)),
        );
        assert!(first.is_ok() && second.is_ok());
        assert!(matches!(clash, Err(StoreError::Database(_))), "{clash:?}");
        let rows = writer
            .write(|c| {
                Ok(c.query_row("SELECT group_concat(x) FROM t", (), |r| {
                    r.get::<_, String>(0)
                })?)
            })
            .await;
        assert_eq!(rows.unwrap(), "1,2");
    }
}
