//! What agents do at a help desk, and the webhooks by which it tells so.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::super::call::Answered;
use super::super::lock;
use super::help::{Help, HelpDesk, Thread, Writer};
use super::{Desk, chatwoot, zendesk};

/// Where a help desk's webhooks go, and what signs them.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    url: String,
    secret: String,
}

/// Why an agent could not do something.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// There is no such ticket, or this desk's agents cannot be heard.
    #[error("there is no such ticket, or this desk sends no webhooks about it")]
    NoTicket,
    /// Nobody listens.
    #[error("no webhook is set")]
    NoWebhook,
    /// Nobody answered.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// What an agent does, as `POST /_sandbox/agent` takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActJson {
    thread: u64,
    say: Option<String>,
    #[serde(default)]
    take: bool,
    #[serde(default)]
    resolve: bool,
}

impl Desk {
    /// Makes it another help desk, with nothing in it.
    pub fn become_one(&self, desk: HelpDesk) {
        let mut help = lock(&self.0.state.help);
        let key = help.key.take();
        *help = Help {
            desk,
            key,
            ..Help::default()
        };
    }

    /// Tells which help desk it is.
    pub fn help_desk(&self) -> HelpDesk {
        lock(&self.0.state.help).desk
    }

    /// Refuses requests without this key.
    pub fn require_key(&self, key: &str) {
        lock(&self.0.state.help).key = Some(key.to_owned());
    }

    /// Sends webhooks to this URL, signed with this secret.
    pub fn call_back(&self, url: &str, secret: &str) {
        let webhook = Webhook {
            url: url.to_owned(),
            secret: secret.to_owned(),
        };
        *lock(&self.0.state.webhook) = Some(webhook);
    }

    /// Gives the tickets, oldest first.
    pub fn threads(&self) -> Vec<Thread> {
        lock(&self.0.state.help).threads.values().cloned().collect()
    }

    /// An agent answers the customer. Gives the webhook and what the gateway answered to it.
    pub async fn agent_says(
        &self,
        thread: u64,
        text: &str,
    ) -> Result<(Value, Answered), AgentError> {
        let told = self.act(|help| {
            let written = help.write(thread, Writer::Agent, false, text, None);
            match help.desk {
                HelpDesk::Zendesk => zendesk::comment_added(help, thread, written),
                HelpDesk::Chatwoot => chatwoot::message_created(help, thread, written),
                _ => None,
            }
        });
        self.agent_told(told).await
    }

    /// An agent takes the ticket.
    pub async fn agent_takes(&self, thread: u64) -> Result<(Value, Answered), AgentError> {
        let told = self.act(|help| match help.desk {
            HelpDesk::Zendesk => zendesk::assign(help, thread),
            HelpDesk::Chatwoot => chatwoot::assign(help, thread),
            _ => None,
        });
        self.agent_told(told).await
    }

    /// An agent is done.
    pub async fn agent_resolves(&self, thread: u64) -> Result<(Value, Answered), AgentError> {
        let told = self.act(|help| match help.desk {
            HelpDesk::Zendesk => zendesk::set_status(help, thread, "solved"),
            HelpDesk::Chatwoot => chatwoot::set_status(help, thread, "resolved"),
            _ => None,
        });
        self.agent_told(told).await
    }

    /// Sends a webhook, once more or for the first time.
    pub async fn call(&self, webhook: &Value) -> Result<Answered, AgentError> {
        let to = lock(&self.0.state.webhook).clone();
        let to = to.ok_or(AgentError::NoWebhook)?;
        let desk = lock(&self.0.state.help).desk;
        let body = webhook.to_string();
        let mut request = self.0.state.client.post(&to.url);
        for (name, value) in signature(desk, &to.secret, self.now(), &body) {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "application/json");
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answered { status, body })
    }

    /// Sends what the gateway's own requests lead to. Nobody waits for it, as nobody does at a real desk.
    pub(super) fn tell_all(&self, told: Vec<Value>) {
        if told.is_empty() || lock(&self.0.state.webhook).is_none() {
            return;
        }
        let desk = self.clone();
        self.0.shutdown.spawn(async move {
            for webhook in told {
                drop(desk.call(&webhook).await);
            }
        });
    }

    fn act(&self, act: impl FnOnce(&mut Help) -> Option<Value>) -> Option<Value> {
        let now = self.now();
        let mut help = lock(&self.0.state.help);
        help.now = now;
        act(&mut help)
    }

    async fn agent_told(&self, told: Option<Value>) -> Result<(Value, Answered), AgentError> {
        let webhook = told.ok_or(AgentError::NoTicket)?;
        let answered = self.call(&webhook).await?;
        Ok((webhook, answered))
    }
}

/// Lets whoever tries a stand-in be the agent.
pub(super) async fn door(State(desk): State<Desk>, body: Bytes) -> (StatusCode, Json<Value>) {
    let act: ActJson = match serde_json::from_slice(&body) {
        Ok(act) => act,
        Err(error) => {
            let error = json!({ "error": error.to_string() });
            return (StatusCode::BAD_REQUEST, Json(error));
        }
    };
    let mut answers = Vec::new();
    if act.take {
        answers.push(desk.agent_takes(act.thread).await);
    }
    if let Some(words) = &act.say {
        answers.push(desk.agent_says(act.thread, words).await);
    }
    if act.resolve {
        answers.push(desk.agent_resolves(act.thread).await);
    }
    match answers.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(answers) => {
            let statuses: Vec<u16> = answers
                .iter()
                .map(|(_, answered)| answered.status)
                .collect();
            (StatusCode::OK, Json(json!({ "answered": statuses })))
        }
        Err(error) => {
            let error = json!({ "error": error.to_string() });
            (StatusCode::CONFLICT, Json(error))
        }
    }
}

/// Gives the headers by which a help desk signs its webhooks.
fn signature(
    desk: HelpDesk,
    secret: &str,
    now: Timestamp,
    body: &str,
) -> Vec<(&'static str, String)> {
    let mac = |signed: &str| {
        Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map(|mac| mac.chain_update(signed).finalize().into_bytes().to_vec())
            .unwrap_or_default()
    };
    match desk {
        HelpDesk::Zendesk => {
            let at = now.to_string();
            let signature = STANDARD.encode(mac(&format!("{at}{body}")));
            vec![
                ("x-zendesk-webhook-signature", signature),
                ("x-zendesk-webhook-signature-timestamp", at),
                ("x-zendesk-webhook-id", "01STANDIN".to_owned()),
            ]
        }
        HelpDesk::Chatwoot => {
            let at = now.as_second().to_string();
            let digest = mac(&format!("{at}.{body}"));
            let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
            let hex = digest.iter().fold(String::new(), hex);
            vec![
                ("x-chatwoot-signature", format!("sha256={hex}")),
                ("x-chatwoot-timestamp", at),
                ("x-chatwoot-delivery", uuid::Uuid::now_v7().to_string()),
            ]
        }
        _ => Vec::new(),
    }
}
