//! A stand-in for Braze: takes triggered sends as strictly as the real one, and keeps its rate limits.

mod check;
mod window;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::log::Log;
use super::{Answer, Exchange, Role, StandIn, excerpt, lock};
use crate::shutdown::Shutdown;
use check::Refused;
use window::{Standing, Window};

/// The largest body that most of Braze's endpoints take.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// A stand-in for Braze's REST API.
pub type Braze = StandIn<BrazeState>;

/// What a Braze stand-in knows.
pub struct BrazeState {
    key: Mutex<Option<String>>,
    campaigns: Mutex<BTreeSet<String>>,
    window: Mutex<Window>,
    sent: Log<Sent>,
}

/// One message to one customer that was taken for sending.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// When the request arrived, by the stand-in's clock.
    pub at: Timestamp,
    /// The number of the request that it came with; a batch shares it.
    pub request: u64,
    /// The id that the answer gave for the request.
    pub dispatch_id: String,
    /// The campaign.
    pub campaign_id: String,
    /// Whom it is for.
    pub recipient: Recipient,
    /// The trigger properties: those of the request, overlaid with the recipient's own.
    pub properties: Map<String, Value>,
    /// The profile attributes that came along; empty where none did.
    pub attributes: Map<String, Value>,
    /// The body of the request.
    pub raw: Bytes,
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// A profile by its external id.
    ExternalUserId(String),
    /// A profile by one of its aliases.
    UserAlias {
        /// The alias.
        name: String,
        /// What kind of alias it is.
        label: String,
    },
    /// The profiles with an e-mail address.
    Email(String),
}

impl Recipient {
    /// Gives the name of the field that it came in.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExternalUserId(_) => "external_user_id",
            Self::UserAlias { .. } => "user_alias",
            Self::Email(_) => "email",
        }
    }

    /// Gives the id, the alias or the address.
    pub fn value(&self) -> &str {
        match self {
            Self::ExternalUserId(value)
            | Self::UserAlias { name: value, .. }
            | Self::Email(value) => value,
        }
    }
}

impl Sent {
    /// Gives the text of a trigger property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_str()
    }

    /// Gives the first trigger property that is text; empty where none is.
    pub fn text(&self) -> &str {
        let mut texts = self
            .properties
            .iter()
            .filter(|(name, _)| !name.ends_with("_id"));
        texts
            .find_map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }
}

impl Braze {
    /// Starts a stand-in on `bind`; port 0 takes a free one.
    pub async fn start(bind: SocketAddr, shutdown: &Shutdown) -> io::Result<Self> {
        let role = Role {
            body_max: BODY_MAX,
            answer,
            refuse,
            keep: |state: &BrazeState, keep| state.sent.keep(keep),
            clear: |state: &BrazeState| state.sent.clear(),
            doors: Router::new,
        };
        let state = BrazeState {
            key: Mutex::default(),
            campaigns: Mutex::default(),
            window: Mutex::new(Window::default()),
            sent: Log::new(),
        };
        Self::open(bind, shutdown, role, state).await
    }

    /// Gives the base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Refuses requests without this key; without it, any key will do.
    pub fn require_key(&self, key: &str) {
        *lock(&self.0.state.key) = Some(key.to_owned());
    }

    /// Refuses campaigns other than these; without it, any id will do.
    pub fn know_campaigns<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        lock(&self.0.state.campaigns).extend(ids.into_iter().map(str::to_owned));
    }

    /// Takes so many requests in each window; windows stand on the clock, as Braze's hours do. Starts at 250,000 an hour.
    pub fn limit(&self, requests: u64, window: Duration) {
        *lock(&self.0.state.window) = Window::new(requests, window);
    }

    /// Gives what was taken for sending, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.0.state.sent.all()
    }

    /// Tells how many messages were taken for sending, recorded or not.
    pub fn sent_count(&self) -> u64 {
        self.0.state.sent.count()
    }

    /// Gives the recorded requests that were answered with an error.
    pub fn refused(&self) -> Vec<Exchange> {
        let mut requests = self.requests();
        requests.retain(|request| request.status.is_some_and(|status| status >= 400));
        requests
    }

    /// Waits until `count` messages have been taken for sending.
    pub async fn wait_for_sent(&self, count: u64) {
        self.0.state.sent.wait_for(count).await;
    }

    /// Waits until the recorded messages are as `enough` wants them; it must not call the stand-in.
    pub async fn wait_until_sent(&self, enough: impl FnMut(&VecDeque<Sent>) -> bool) {
        self.0.state.sent.wait_until(enough).await;
    }

    fn is_allowed(&self, exchange: &Exchange) -> bool {
        let key = lock(&self.0.state.key);
        match (exchange.bearer(), key.as_deref()) {
            (Some(given), Some(key)) => given == key,
            (Some(given), None) => !given.is_empty() && !given.contains(['"', '\'', ' ']),
            (None, _) => false,
        }
    }

    fn trigger(&self, exchange: &Exchange) -> Result<Vec<Sent>, Refused> {
        let content_type = exchange.header("content-type").unwrap_or_default();
        if content_type.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Refused(415, "Unsupported Media Type".to_owned()));
        }
        check::trigger(exchange, &lock(&self.0.state.campaigns))
    }
}

fn answer(braze: &Braze, exchange: &Exchange) -> Answer {
    let now = exchange.at;
    if exchange.method != Method::POST || exchange.path != "/campaigns/trigger/send" {
        return refuse(braze, 404);
    }
    if !braze.is_allowed(exchange) {
        return refuse(braze, 401);
    }
    let standing = lock(&braze.0.state.window).take(now);
    if !standing.is_open {
        return limited(refusal(&Refused::forced(429)), standing);
    }
    match braze.trigger(exchange) {
        Ok(sents) => limited(accept(braze, exchange, sents), standing),
        Err(refused) => limited(refusal(&refused), standing),
    }
}

fn accept(braze: &Braze, exchange: &Exchange, sents: Vec<Sent>) -> Answer {
    let body = json!({ "dispatch_id": dispatch_id(exchange), "message": "success" });
    let mut answer = Answer::json(201, &body);
    if braze.is_watched() {
        let lines = sents.iter().map(|sent| {
            let recipient = &sent.recipient;
            format!(
                "{} {}: \"{}\"",
                recipient.kind(),
                recipient.value(),
                excerpt(sent.text())
            )
        });
        answer.note = lines.collect::<Vec<_>>().join(", ");
    }
    // A batch weighs its body once.
    let mut bytes = exchange.raw.len();
    for sent in sents {
        braze.0.state.sent.push(std::mem::take(&mut bytes), || sent);
    }
    answer
}

/// Gives 32 hex digits that no other request has.
fn dispatch_id(exchange: &Exchange) -> String {
    format!("{:032x}", exchange.number)
}

fn refuse(braze: &Braze, status: u16) -> Answer {
    let standing = lock(&braze.0.state.window).look(braze.now());
    limited(refusal(&Refused::forced(status)), standing)
}

fn refusal(refused: &Refused) -> Answer {
    let mut answer = Answer::json(refused.0, &refused.body());
    answer.note.clone_from(&refused.1);
    answer
}

fn limited(mut answer: Answer, standing: Standing) -> Answer {
    let headers = [
        ("limit", standing.limit.to_string()),
        ("remaining", standing.remaining.to_string()),
        ("reset", standing.reset_s.to_string()),
    ];
    let headers = headers.map(|(name, value)| (format!("x-ratelimit-{name}"), value));
    answer.headers.extend(headers);
    answer
}

#[cfg(test)]
mod tests;
