//! An event as it stands in the store, read once for all formats that are not our own.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::earlier;

/// How far a help desk's clock may be behind ours where its times are compared with ours.
const SKEW: Duration = Duration::from_secs(5);

/// An event for a desk.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The event's id, the same over all attempts.
    pub(crate) id: String,
    /// The body, as our own format has it.
    pub(crate) body: Value,
    /// Whether an earlier attempt may have done a part of it.
    pub(crate) again: bool,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// People are asked in.
    Requested,
    /// The customer writes on.
    Message,
    /// The assistant answers again.
    Ended,
    /// Something that agents may want to know.
    Note,
}

impl Told {
    /// Reads a body. What is no JSON was not written by us, and tells nothing.
    pub(crate) fn read(id: String, body: &str, again: bool) -> Self {
        let body = serde_json::from_str(body).unwrap_or_default();
        Self { id, body, again }
    }

    /// Tells what it is about.
    pub(crate) fn kind(&self) -> Kind {
        match self.text("/event").unwrap_or_default() {
            "handoff.requested" => Kind::Requested,
            "handoff.message" => Kind::Message,
            "handoff.ended" => Kind::Ended,
            _ => Kind::Note,
        }
    }

    /// Gives a text of the body, where there is one.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        let text = self.body.pointer(pointer)?.as_str()?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// Gives the name of the handoff; that of the conversation where it has none.
    pub(crate) fn handoff(&self) -> &str {
        self.text("/handoff_id")
            .or_else(|| self.text("/conversation/id"))
            .unwrap_or_default()
    }

    /// Gives what the customer is called.
    pub(crate) fn name(&self) -> &str {
        self.text("/user/name")
            .or_else(|| self.identifier())
            .unwrap_or("WhatsApp customer")
    }

    /// Gives what tells the customer from all others.
    pub(crate) fn identifier(&self) -> Option<&str> {
        let pointers = ["/user/external_id", "/user/braze_id", "/user/phone"];
        pointers.iter().find_map(|pointer| self.text(pointer))
    }

    /// Gives the number as E.164 has it, where it is one.
    pub(crate) fn phone(&self) -> Option<String> {
        let is_filler = |c: char| " -().".contains(c);
        let phone: String = self.text("/user/phone")?.replace(is_filler, "");
        let digits = phone.trim_start_matches('+');
        let is_number = (8..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0');
        is_number.then(|| format!("+{digits}"))
    }

    /// Tells whether something at the desk that is of this time can have been made for this event.
    pub(crate) fn can_have_made(&self, at: Option<Timestamp>) -> bool {
        let occurred: Option<Timestamp> =
            self.text("/occurred_at").and_then(|time| time.parse().ok());
        match (occurred, at) {
            (Some(occurred), Some(at)) => at >= earlier(occurred, SKEW),
            _ => true,
        }
    }
}
