//! What a turn decided, as one value.

use super::{Aftermath, Handoff, Language, NewDelivery, Outcome, Said};

/// Everything that a turn changes. The store applies it in one transaction or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// What became of the messages that the turn took.
    pub outcome: Outcome,
    /// The rule that decided, where one did.
    pub rule: Option<String>,
    /// The content hash of the prompt folder that was in force.
    pub prompt_version: Option<String>,
    /// What enters the history after the messages.
    pub said: Vec<Said>,
    /// What goes out, in this order.
    pub deliveries: Vec<NewDelivery>,
    /// What changes about who may speak.
    pub ownership: Ownership,
    /// The language to remember.
    pub language: Option<Language>,
    /// Whether it helped.
    pub aftermath: Aftermath,
}

/// A customer who is passed on to another assistant: with his messages, and with those that he will write to the one that
/// passes him on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// The name of the other assistant.
    pub to: String,
    /// What enters the history there, before the messages.
    pub note: Said,
}

/// What a turn changes about who may speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Nothing.
    Keep,
    /// People are asked to take over.
    HandOff(Handoff),
    /// The people who have the conversation are still needed: the time-out starts anew.
    Extend {
        /// When the conversation goes back to the assistant if nothing more is heard.
        returns_at: jiff::Timestamp,
    },
    /// The customer wants the assistant again.
    Return,
    /// The customer wants no more messages.
    OptOut,
    /// The customer wants messages again.
    OptIn,
    /// Another assistant has the customer from now on.
    Pass(Passing),
}
