//! What arrives.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Customer, Language};
use crate::redact::Private;

/// What Braze knows of a customer, by field name. Untrusted: part of it the customer wrote himself.
pub type Profile = Private<Map<String, Value>>;

/// One message as it came in, before anything is decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// Who wrote it.
    pub customer: Customer,
    /// The words, exactly as written; empty where only media was sent.
    pub text: Private<String>,
    /// Links to what was sent along.
    pub media: Vec<Private<String>>,
    /// The language of the customer's Braze profile.
    pub language: Option<Language>,
    /// All other fields of the body.
    pub profile: Profile,
    /// By what a second copy of the same message is known.
    pub dedupe: Dedupe,
}

/// By what, and for how long, a second copy of a message is known as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// A digest of what makes the message this one and no other.
    pub key: [u8; 32],
    /// How long after the first copy another one counts as the same.
    pub window: Duration,
}
