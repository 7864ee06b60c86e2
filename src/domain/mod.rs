//! The terms: conversations and their states, messages, deliveries, outcomes. Pure: no IO, no clock, no serialisation.

mod act;
mod conversation;
mod course;
mod customer;
mod delivery;
mod hours;
mod ids;
mod inbound;
mod language;
mod message;
mod outcome;
mod settlement;
mod spending;

pub use act::Act;
pub use conversation::{Conversation, EndReason, Handoff, HandoffReason, Owner, Summary};
pub use course::{Aftermath, Course, Help, Offer};
pub use customer::{Customer, NoIdentity, Recipient};
pub use delivery::{
    Attempted, Clearance, Delivery, Lane, NewDelivery, OnUnknown, Payload, Priority,
};
pub use hours::{Holiday, Hours, NoHoliday, NoRange, Range};
pub use ids::{ConversationId, DeliveryId, HandoffId, MessageId, NodeId, new_id};
pub use inbound::{Dedupe, Inbound, Profile};
pub use language::Language;
pub use message::{Author, Message, Said};
pub use outcome::{Failure, Outcome, Suppression};
pub use settlement::{Ownership, Passing, Settlement};
pub use spending::{Bill, Day, Money, Spending, SpentToday};
