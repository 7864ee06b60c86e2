//! A stand-in for a helpdesk: takes signed handoff events, and gives conversations back. It can also be one of the
//! help desks that speak for themselves, with agents who answer.

mod agent;
mod chatwoot;
mod freshdesk;
mod help;
mod slack;
mod zendesk;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::http::{HeaderMap, Method};
use axum::routing;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::call::{Answered, client, post};
use super::log::Log;
use super::{Answer, Exchange, Role, StandIn, lock};
use crate::shutdown::Shutdown;
use agent::Webhook;
use help::Help;

pub use agent::AgentError;
pub use help::{HelpDesk, Thread, Writer, Written};

/// The largest event: a long transcript with room to spare.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// How far the sender's clock may be off, in seconds: what Standard Webhooks advises.
const TOLERANCE_S: i64 = 300;

/// Webhook ids remembered; the oldest go first. More than the log of events holds.
const SEEN_MAX: usize = 200_000;

/// A stand-in for a helpdesk.
pub type Desk = StandIn<DeskState>;

/// What a desk stand-in knows.
pub struct DeskState {
    secret: Mutex<Option<Vec<u8>>>,
    seen: Mutex<Seen>,
    events: Log<Event>,
    help: Mutex<Help>,
    webhook: Mutex<Option<Webhook>>,
    client: reqwest::Client,
}

#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

/// One event that the desk took.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it arrived, by the stand-in's clock.
    pub at: Timestamp,
    /// The webhook's id, the same for each try.
    pub id: String,
    /// What happened: the body's `event`.
    pub name: String,
    /// The body.
    pub body: Value,
    /// The headers.
    pub headers: HeaderMap,
    /// Whether the desk had it already.
    pub is_duplicate: bool,
}

impl Event {
    /// Gives the id of the conversation that it is about.
    pub fn conversation_id(&self) -> &str {
        self.body["conversation"]["id"].as_str().unwrap_or_default()
    }
}

/// Says that a secret is not of the form `whsec_` and base64.
#[derive(Debug, thiserror::Error)]
#[error("a webhook secret is `whsec_` and base64")]
pub struct BadSecret;

impl Desk {
    /// Starts a stand-in on `bind`; port 0 takes a free one.
    pub async fn start(bind: SocketAddr, shutdown: &Shutdown) -> io::Result<Self> {
        let role = Role {
            body_max: BODY_MAX,
            answer,
            refuse: |desk: &Self, status| match lock(&desk.0.state.help).desk {
                HelpDesk::Standard => refusal(status, "this stand-in was told to refuse"),
                help_desk => help::refusal(help_desk, status),
            },
            keep: |state: &DeskState, keep| state.events.keep(keep),
            doors: || Router::new().route("/_sandbox/agent", routing::post(agent::door)),
            clear: |state: &DeskState| {
                state.events.clear();
                *lock(&state.seen) = Seen::default();
            },
        };
        let state = DeskState {
            secret: Mutex::default(),
            seen: Mutex::default(),
            events: Log::new(),
            help: Mutex::default(),
            webhook: Mutex::default(),
            client: client().map_err(io::Error::other)?,
        };
        Self::open(bind, shutdown, role, state).await
    }

    /// Gives the URL that events are posted to; that of the help desk where it is one.
    pub fn url(&self) -> String {
        let path = match lock(&self.0.state.help).desk {
            HelpDesk::Standard => "/handoff",
            HelpDesk::Slack => slack::PATH,
            HelpDesk::Zendesk | HelpDesk::Freshdesk | HelpDesk::Chatwoot => "",
        };
        format!("http://{}{path}", self.address())
    }

    /// Gives what a configuration says of this stand-in: the keys that its format needs beside `url` and `api_key`.
    pub fn keys(desk: HelpDesk) -> String {
        match desk {
            HelpDesk::Standard => String::new(),
            HelpDesk::Slack => "format = \"slack\"".to_owned(),
            HelpDesk::Freshdesk => "format = \"freshdesk\"".to_owned(),
            HelpDesk::Zendesk => format!("format = \"zendesk\"\nemail = \"{}\"", zendesk::EMAIL),
            HelpDesk::Chatwoot => format!(
                "format = \"chatwoot\"\naccount_id = {}\ninbox_id = {}",
                chatwoot::ACCOUNT,
                chatwoot::INBOX
            ),
        }
    }

    /// Checks signatures with this secret, `whsec_…`; without it, only that there is one.
    pub fn check_signatures(&self, secret: &str) -> Result<(), BadSecret> {
        let key = secret.strip_prefix("whsec_").ok_or(BadSecret)?;
        let key = STANDARD.decode(key).map_err(|_| BadSecret)?;
        *lock(&self.0.state.secret) = Some(key);
        Ok(())
    }

    /// Gives the events that were taken, oldest first, with the duplicates.
    pub fn received(&self) -> Vec<Event> {
        self.0.state.events.all()
    }

