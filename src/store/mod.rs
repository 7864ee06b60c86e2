//! Where everything that was promised is kept: the `Store` trait and its databases.
//!
//! The two drivers, the HTTP doors and the workers, meet here and nowhere else. Each method is one transaction; none
//! of them waits for anything but the database. Time that decides about claims is the store's own.

mod acts;
mod operator;
mod sqlite;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::{
    Attempted, Bill, Clearance, Conversation, ConversationId, Course, Day, Delivery, DeliveryId,
    Inbound, Lane, Message, MessageId, NewDelivery, OnUnknown, Outcome, Settlement, SpentToday,
    Summary,
};
use crate::metrics::Standing;
use crate::redact::Private;

pub use acts::{Acted, DeskAct, Ended, HandoffEnd, Once, Receipted, Unanswered};
pub use operator::{
    Actor, AuditEntry, AuditFilter, ConversationFilter, ConversationView, Decided, Decision,
    DeliveryFilter, DeliveryState, DeliveryView, HandoffView, MessageView, Operations, Page, Part,
    QuarantineView, QuarantinedBody, Receipt, Removed, SpendingView, Subject, TakenOver,
    Transcript,
};
pub use sqlite::{Backup, BackupError, OpenError, Sqlite, SqliteConfig, backup};

/// Why the store did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// More is waiting to be written than the store takes on; try again soon.
    #[error("the store has too much waiting to be written")]
    Busy,
    /// Too many messages wait for an answer; come again when there are fewer.
    #[error("too many messages wait for an answer")]
    Backlog,
    /// The disk is nearly full; come again when there is more room.
    #[error("the disk is nearly full")]
    DiskLow,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// The database refused; for a full disk, a broken file or a lost connection.
    #[error("the database failed: {0}")]
    Database(String),
    /// A row does not hold what this version writes.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
}

/// A message to be kept.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The assistant that it is for.
    pub assistant: String,
    /// What arrived.
    pub inbound: Inbound,
    /// How long to wait for more of the same burst.
    pub burst: Burst,
    /// Whether it is to be worked on at once, burst or not.
    pub urgent: bool,
}

/// How long a conversation waits for more messages before it is worked on.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// After its last message.
    pub quiet: Duration,
    /// After its first message, at most.
    pub cap: Duration,
    /// How often running a newer message makes the assistant begin again; zero for never.
    pub supersede_max: u32,
}

/// What became of a message that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk, under this name.
    New(MessageId),
    /// It had been here before, under this name.
    Duplicate(MessageId),
}

/// A body that could not be read, kept for an operator.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// The assistant that it was for.
    pub assistant: String,
    /// The first bytes of it.
    pub body: Private<Vec<u8>>,
    /// Why it could not be read.
    pub error: String,
}

/// What was claimed, and when there may be more.
#[derive(Clone, Debug)]
pub struct Batch<T> {
    /// What this node now holds.
    pub items: Vec<T>,
    /// When the next one falls due, where one waits for its time.
    pub next_due: Option<Timestamp>,
}

/// A conversation with messages to answer, held by this node until it is settled or given back.
#[derive(Debug)]
pub struct Claimed {
    /// The conversation as it stood at the claim.
    pub conversation: Conversation,
    /// The messages that wait for an outcome, oldest first; at least one.
    pub waiting: Vec<Message>,
    /// What became of the turns before.
    pub course: Course,
    /// How many assistants have passed the messages on, before this one.
    pub passes: u32,
    /// How many claims of these messages ended in a crash before; a conviction counts as one more.
    pub crashes: u32,
    /// Whether they are convicted of the last one: they are not tried again.
    pub is_poison: bool,
    /// How many replies that still waited to leave were taken back for these messages.
    pub overtaken: u64,
    /// The proof that it is held.
    pub lease: Lease,
}

/// The proof that a node holds a conversation. Only the store makes one.
#[derive(Clone, Debug)]
pub struct Lease {
    conversation: ConversationId,
    assistant: String,
    row: i64,
    epoch: i64,
    version: i64,
    up_to: i64,
    ground: CancellationToken,
}

impl Lease {
    /// Waits until the ground has shifted under the turn: what it decides would be refused. A hint that can be missed;
    /// the settlement is fenced all the same.
    pub async fn shifted(&self) {
        self.ground.cancelled().await;
    }
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is on disk; the history has this version now.
    Applied {
        /// The version.
        version: i64,
    },
    /// The ground had shifted; nothing was changed, and the messages wait for a new turn.
    Stale,
}

/// What was said in a conversation, as far as it was asked for.
#[derive(Clone, Debug)]
pub struct History {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// The version that it shows.
    pub version: i64,
}

