//! The store in one SQLite file.

mod acts;
mod backup;
mod ballast;
mod config;
mod course;
mod deliveries;
mod grounds;
mod handoffs;
mod headroom;
mod history;
mod intake;
mod open;
mod operator;
mod passes;
mod rows;
mod sound;
mod spending;
mod standing;
mod summaries;
mod turns;
mod unsent;
mod upkeep;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{
    Accepted, Acted, Batch, Claimed, Counts, DeskAct, Ended, Fate, HandoffEnd, History, Lease,
    NewMessage, Once, Operations, Outgrown, Quarantined, Settled, Store, StoreError, StoreSize,
    Unanswered, Wake,
};
use crate::clock::Clock;
use crate::domain::{
    Attempted, Bill, Clearance, Conversation, ConversationId, Day, Delivery, DeliveryId, Lane,
    MessageId, NewDelivery, NodeId, OnUnknown, Settlement, SpentToday, Summary, Suppression,
    new_id,
};
use crate::metrics::{self, Standing};
use grounds::Grounds;
use headroom::Headroom;
use writer::Writer;

pub use backup::{Backup, BackupError, backup};
pub use config::SqliteConfig;
pub use open::OpenError;

/// Connections that read beside the writer. Reads are short; four keep two cores busy.
const READERS: usize = 4;

/// The store in one SQLite file. The order of the fields is the order in which they close: the last connection moves the
/// log into the file, which only the writer can, and the lock is let go when nobody works on the file any more.
#[derive(Debug)]
pub struct Sqlite {
    readers: Readers,
    writer: Writer,
    headroom: Arc<Headroom>,
    clock: Clock,
    node: NodeId,
    wake: Wake,
    metrics: metrics::Store,
    grounds: Grounds,
    _lock: open::Lock,
}

#[derive(Clone, Debug)]
struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Sqlite {
    /// Opens the file, makes it where it is missing, and holds it against other processes.
    pub fn open(
        config: &SqliteConfig,
        clock: Clock,
        metrics: metrics::Store,
    ) -> Result<Self, OpenError> {
        let path = &config.path;
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let lock = open::lock(path)?;
        let headroom = Arc::new(Headroom::new(config, clock.clone()));
        let connection = open::open_writer(path)?;
        headroom.look(&connection);
        let readers = (0..READERS).map(|_| open::open_reader(path));
        let readers = readers.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            readers: Readers {
                permits: Arc::new(Semaphore::new(readers.len())),
                free: Arc::new(Mutex::new(readers)),
            },
            writer: Writer::start(
                connection,
                Arc::clone(&headroom),
                clock.clone(),
                metrics.clone(),
            )
            .map_err(io)?,
            headroom,
            node: NodeId(new_id(clock.now())),
            clock,
            wake: Wake::default(),
            metrics,
            grounds: Grounds::default(),
            _lock: lock,
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, Here) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (clock, node) = (self.clock.clone(), self.node);
        self.writer
            .write(move |connection| {
                work(
                    connection,
                    Here {
                        now: clock.now(),
                        node,
                    },
                )
            })
            .await
    }

    fn here(&self) -> Here {
        Here {
            now: self.clock.now(),
            node: self.node,
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Readers { free, permits } = self.readers.clone();
        let permit = permits
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        tokio::task::spawn_blocking(move || {
            let free = || free.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = free().pop().ok_or(StoreError::Busy)?;
            let result = work(&connection);
            free().push(connection);
            // Held until the connection is back: the caller may be gone long before.
            drop(permit);
            result
        })
        .await
        .map_err(|_| StoreError::Closed)?
    }
}

/// When a transaction runs, and for whom.
#[derive(Clone, Copy)]
struct Here {
    now: Timestamp,
    node: NodeId,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

#[async_trait]
impl Store for Sqlite {
    fn wake(&self) -> &Wake {
        &self.wake
    }

    fn operations(&self) -> &dyn Operations {
        self
    }

    async fn accept(&self, message: NewMessage) -> Result<Accepted, StoreError> {
        if let Some(refusal) = self.headroom.refusal() {
            let (now, key) = (self.clock.now(), message.inbound.dedupe.key);
            let known = move |connection: &Connection| intake::known(connection, now, &key);
            let first = self.read(known).await?;
            return first.map(Accepted::Duplicate).ok_or(refusal);
        }
        let clock = self.clock.clone();
        let work = move |connection: &Connection| intake::accept(connection, clock.now(), &message);
        let (accepted, shifts) = self.writer.try_write(work).await?;
        if matches!(accepted, Accepted::New(_)) {
            self.headroom.accepted();
        }
        if let Some(row) = shifts {
            self.grounds.shift(row);
        }
        self.wake.turns.ring();
        Ok(accepted)
    }