    /// Waits until `count` events have been taken, with the duplicates.
    pub async fn wait_for_events(&self, count: u64) {
        self.0.state.events.wait_for(count).await;
    }

    /// Waits until the recorded events are as `enough` wants them; it must not call the stand-in.
    pub async fn wait_until_events(&self, enough: impl FnMut(&VecDeque<Event>) -> bool) {
        self.0.state.events.wait_until(enough).await;
    }

    /// Gives a conversation back to its assistant, as an agent does who is done.
    pub async fn release(
        &self,
        gateway_url: &str,
        conversation_id: &str,
        secret: &str,
    ) -> Result<Answered, reqwest::Error> {
        let url = format!("{gateway_url}/v1/conversations/{conversation_id}/release");
        post(&self.0.state.client, &url, secret, "{}").await
    }
}

impl Seen {
    /// Adds an id; tells whether it is new.
    fn add(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

fn answer(desk: &Desk, exchange: &Exchange) -> Answer {
    let mut help = lock(&desk.0.state.help);
    if help.desk != HelpDesk::Standard {
        let answer = help.answer(exchange);
        let told = std::mem::take(&mut help.told);
        drop(help);
        desk.tell_all(told);
        return answer;
    }
    drop(help);
    if exchange.path != "/handoff" && !exchange.path.starts_with("/handoff/") {
        return refusal(404, "events are posted to /handoff");
    }
    if exchange.method != Method::POST {
        return refusal(405, "events are posted");
    }
    let key = lock(&desk.0.state.secret).clone();
    let id = match verify(exchange, key.as_deref()) {
        Ok(id) => id.to_owned(),
        Err(reason) => return refusal(401, reason),
    };
    let body = exchange.json();
    if let Err(reason) = check(&body) {
        return refusal(400, &reason);
    }
    let event = Event {
        at: exchange.at,
        is_duplicate: !lock(&desk.0.state.seen).add(&id),
        id,
        name: body["event"].as_str().unwrap_or_default().to_owned(),
        body,
        headers: exchange.headers.clone(),
    };
    let mut answer = Answer::json(200, &json!({}));
    if desk.is_watched() {
        let again = if event.is_duplicate { " (again)" } else { "" };
        answer.note = format!("{} {}{again}", event.name, event.conversation_id());
    }
    desk.0.state.events.push(exchange.raw.len(), || event);
    answer
}

/// Checks the headers of Standard Webhooks, and the signature where the key is known. Gives the webhook's id.
fn verify<'a>(exchange: &'a Exchange, key: Option<&[u8]>) -> Result<&'a str, &'static str> {
    let header = |name| exchange.header(name).filter(|value| !value.is_empty());
    let id = header("webhook-id").ok_or("`webhook-id` is missing")?;
    let timestamp = header("webhook-timestamp").ok_or("`webhook-timestamp` is missing")?;
    let signatures = header("webhook-signature").ok_or("`webhook-signature` is missing")?;
    let seconds: i64 = timestamp
        .parse()
        .map_err(|_| "`webhook-timestamp` is not in seconds")?;
    let mut versioned = signatures
        .split(' ')
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .peekable();
    versioned
        .peek()
        .ok_or("`webhook-signature` has no signature of version v1")?;
    let Some(key) = key else {
        return Ok(id);
    };
    if (exchange.at.as_second() - seconds).abs() > TOLERANCE_S {
        return Err("`webhook-timestamp` is too far from now");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| "the secret is no key")?;
    for part in [
        id.as_bytes(),
        b".",
        timestamp.as_bytes(),
        b".",
        &exchange.raw,
    ] {
        mac.update(part);
    }
    let fits = |signature: &str| {
        STANDARD
            .decode(signature)
            .is_ok_and(|bytes| mac.clone().verify_slice(&bytes).is_ok())
    };
    if versioned.any(fits) {
        Ok(id)
    } else {
        Err("`webhook-signature` does not fit")
    }
}

/// Checks what every event has to tell, and what a person needs who is asked to take over.
fn check(body: &Value) -> Result<(), String> {
    let has_text = |pointer: &str| {
        body.pointer(pointer)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    if !body.is_object() {
        return Err("the body must be a JSON object".to_owned());
    }
    let mut asked = vec!["/event", "/id", "/conversation/id"];
    if body["event"] == "handoff.requested" {
        asked.extend(["/occurred_at", "/reason/code"]);
    }
    match asked.iter().find(|pointer| !has_text(pointer)) {
        Some(pointer) => Err(format!(
            "`{}` must be a text",
            pointer[1..].replace('/', ".")
        )),
        None => Ok(()),
    }
}

fn refusal(status: u16, reason: &str) -> Answer {
    let mut answer = Answer::json(status, &json!({ "error": reason }));
    reason.clone_into(&mut answer.note);
    answer
}

#[cfg(test)]
mod tests;
