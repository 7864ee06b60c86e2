//! What the API shows, as JSON with stable names.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::asked::cursor;
use crate::domain::{self, Lane};
use crate::store::{
    AuditEntry, ConversationView, DeliveryState, DeliveryView, HandoffView, MessageView, Page,
    QuarantineView,
};

/// A part of a list, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct List<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// The `cursor` of the next part; null at the end.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub(super) next: Option<String>,
}

impl<T> List<T> {
    /// Shows a page.
    pub(super) fn of<V>(page: Page<V>, show: impl Fn(V) -> T) -> Self {
        Self {
            next: cursor(page.next),
            items: page.items.into_iter().map(show).collect(),
        }
    }
}

/// Who answers a conversation: the assistant; nobody yet, since people were asked; people.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Owner {
    Assistant,
    Pending,
    Human,
}

impl From<domain::Owner> for Owner {
    fn from(owner: domain::Owner) -> Self {
        match owner {
            domain::Owner::Assistant => Self::Assistant,
            domain::Owner::Pending => Self::Pending,
            domain::Owner::Human => Self::Human,
        }
    }
}

impl From<Owner> for domain::Owner {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Assistant => Self::Assistant,
            Owner::Pending => Self::Pending,
            Owner::Human => Self::Human,
        }
    }
}

/// Who writes, by whatever is known.
#[derive(Serialize, ToSchema)]
pub(super) struct Customer {
    /// The id that the business gave.
    external_id: Option<String>,
    /// The id that Braze gave.
    braze_id: Option<String>,
    /// The number, as Braze wrote it.
    phone: Option<String>,
}

/// One customer with one assistant.
#[derive(Serialize, ToSchema)]
pub(super) struct Conversation {
    id: Uuid,
    assistant: String,
    customer: Customer,
    owner: Owner,
    /// Whether the customer has asked for no more messages.
    opted_out: bool,
    /// Customer messages without an outcome.
    waiting: u64,
    /// The language last spoken.
    language: Option<String>,
    /// The handoff under way.
    handoff_id: Option<Uuid>,
    /// When the customer is told that nobody has come, where people were asked and none has.
    #[schema(value_type = Option<String>, format = DateTime)]
    ack_due_at: Option<Timestamp>,
    /// When it goes back to the assistant by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    returns_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// Until when WhatsApp takes free text.
    #[schema(value_type = String, format = DateTime)]
    window_expires_at: Timestamp,
    /// The last time that the assistant was to say nothing for a while; it may be over.
    pause: Option<Pause>,
}

/// A while in which the assistant answers nothing but what a rule decides.
#[derive(Serialize, ToSchema)]
pub(super) struct Pause {
    #[schema(value_type = String, example = "loop")]
    /// `rate_limited` or `loop`.
    reason: &'static str,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

impl From<domain::Pause> for Pause {
    fn from(pause: domain::Pause) -> Self {
        Self {
            reason: pause.reason.as_str(),
            until: pause.until,
        }
    }
}

impl From<ConversationView> for Conversation {
    fn from(view: ConversationView) -> Self {
        let conversation = view.conversation;
        let customer = &conversation.customer;
        Self {
            id: conversation.id.0,
            customer: Customer {
                external_id: customer.external_id().map(|id| id.0.clone()),
                braze_id: customer.braze_id().map(|id| id.0.clone()),
                phone: customer.phone().map(|phone| phone.0.clone()),
            },
            assistant: conversation.assistant,
            owner: conversation.owner.into(),
            opted_out: conversation.opted_out,
            waiting: view.waiting,
            language: conversation.language.map(|language| language.to_string()),
            handoff_id: conversation.handoff.map(|id| id.0),
            ack_due_at: view.ack_due_at,
            returns_at: view.returns_at,
            opened_at: conversation.opened_at,
            window_expires_at: conversation.window_expires_at,
            pause: conversation.pause.map(Pause::from),
        }
    }
}

/// One thing said.
#[derive(Serialize, ToSchema)]
pub(super) struct Message {
    id: Uuid,
    /// Its place in the order of arrival, from 1.
    seq: i64,
    #[schema(value_type = String, example = "customer")]
    /// `customer`, `assistant`, `agent` or `system`.
    author: &'static str,
    text: String,
    /// Links to what was sent along.
    media: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What became of a customer's message; null while it waits, and for what others said.
    #[schema(value_type = Option<String>, example = "replied")]
    outcome: Option<&'static str>,
    /// The rule that decided.
    rule: Option<String>,
    /// What guards did about the answer, such as `link_removed`.
    guards: Vec<&'static str>,
    /// The version of the prompt folder that was in force.
    prompt_version: Option<String>,
}

impl From<MessageView> for Message {
    fn from(view: MessageView) -> Self {
        let message = view.message;
        Self {
            id: message.id.0,
            seq: message.seq,
            author: message.author.as_str(),
            text: message.text.0,
            media: message.media.into_iter().map(|link| link.0).collect(),
            at: message.at,
            outcome: view.outcome.map(domain::Outcome::as_str),
            rule: view.rule,
            guards: view
                .guards
                .into_iter()
                .map(domain::Guarded::as_str)
                .collect(),
            prompt_version: view.prompt_version,
        }
    }
}

/// One time that people were asked to take over, or took over.
#[derive(Serialize, ToSchema)]
pub(super) struct Handoff {
    id: Uuid,
    #[schema(example = "operator")]
    reason: String,
    rule: Option<String>,
    /// Why, in the words of who decided it.
    detail: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// When the customer was told that nobody had come in time.
    #[schema(value_type = Option<String>, format = DateTime)]
    unanswered_at: Option<Timestamp>,
    /// When somebody came.
    #[schema(value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Timestamp>,
    /// Who, by the desk's name for him.
    agent: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    end_reason: Option<String>,
}

impl From<HandoffView> for Handoff {
    fn from(view: HandoffView) -> Self {
        Self {
            id: view.id.0,
            reason: view.reason,
            rule: view.rule,
            detail: view.detail.map(|detail| detail.0),
            requested_at: view.requested_at,
            unanswered_at: view.unanswered_at,
            acknowledged_at: view.acknowledged_at,
            agent: view.agent.map(|agent| agent.0),
            ended_at: view.ended_at,
            end_reason: view.end_reason,
        }
    }
}

/// Where a delivery goes: to the customer, or to the desk.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LaneName {
    Braze,
    Desk,
}

