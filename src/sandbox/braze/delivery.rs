//! What becomes of a message that was taken: it shows on the phone, or it does not, and no answer ever says so.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::people::People;
use super::{MessageKind, Recipient, Sent, Way};
use crate::clock::later;

/// How long after a customer's last message WhatsApp takes what is no template.
const WINDOW: Duration = Duration::from_hours(24);

/// A message that was taken for sending, at the end of its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// The number of the request that it came with.
    pub request: u64,
    /// The id that the answer gave for the request.
    pub dispatch_id: String,
    /// Which way it was sent.
    pub way: Way,
    /// The campaign or the Canvas.
    pub campaign_id: String,
    /// Whom it is for.
    pub recipient: Recipient,
    /// What the phone shows, or would have shown.
    pub text: String,
    /// The buttons and rows to choose from.
    pub choices: Vec<String>,
    /// Why the phone does not show it; `None` where it does.
    pub withheld: Option<Withheld>,
}

/// Why a message that was taken is not delivered. Braze tells it in its Message Activity Log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The campaign or the Canvas is paused.
    Paused,
    /// There is no such person.
    UnknownUser,
    /// The person does not get messages of the subscription group.
    Unsubscribed,
    /// The campaign lets each person have one message, and this one has had it.
    NotReEligible,
    /// The Canvas was triggered for the same person in the same second.
    SameSecond,
    /// It is no template, and the person's last message is more than 24 hours old.
    OutsideWindow,
    /// What came out of its template is blank.
    Blank,
    /// WhatsApp's limit for one number and one person.
    PairLimit,
}

impl Withheld {
    /// Gives the reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "the campaign is paused",
            Self::UnknownUser => "there is no such user",
            Self::Unsubscribed => "the user is unsubscribed",
            Self::NotReEligible => "the user is not re-eligible for the campaign",
            Self::SameSecond => "the Canvas was triggered for the user in the same second",
            Self::OutsideWindow => "the 24 h window is closed",
            Self::Blank => "the message is blank",
            Self::PairLimit => "too many messages to one user",
        }
    }
}

/// How the workspace is set up.
pub(super) struct Terms {
    /// Whether campaigns and Canvases take a person more than once.
    pub(super) re_eligible: bool,
    /// The subscription group of the campaigns; any, where none is named.
    pub(super) group: String,
    /// Campaigns and Canvases that are paused.
    pub(super) paused: Vec<String>,
    /// WhatsApp's limit for one number and one person: so many at once, then one after each step of time.
    pub(super) pair: Option<(u32, Duration)>,
    /// The message bodies of campaigns and Canvases, as Liquid.
    pub(super) bodies: BTreeMap<String, String>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            re_eligible: true,
            group: String::new(),
            paused: Vec::new(),
            pair: None,
            bodies: BTreeMap::new(),
        }
    }
}

impl Terms {
    /// Says why a message is not delivered, or notes that it is.
    pub(super) fn judge(&self, sent: &Sent, text: &str, people: &mut People) -> Option<Withheld> {
        if self.paused.contains(&sent.campaign_id) {
            return Some(Withheld::Paused);
        }
        if !people.exists(&sent.recipient) {
            return Some(Withheld::UnknownUser);
        }
        people.apply_sent(&sent.recipient, &sent.attributes);
        let group = match sent.group_id.as_str() {
            "" => &self.group,
            named => named,
        };
        let is_template = sent.way == Way::Message(MessageKind::Template);
        let profile = people.entry(&sent.recipient);
        if profile.is_unsubscribed(group) {
            return Some(Withheld::Unsubscribed);
        }
        if !matches!(sent.way, Way::Message(_)) {
            let id = sent.campaign_id.clone();
            let before = profile.received.insert(id, sent.at);
            if before.is_some() && !self.re_eligible {
                return Some(Withheld::NotReEligible);
            }
            let same_second = before.is_some_and(|at| at.as_second() == sent.at.as_second());
            if sent.way == Way::Canvas && same_second {
                return Some(Withheld::SameSecond);
            }
        }
        // Of whom the stand-in never heard, it cannot know.
        let closed = |wrote: Timestamp| later(wrote, WINDOW) < sent.at;
        if !is_template && profile.wrote_at.is_some_and(closed) {
            return Some(Withheld::OutsideWindow);
        }
        if text.trim().is_empty() {
            return Some(Withheld::Blank);
        }
        match self.pair {
            Some((burst, every)) if !profile.take_pair(sent.at, burst, every) => {
                Some(Withheld::PairLimit)
            }
            _ => None,
        }
    }
}