    async fn quarantine(&self, body: Quarantined) -> Result<(), StoreError> {
        if let Some(refusal) = self.headroom.refusal() {
            return Err(refusal);
        }
        let clock = self.clock.clone();
        let work =
            move |connection: &Connection| intake::quarantine(connection, clock.now(), &body);
        self.writer.try_write(work).await
    }

    async fn claim(&self, limit: u32) -> Result<Batch<Claimed>, StoreError> {
        let batch = self
            .write(move |connection, here| turns::claim(connection, here, limit))
            .await?;
        for claimed in &batch.items {
            self.grounds.hold(&claimed.lease);
        }
        Ok(batch)
    }

    async fn history(
        &self,
        conversation: ConversationId,
        limit: u32,
    ) -> Result<History, StoreError> {
        self.read(move |connection| history::last(connection, conversation, limit))
            .await
    }

    async fn outgrown(
        &self,
        conversation: ConversationId,
        before: i64,
        limit: u32,
    ) -> Result<Option<Outgrown>, StoreError> {
        let now = self.clock.now();
        self.read(move |connection| {
            summaries::outgrown(connection, now, conversation, before, limit)
        })
        .await
    }

    async fn summarise(
        &self,
        outgrown: &Outgrown,
        summary: Option<&Summary>,
        spent: Option<Bill>,
    ) -> Result<bool, StoreError> {
        let (outgrown, summary) = (outgrown.clone(), summary.cloned());
        self.write(move |connection, _| {
            summaries::replace(connection, &outgrown, summary.as_ref(), spent)
        })
        .await
    }

    async fn spent(
        &self,
        conversation: ConversationId,
        day: Day,
    ) -> Result<SpentToday, StoreError> {
        self.read(move |connection| spending::today(connection, conversation, day))
            .await
    }

    async fn settle(
        &self,
        lease: &Lease,
        settlement: &Settlement,
        spent: Option<Bill>,
    ) -> Result<Settled, StoreError> {
        self.grounds.leave(lease);
        let (lease, settlement) = (lease.clone(), settlement.clone());
        let lanes: Vec<_> = settlement
            .deliveries
            .iter()
            .map(|one| one.payload.lane())
            .collect();
        let settled = self
            .write(move |connection, here| {
                spending::book(connection, here, &lease, spent)?;
                turns::settle(connection, here, &lease, &settlement)
            })
            .await?;
        for lane in lanes {
            self.wake.lane(lane).ring();
        }
        self.wake.turns.ring();
        Ok(settled)
    }

    async fn give_back(
        &self,
        lease: &Lease,
        at: Timestamp,
        spent: Option<Bill>,
    ) -> Result<(), StoreError> {
        self.grounds.leave(lease);
        let lease = lease.clone();
        self.write(move |connection, here| {
            spending::book(connection, here, &lease, spent)?;
            turns::give_back(connection, here, &lease, at)
        })
        .await
    }

    async fn supersede(&self, lease: &Lease, spent: Option<Bill>) -> Result<(), StoreError> {
        self.grounds.leave(lease);
        let lease = lease.clone();
        self.write(move |connection, here| {
            spending::book(connection, here, &lease, spent)?;
            turns::supersede(connection, here, &lease)
        })
        .await?;
        self.wake.turns.ring();
        Ok(())
    }

    async fn claim_deliveries(
        &self,
        lane: Lane,
        assistants: &[String],
        limit: u32,
    ) -> Result<Batch<Delivery>, StoreError> {
        let assistants = serde_json::Value::from(assistants).to_string();
        self.write(move |connection, here| {
            deliveries::claim(connection, here, lane, &assistants, limit)
        })
        .await
    }

    async fn clear(&self, delivery: DeliveryId) -> Result<Clearance, StoreError> {
        let clearance = self
            .write(move |connection, here| deliveries::clear(connection, here, delivery))
            .await?;
        if let Clearance::Dropped(why) = clearance {
            self.metrics.dropped(why.as_str(), 1);
            // What stood behind it may go now, or its messages wait for another answer.
            self.wake.braze.ring();
            self.wake.desk.ring();
            self.wake.turns.ring();
        }
        Ok(clearance)
    }

