//! The one thread that writes: whatever waits goes into one commit, and each caller hears of it afterwards.

use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::super::StoreError;
use super::headroom::Headroom;
use crate::clock::Clock;
use crate::metrics;

/// Writes that may wait for the thread; beyond them intake is refused. At 10,000 writes a second this is 0.2 s of work.
const QUEUE: usize = 2_048;

/// Those of them that may be workers', who wait for their turn where intake is refused: when thousands of turns end at
/// once, there is room for messages all the same.
const WORKERS_SHARE: usize = QUEUE / 2;

/// Writes that share one commit. More would make the first of them wait for no gain: at 256 the sync is spread thin.
const GROUP: usize = 256;

/// Hands writes to the thread. Dropping it waits until what was handed over is on disk and the file is closed: whoever
/// opens the file next must not meet a writer that is still at work.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    workers: Arc<Semaphore>,
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
    /// A worker's place, held until the answer even if he does not wait for it.
    _place: Option<OwnedSemaphorePermit>,
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
        headroom: Arc<Headroom>,
        clock: Clock,
        metrics: metrics::Store,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&connection, jobs, &headroom, &clock, &metrics))?;
        Ok(Self {
            queue: Some(queue),
            workers: Arc::new(Semaphore::new(WORKERS_SHARE)),
            thread: Some(thread),
        })
    }

    /// Tells how many writes wait for the thread.
    pub(super) fn queued(&self) -> u64 {
        let waiting = |queue: &mpsc::Sender<_>| queue.max_capacity() - queue.capacity();
        let waiting = self.queue.as_ref().map_or(0, waiting);
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    /// Runs `work` in a transaction of its own, however long it has to wait for a place in the queue.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let place = Arc::clone(&self.workers).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Closed)?;
        let slot = queue.reserve().await.map_err(|_| StoreError::Closed)?;
        submit(slot, (false, Some(place)), work).await
    }

    /// Runs `work` outside any transaction, while everything else waits: for what SQLite does in no other way.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        let slot = queue.reserve().await.map_err(|_| StoreError::Closed)?;
        submit(slot, (true, None), work).await
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
        submit(slot, (false, None), work).await
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
    (alone, place): (bool, Option<OwnedSemaphorePermit>),
    work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (caller, answer) = oneshot::channel();
    slot.send(Box::new(Work {
        alone,
        run: Some(work),
        result: None,
        caller,
        _place: place,
    }));
    answer.await.unwrap_or(Err(StoreError::Closed))
}

fn run(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    headroom: &Headroom,
    clock: &Clock,
    metrics: &metrics::Store,
) {
    let mut group = Vec::with_capacity(GROUP);
    while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
        let looked = headroom.look(connection);
        while !group.is_empty() {
            let next_alone = group.iter().position(|job| job.is_alone());
            let rest = group.split_off(next_alone.unwrap_or(group.len()).max(1));
            let (begun, writes) = (clock.elapsed(), group.len());
            let committed = match next_alone {
                Some(0) => {
                    for job in &mut group {
                        job.run(connection);
                    }
                    Ok(())
                }
                _ => commit(connection, &mut group),
            };
            if committed.is_err() {
                headroom.relieve();
            }
            let took = clock.elapsed().saturating_sub(begun);
            metrics.committed(took, writes, committed.is_err());
            for job in group.drain(..) {
                job.answer(committed.clone());
            }
            group.extend(rest);
        }
        if looked && jobs.is_empty() {
            headroom.tidy(connection);
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
    use super::super::SqliteConfig;
    use super::*;
    use crate::clock::Clock;

    fn insert(connection: &Connection, value: i64) -> Result<(), StoreError> {
        connection.execute("INSERT INTO t VALUES (?)", [value])?;
        Ok(())
    }

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)")
            .unwrap();
        // Where there is no disk to look at, nothing is held in reserve.
        let config = SqliteConfig {
            path: "no/such/folder/frontdesk.db".into(),
            ..SqliteConfig::default()
        };
        let headroom = Headroom::new(&config, Clock::system());
        let metrics = metrics::Store::default();
        Writer::start(connection, Arc::new(headroom), Clock::system(), metrics).unwrap()
    }

    #[tokio::test]
    async fn a_wave_of_workers_writes_leaves_room_for_messages() {
        let writer = writer();
        let (go, held) = std::sync::mpsc::channel::<()>();
        // One write keeps the thread busy; its answer says that it went on.
        let busy = writer.write(move |_| Ok(held.recv().is_ok()));
        let wave = (0..2 * QUEUE).map(|_| writer.write(|_| Ok(())));
        let wave = tokio::task::unconstrained(futures_util::future::join_all(wave));
        let (mut busy, mut wave) = (Box::pin(busy), Box::pin(wave));
        assert!(futures_util::poll!(&mut busy).is_pending());
        assert!(futures_util::poll!(&mut wave).is_pending());
        let message = writer.try_write(|c| insert(c, 1));
        let mut message = Box::pin(message);
        assert!(
            futures_util::poll!(&mut message).is_pending(),
            "it has a place"
        );
        go.send(()).unwrap();
        let (busy, wave, message) = tokio::join!(busy, wave, message);
        assert!(busy.unwrap() && wave.iter().all(Result::is_ok));
        assert!(message.is_ok(), "{message:?}");
    }

    #[tokio::test]
    async fn a_failed_write_takes_no_other_with_it() {
        let writer = writer();
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