/// What a conversation's summary lacks. Only the store makes one: it says which summary it is to replace.
#[derive(Clone, Debug)]
pub struct Outgrown {
    conversation: ConversationId,
    assistant: String,
    /// The place of the newest message that was summarised so far; 0 where none was.
    pub up_to: i64,
    /// The summary so far, where there is one that counts still.
    pub summary: Option<Summary>,
    /// What it lacks, oldest first.
    pub messages: Vec<Message>,
}

/// What became of a customer's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The conversation that it belongs to.
    pub conversation: ConversationId,
    /// The outcome; nothing while it waits.
    pub outcome: Option<Outcome>,
    /// The rule that decided, where one did.
    pub rule: Option<String>,
    /// The content hash of the prompt folder that was in force.
    pub prompt_version: Option<String>,
}

/// What stands in the store, for health, tests and people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Customer messages without an outcome.
    pub waiting: u64,
    /// Conversations that a node holds.
    pub claimed: u64,
    /// Deliveries that are still to leave or on their way, by lane: Braze, desk.
    pub open_deliveries: [u64; 2],
    /// Deliveries that were given up or are kept for an operator.
    pub dead_deliveries: u64,
    /// Bodies that could not be read.
    pub quarantined: u64,
}

/// How large the store is and what room it has, as it was found within the last second or at the last write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// Bytes of the database file.
    pub database_bytes: u64,
    /// Bytes of the write-ahead log, which is moved into the database from time to time.
    pub wal_bytes: u64,
    /// Bytes of the disk that it is on; 0 where that cannot be told.
    pub disk_bytes: u64,
    /// Bytes that are free there, for this process.
    pub disk_free_bytes: u64,
    /// Customer messages without an outcome.
    pub waiting: u64,
    /// Whether new messages are refused because the disk is nearly full.
    pub is_disk_low: bool,
    /// Whether new messages are refused because too many wait.
    pub is_backlog_full: bool,
}

/// Ring when there may be something to claim. A hint: the workers look now and then all the same.
#[derive(Debug, Default)]
pub struct Wake {
    /// A conversation may have fallen due.
    pub turns: Bell,
    /// A delivery to Braze may be ready.
    pub braze: Bell,
    /// A delivery to a desk may be ready.
    pub desk: Bell,
}

impl Wake {
    /// Gives the bell of a lane.
    pub fn lane(&self, lane: Lane) -> &Bell {
        match lane {
            Lane::Braze => &self.braze,
            Lane::Desk => &self.desk,
        }
    }
}

/// A bell that each listener hears once, however often it rang since he last listened.
#[derive(Debug, Default)]
pub struct Bell(watch::Sender<()>);

