//! The help desks that a desk stand-in can be: what they keep, and what they have in common.

use std::collections::BTreeMap;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::Exchange;
use super::super::serve::Answer;
use super::{chatwoot, freshdesk, slack, zendesk};

/// Tickets kept; the oldest go first. More than the longest test opens.
const THREADS_MAX: usize = 100_000;

/// The first number that the stand-in gives: ids of real help desks are no small ones either.
const FIRST_ID: u64 = 10_001;

/// Which desk a stand-in is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HelpDesk {
    /// One that takes our own signed JSON.
    #[default]
    Standard,
    /// Slack's incoming webhooks.
    Slack,
    /// Zendesk.
    Zendesk,
    /// Freshdesk.
    Freshdesk,
    /// Chatwoot.
    Chatwoot,
}

impl HelpDesk {
    /// Every one, with the name by which a command asks for it.
    pub const ALL: [(&'static str, Self); 5] = [
        ("standard", Self::Standard),
        ("slack", Self::Slack),
        ("zendesk", Self::Zendesk),
        ("freshdesk", Self::Freshdesk),
        ("chatwoot", Self::Chatwoot),
    ];
}

/// Who wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The customer, by the gateway.
    Customer,
    /// The gateway itself.
    Gateway,
    /// An agent.
    Agent,
}

/// Something written in a ticket.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its number.
    pub id: u64,
    /// Who wrote it.
    pub writer: Writer,
    /// Whether agents alone see it.
    pub is_private: bool,
    /// The words.
    pub text: String,
    /// When.
    pub at: Timestamp,
    /// The name that its sender gave it.
    pub source: Option<String>,
}

/// A ticket or conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    /// Its number.
    pub id: u64,
    /// The customer's number.
    pub contact: u64,
    /// How it stands, in the desk's own word.
    pub status: String,
    /// The agent who has it.
    pub assignee: Option<u64>,
    /// What was written, oldest first.
    pub written: Vec<Written>,
    /// What it was opened with.
    pub fields: Value,
}

/// What a help desk keeps.
#[derive(Debug, Default)]
pub(super) struct Help {
    pub(super) desk: HelpDesk,
    pub(super) key: Option<String>,
    pub(super) now: Timestamp,
    pub(super) contacts: BTreeMap<u64, Value>,
    pub(super) threads: BTreeMap<u64, Thread>,
    /// The bodies and answers that idempotency keys stand for, and until when.
    pub(super) answered: BTreeMap<String, (Timestamp, Vec<u8>, Value)>,
    /// What is to be told to who listens.
    pub(super) told: Vec<Value>,
    pub(super) ids: u64,
}

impl Help {
    /// Answers a request.
    pub(super) fn answer(&mut self, exchange: &Exchange) -> Answer {
        self.now = exchange.at;
        match self.desk {
            HelpDesk::Slack => slack::answer(exchange),
            HelpDesk::Zendesk => zendesk::answer(self, exchange),
            HelpDesk::Freshdesk => freshdesk::answer(self, exchange),
            HelpDesk::Chatwoot => chatwoot::answer(self, exchange),
            HelpDesk::Standard => Answer::json(404, &json!({})),
        }
    }

    /// Gives a number that nothing else has.
    pub(super) fn new_id(&mut self) -> u64 {
        self.ids += 1;
        FIRST_ID + self.ids
    }

    /// Tells whether a request shows the key in this header, where there has to be one.
    pub(super) fn knows(
        &self,
        exchange: &Exchange,
        name: &str,
        expected: impl Fn(&str) -> String,
    ) -> bool {
        let shown = exchange.header(name);
        self.key
            .as_deref()
            .map_or(shown.is_some(), |key| shown == Some(expected(key).as_str()))
    }

    /// Opens a ticket.
    pub(super) fn open(&mut self, contact: u64, status: &str, fields: Value) -> u64 {
        let id = self.new_id();
        let thread = Thread {
            id,
            contact,
            status: status.to_owned(),
            assignee: None,
            written: Vec::new(),
            fields,
        };
        self.threads.insert(id, thread);
        if self.threads.len() > THREADS_MAX {
            self.threads.pop_first();
        }
        id
    }

    /// Writes something in a ticket. Gives its number.
    pub(super) fn write(
        &mut self,
        thread: u64,
        writer: Writer,
        is_private: bool,
        text: &str,
        source: Option<&str>,
    ) -> u64 {
        let (id, at) = (self.new_id(), self.now);
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.written.push(Written {
                id,
                writer,
                is_private,
                text: text.to_owned(),
                at,
                source: source.map(str::to_owned),
            });
        }
        id
    }

    /// Finds a customer by something that is known of him.
    pub(super) fn contact(&self, key: &str, value: &Value) -> Option<u64> {
        let mut contacts = self.contacts.iter();
        let found = contacts.find(|(_, contact)| !value.is_null() && contact[key] == *value);
        found.map(|(id, _)| *id)
    }
}

/// Gives the answer that a help desk gives with a status that it was told to give.
pub(super) fn refusal(desk: HelpDesk, status: u16) -> Answer {
    let body = match (desk, status) {
        (HelpDesk::Slack, 429) => return wait(Answer::raw(429, "rate_limited")),
        (HelpDesk::Slack, 410) => return Answer::raw(410, "channel_is_archived"),
        (HelpDesk::Slack, _) => return Answer::raw(status, "rollup_error"),
        (HelpDesk::Zendesk, 429) => json!({
            "error": "APIRateLimitExceeded",
            "description": "Number of allowed API requests per minute exceeded",
        }),
        (HelpDesk::Freshdesk, 429) => {
            json!({ "message": "You have exceeded the limit of requests per hour" })
        }
        _ => json!({ "error": "this stand-in was told to refuse" }),
    };
    let answer = Answer::json(status, &body);
    match status {
        429 => wait(answer),
        _ => answer,
    }
}

/// Adds what every help desk says with a 429.
fn wait(mut answer: Answer) -> Answer {
    answer
        .headers
        .push(("retry-after".to_owned(), "7".to_owned()));
    answer
}

/// Gives a path's parts after `prefix`, where it begins so; `.json` at its end means nothing.
pub(super) fn parts<'a>(
    exchange: &'a Exchange,
    prefix: &str,
) -> Option<(&'a Method, Vec<&'a str>)> {
    let rest = exchange.path.strip_prefix(prefix)?;
    let rest = rest.strip_suffix(".json").unwrap_or(rest);
    let parts = rest.split('/').filter(|part| !part.is_empty());
    Some((&exchange.method, parts.collect()))
}

/// Gives a parameter of the query as it was before it was encoded.
pub(super) fn asked(exchange: &Exchange, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://desk/?{}", exchange.query)).ok()?;
    let mut pairs = url.query_pairs();
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// Gives a text that is there and not blank.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str().filter(|text| !text.trim().is_empty())
}
