//! What operators ask of the store, and what it answers.

mod views;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Accepted, Ended, HandoffEnd, NewMessage, StoreError};
use crate::domain::{ConversationId, DeliveryId, HandoffId, NewDelivery};
use crate::redact::Private;

pub use views::{
    AuditEntry, AuditFilter, ConversationFilter, ConversationView, DeliveryFilter, DeliveryState,
    DeliveryView, HandoffView, MessageView, QuarantineView, QuarantinedBody, SpendingView,
    Transcript,
};

/// Who acts: written down with the act, in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// His name in the configuration.
    pub name: String,
    /// What he may do.
    pub role: &'static str,
}

/// Which part of a list is wanted, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where the part before ended; the newest come first where nothing is said.
    pub before: Option<i64>,
    /// How many items at most.
    pub limit: u32,
}

/// A part of a list, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What [`Part::before`] must be for the next part, where there may be one.
    pub next: Option<i64>,
}

/// What an operator decides about a delivery that was given up or is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send it again, within this time.
    Retry {
        /// How long a reply is worth sending.
        reply: Duration,
        /// How long an event is.
        event: Duration,
    },
    /// It arrived, as somebody has found out.
    Sent,
    /// It is not to be sent any more.
    Drop,
}

/// What became of a decision about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is so, or was so already.
    Done,
    /// There is no such delivery.
    Unknown,
    /// In this state there is nothing to decide.
    NotIn(DeliveryState),
    /// WhatsApp takes no free text for this customer any more.
    WindowOver,
}

/// What became of a takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The handoff under way.
    pub handoff: HandoffId,
    /// When the conversation goes back to the assistant if nothing more is heard.
    pub returns_at: Timestamp,
    /// Replies of the assistant that had left when this was on disk, and are not answered yet. No other can follow.
    pub on_their_way: u64,
}

/// By what a customer who is to be erased is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The id that the business gave.
    ExternalId(Private<String>),
    /// The id that Braze gave.
    BrazeId(Private<String>),
    /// The number, by its digits.
    Phone(Private<String>),
}

/// The proof that a customer was erased. Nothing in it leads back to him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its name.
    pub id: Uuid,
    /// When it was done.
    pub at: Timestamp,
    /// Rows that were removed, by table.
    pub removed: Removed,
}

/// Rows that an erasure removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Conversations.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Handoffs.
    pub handoffs: u64,
    /// Days' sums of what the conversations took; what the assistant took stays, and names nobody.
    pub spending: u64,
    /// Bodies that could not be read and named the customer.
    pub quarantined: u64,
    /// Among the deliveries, those on their way at that moment: these may have arrived afterwards.
    pub on_their_way: u64,
}

/// What operators look at and decide. An act and its line in the audit log are one transaction.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Lists conversations, those begun last first.
    async fn conversations(
        &self,
        filter: ConversationFilter,
        part: Part,
    ) -> Result<Page<ConversationView>, StoreError>;

    /// Gives one conversation with a part of what was said in it.
    async fn transcript(
        &self,
        id: ConversationId,
        part: Part,
    ) -> Result<Option<Transcript>, StoreError>;

    /// Gives the conversation to people for `idle`, whoever had it. Where a desk was asked to take it, it is told so. Nothing
    /// where there is no such conversation.
    async fn take_over(
        &self,
        id: ConversationId,
        idle: Duration,
        event: Option<NewDelivery>,
        actor: Actor,
    ) -> Result<Option<TakenOver>, StoreError>;

    /// Gives the conversation back to the assistant.
    async fn release(&self, end: HandoffEnd, actor: Actor) -> Result<Ended, StoreError>;

    /// Writes down whether the customer wants no more messages, and what Braze is told of it. `false` where there is no such conversation.
    async fn consent(
        &self,
        id: ConversationId,
        opted_out: bool,
        told: Option<NewDelivery>,
        actor: Actor,
    ) -> Result<bool, StoreError>;

    /// Lists deliveries, the newest first.
    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        part: Part,
    ) -> Result<Page<DeliveryView>, StoreError>;

    /// Gives one delivery as it stands.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError>;

    /// Does with a delivery that was given up or is held what an operator decided. Doing it twice is as doing it once.
    async fn decide(
        &self,
        id: DeliveryId,
        decision: Decision,
        actor: Actor,
    ) -> Result<Decided, StoreError>;

    /// Lists bodies that could not be read, the newest first.
    async fn quarantined(&self, part: Part) -> Result<Page<QuarantineView>, StoreError>;

    /// Gives one body that could not be read, with what it holds.
    async fn quarantined_body(&self, id: Uuid) -> Result<Option<QuarantinedBody>, StoreError>;

    /// Keeps the message that a body turned out to hold, instead of the body. Nothing where there is no such body.
    async fn replay(
        &self,
        id: Uuid,
        message: NewMessage,
        actor: Actor,
    ) -> Result<Option<Accepted>, StoreError>;

    /// Removes a body that could not be read. `false` where there is no such body.
    async fn discard(&self, id: Uuid, actor: Actor) -> Result<bool, StoreError>;

    /// Removes all that is known of a customer. Gives the conversations that are gone too: who remembers them has to
    /// forget. Traces may stay in the files until [`Operations::scrub`].
    async fn erase(
        &self,
        subject: Subject,
        actor: Actor,
    ) -> Result<(Receipt, Vec<ConversationId>), StoreError>;

    /// Leaves nothing in the files that no row holds any more. Writes wait meanwhile.
    async fn scrub(&self) -> Result<(), StoreError>;

    /// Gives the receipt of an erasure.
    async fn receipt(&self, id: Uuid) -> Result<Option<Receipt>, StoreError>;

    /// Lists what the turns of this assistant, or of all, took on the days that are kept, the newest first.
    async fn spending(&self, assistant: Option<String>) -> Result<Vec<SpendingView>, StoreError>;

    /// Lists what operators did, the newest first.
    async fn audit(&self, filter: AuditFilter, part: Part) -> Result<Page<AuditEntry>, StoreError>;
}