impl From<Lane> for LaneName {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Braze => Self::Braze,
            Lane::Desk => Self::Desk,
        }
    }
}

impl From<LaneName> for Lane {
    fn from(lane: LaneName) -> Self {
        match lane {
            LaneName::Braze => Self::Braze,
            LaneName::Desk => Self::Desk,
        }
    }
}

/// Where a delivery stands. `held` and `dead` wait for an operator: nobody knows whether it arrived; it was given up.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ready,
    Sending,
    Sent,
    Dropped,
    Held,
    Dead,
}

impl From<DeliveryState> for State {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Ready => Self::Ready,
            DeliveryState::Sending => Self::Sending,
            DeliveryState::Sent => Self::Sent,
            DeliveryState::Dropped => Self::Dropped,
            DeliveryState::Held => Self::Held,
            DeliveryState::Dead => Self::Dead,
        }
    }
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Ready => Self::Ready,
            State::Sending => Self::Sending,
            State::Sent => Self::Sent,
            State::Dropped => Self::Dropped,
            State::Held => Self::Held,
            State::Dead => Self::Dead,
        }
    }
}

/// One thing to be sent.
#[derive(Serialize, ToSchema)]
pub(super) struct Delivery {
    id: Uuid,
    conversation_id: Uuid,
    assistant: String,
    lane: LaneName,
    /// `reply`, or the name of the desk's event.
    #[schema(example = "reply")]
    name: String,
    /// The words, or the event's JSON.
    body: String,
    state: State,
    /// Failed attempts that count against it.
    attempts: u32,
    /// Whether an earlier attempt may have arrived.
    possible_duplicate: bool,
    /// What went wrong last.
    error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it is tried next, at the earliest.
    #[schema(value_type = String, format = DateTime)]
    not_before: Timestamp,
    /// When it is no longer worth sending.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<DeliveryView> for Delivery {
    fn from(view: DeliveryView) -> Self {
        Self {
            id: view.id.0,
            conversation_id: view.conversation.0,
            assistant: view.assistant,
            lane: view.lane.into(),
            name: view.name,
            body: view.body.0,
            state: view.state.into(),
            attempts: view.attempts,
            possible_duplicate: view.possible_duplicate,
            error: view.error,
            created_at: view.created_at,
            not_before: view.not_before,
            expires_at: view.expires_at,
            ended_at: view.ended_at,
        }
    }
}

/// A body that could not be read.
#[derive(Serialize, ToSchema)]
pub(super) struct Quarantined {
    id: Uuid,
    assistant: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Why it could not be read.
    error: String,
    bytes: u64,
}

impl From<QuarantineView> for Quarantined {
    fn from(view: QuarantineView) -> Self {
        Self {
            id: view.id,
            assistant: view.assistant,
            at: view.at,
            error: view.error,
            bytes: view.bytes,
        }
    }
}

/// One act of an operator.
#[derive(Serialize, ToSchema)]
pub(super) struct Act {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who, by the name in the configuration.
    actor: String,
    role: String,
    #[schema(example = "conversation.takeover")]
    action: String,
    /// The conversation, delivery, body or erasure that it was about.
    subject: Uuid,
    /// What came of it.
    #[schema(value_type = Object)]
    detail: Value,
}

impl From<AuditEntry> for Act {
    fn from(entry: AuditEntry) -> Self {
        Self {
            at: entry.at,
            actor: entry.actor,
            role: entry.role,
            action: entry.action,
            subject: entry.subject,
            detail: entry.detail,
        }
    }
}