    async fn attempted(
        &self,
        delivery: DeliveryId,
        attempted: Attempted,
    ) -> Result<(), StoreError> {
        let work = move |connection: &Connection, here| {
            deliveries::attempted(connection, here, delivery, &attempted)
        };
        let lane = self.write(work).await?;
        if let Some(lane) = lane {
            self.wake.lane(lane).ring();
        }
        Ok(())
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        self.read(move |connection| rows::conversation(connection, id))
            .await
    }

    async fn conversation_with(
        &self,
        assistant: &str,
        external_id: &str,
    ) -> Result<Option<Conversation>, StoreError> {
        let (assistant, id) = (assistant.to_owned(), external_id.to_owned());
        self.read(move |connection| rows::conversation_with(connection, &assistant, &id))
            .await
    }

    async fn fate(&self, message: MessageId) -> Result<Option<Fate>, StoreError> {
        self.read(move |connection| rows::fate(connection, message))
            .await
    }

    async fn act(&self, act: DeskAct) -> Result<Acted, StoreError> {
        let (acted, shifts) = self
            .write(move |connection, here| acts::act(connection, here, &act))
            .await?;
        if let Some((row, silenced)) = shifts {
            self.grounds.shift(row);
            self.metrics
                .dropped(Suppression::HumanTookOver.as_str(), silenced);
        }
        self.wake.braze.ring();
        self.wake.desk.ring();
        self.wake.turns.ring();
        Ok(acted)
    }

    async fn acted(
        &self,
        conversation: ConversationId,
        once: Once,
    ) -> Result<Option<Acted>, StoreError> {
        let here = self.here();
        self.read(move |connection| acts::known(connection, here, conversation, once))
            .await
    }

    async fn end_handoff(&self, end: HandoffEnd) -> Result<Ended, StoreError> {
        let ended = self
            .write(move |connection, here| handoffs::end(connection, here, &end))
            .await?;
        self.wake.desk.ring();
        self.wake.turns.ring();
        Ok(ended)
    }

    async fn overdue_handoffs(&self, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        let now = self.clock.now();
        self.read(move |connection| handoffs::overdue(connection, now, limit))
            .await
    }

    async fn returned_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        self.read(move |connection| handoffs::returned(connection, since, limit))
            .await
    }

    async fn unanswered_handoffs(&self, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        let now = self.clock.now();
        self.read(move |connection| handoffs::unanswered(connection, now, limit))
            .await
    }

    async fn unanswered(&self, unanswered: Unanswered) -> Result<bool, StoreError> {
        let done = self
            .write(move |connection, here| handoffs::lapse(connection, here, &unanswered))
            .await?;
        self.wake.braze.ring();
        self.wake.desk.ring();
        self.wake.turns.ring();
        Ok(done)
    }

    async fn closing_windows(
        &self,
        ahead: Duration,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        let now = self.clock.now();
        self.read(move |connection| handoffs::closing(connection, now, ahead, limit))
            .await
    }

    async fn warn_of_window(
        &self,
        conversation: &Conversation,
        event: Option<NewDelivery>,
    ) -> Result<bool, StoreError> {
        let conversation = conversation.clone();
        let told = self
            .write(move |connection, here| {
                handoffs::warn(connection, here, &conversation, event.as_ref())
            })
            .await?;
        self.wake.desk.ring();
        Ok(told)
    }

    async fn recover(&self, policy: OnUnknown) -> Result<u64, StoreError> {
        self.write(move |connection, here| upkeep::recover(connection, here, policy))
            .await
    }

    async fn purge(&self) -> Result<u64, StoreError> {
        let purged = self.write(upkeep::purge).await?;
        let expired = Suppression::Expired.as_str();
        self.metrics.dropped(expired, purged.expired);
        if purged.rows > 0 {
            self.wake.turns.ring();
        }
        Ok(purged.rows)
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.read(upkeep::counts).await
    }

    fn size(&self) -> StoreSize {
        self.headroom.size()
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        let standing = self.read(standing::look).await?;
        let size = self.size();
        let disk = |bytes| (size.disk_bytes > 0).then_some(bytes);
        Ok(Standing {
            queued: self.writer.queued(),
            database_bytes: size.database_bytes,
            wal_bytes: size.wal_bytes,
            disk_bytes: disk(size.disk_bytes),
            disk_free_bytes: disk(size.disk_free_bytes),
            is_disk_low: size.is_disk_low,
            is_backlog_full: size.is_backlog_full,
            ..standing
        })
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let clock = self.clock.clone();
        // By the way that messages take, since it is asked whether these can be kept.
        let work = move |connection: &Connection| upkeep::probe(connection, clock.now());
        self.writer.try_write(work).await?;
        self.headroom.refusal().map_or(Ok(()), Err)
    }
}