impl Bell {
    /// Rings for every listener.
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    /// Gives a listener, who has heard nothing yet.
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// One who waits for a bell.
#[derive(Debug)]
pub struct Listener(watch::Receiver<()>);

impl Listener {
    /// Forgets what rang so far: whoever looks now sees what it was about.
    pub fn enrol(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits until the bell has rung since the last look.
    pub async fn heard(&mut self) {
        if self.0.changed().await.is_err() {
            // The store is gone, and nothing will ring any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Keeps messages, conversations and deliveries through anything.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Gives the bells that ring when there may be work.
    fn wake(&self) -> &Wake;

    /// Gives the part that is for operators.
    fn operations(&self) -> &dyn Operations;

    /// Keeps a message; it is safe on disk when this returns. Where there is no room for more, only copies of what was
    /// kept before are answered.
    async fn accept(&self, message: NewMessage) -> Result<Accepted, StoreError>;

    /// Keeps a body that could not be read.
    async fn quarantine(&self, body: Quarantined) -> Result<(), StoreError>;

    /// Claims up to `limit` conversations whose messages are due, the longest due first.
    async fn claim(&self, limit: u32) -> Result<Batch<Claimed>, StoreError>;

    /// Gives the last `limit` messages that have been dealt with.
    async fn history(
        &self,
        conversation: ConversationId,
        limit: u32,
    ) -> Result<History, StoreError>;

    /// Gives what the summary of a conversation lacks of the messages before the place `before`: those that have been dealt
    /// with, the newest `limit` of them. Nothing where the conversation is not the assistant's, or its customer said stop.
    async fn outgrown(
        &self,
        conversation: ConversationId,
        before: i64,
        limit: u32,
    ) -> Result<Option<Outgrown>, StoreError>;

    /// Replaces the summary of a conversation where there is a new one; `false` where it was replaced, given to people or
    /// erased meanwhile. What was spent on it is written down in any case.
    async fn summarise(
        &self,
        outgrown: &Outgrown,
        summary: Option<&Summary>,
        spent: Option<Bill>,
    ) -> Result<bool, StoreError>;

    /// Gives what was spent on a day by a conversation and by its assistant; nothing where there is no such conversation.
    async fn spent(&self, conversation: ConversationId, day: Day)
    -> Result<SpentToday, StoreError>;

    /// Applies what a turn decided, if the ground did not shift under it. What it spent is written down in any case.
    async fn settle(
        &self,
        lease: &Lease,
        settlement: &Settlement,
        spent: Option<Bill>,
    ) -> Result<Settled, StoreError>;

    /// Puts a claimed conversation back, due at `at`; the claim does not count as a crash. What the turn spent is
    /// written down.
    async fn give_back(
        &self,
        lease: &Lease,
        at: Timestamp,
        spent: Option<Bill>,
    ) -> Result<(), StoreError>;

    /// Puts a claimed conversation back because the ground has shifted under its turn: the next one takes its messages
    /// together with those that came meanwhile, when the burst of these is over. What the turn spent is written down.
    async fn supersede(&self, lease: &Lease, spent: Option<Bill>) -> Result<(), StoreError>;

    /// Claims up to `limit` deliveries of these assistants that may go now: in order within a conversation, by priority
    /// between them.
    async fn claim_deliveries(
        &self,
        lane: Lane,
        assistants: &[String],
        limit: u32,
    ) -> Result<Batch<Delivery>, StoreError>;

    /// Asks for the last time whether a claimed delivery may leave, and records that it does.
    async fn clear(&self, delivery: DeliveryId) -> Result<Clearance, StoreError>;

    /// Records how an attempt to send ended.
    async fn attempted(&self, delivery: DeliveryId, attempted: Attempted)
    -> Result<(), StoreError>;

    /// Gives one conversation as it stands.
    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError>;

    /// Gives an assistant's conversation with the customer of this id, the newest where there are several.
    async fn conversation_with(
        &self,
        assistant: &str,
        external_id: &str,
    ) -> Result<Option<Conversation>, StoreError>;

    /// Tells what became of a customer's message; nothing where there is no such message.
    async fn fate(&self, message: MessageId) -> Result<Option<Fate>, StoreError>;

    /// Does what somebody at a desk does with a conversation, whole or not at all.
    async fn act(&self, act: DeskAct) -> Result<Acted, StoreError>;

    /// Tells what became of an act that came before with the same key, where one did.
    async fn acted(
        &self,
        conversation: ConversationId,
        once: Once,
    ) -> Result<Option<Acted>, StoreError>;

    /// Gives the conversation back to the assistant.
    async fn end_handoff(&self, end: HandoffEnd) -> Result<Ended, StoreError>;

    /// Gives up to `limit` conversations whose handoff has run out of time.
    async fn overdue_handoffs(&self, limit: u32) -> Result<Vec<Conversation>, StoreError>;

    /// Gives up to `limit` conversations that the assistant has and that came back to it from `since` on.
    async fn returned_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError>;

    /// Gives up to `limit` conversations whose handoff nobody has acknowledged in time.
    async fn unanswered_handoffs(&self, limit: u32) -> Result<Vec<Conversation>, StoreError>;

    /// Does what is to be done about a handoff that nobody has acknowledged in time, once; `false` where somebody has.
    async fn unanswered(&self, unanswered: Unanswered) -> Result<bool, StoreError>;

    /// Gives up to `limit` conversations of people that WhatsApp will take no free text for within `ahead`, and of which
    /// the desk was not told so.
    async fn closing_windows(
        &self,
        ahead: Duration,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError>;

    /// Tells the desk, where there is one, that a window closes, once; `false` where the customer has written since.
    async fn warn_of_window(
        &self,
        conversation: &Conversation,
        event: Option<NewDelivery>,
    ) -> Result<bool, StoreError>;

    /// Takes up what nodes that are gone had in hand: claims become due, sends become unknown. Gives how many.
    async fn recover(&self, policy: OnUnknown) -> Result<u64, StoreError>;

    /// Removes what has outlived its use and gives up what is too old to be sent, a bounded number of rows at a time. Gives
    /// how many.
    async fn purge(&self) -> Result<u64, StoreError>;

    /// Counts what stands in the store.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Gives the store's size and room. It waits for nothing.
    fn size(&self) -> StoreSize;

    /// Tells what stands in the store and how large it is, for the measures.
    async fn standing(&self) -> Result<Standing, StoreError>;

    /// Writes something small; it fails where nothing can be kept, or new messages are refused.
    async fn probe(&self) -> Result<(), StoreError>;
}
