//! The gateway between stand-ins, as `demo`, `test` and `chat` play on it: everything real but the neighbours.

mod plan;
mod quiet;
mod relay;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use uuid::Uuid;

use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{ConversationId, MessageId};
use crate::prompts::Prompts;
use crate::sandbox::phone::Texted;
use crate::sandbox::{Answered, Braze, Desk, Exchange, Model, Phone};
use crate::shutdown::Shutdown;
use crate::store::Fate;

pub(super) use plan::Plan;
pub(super) use relay::Relay;

/// How long the gateway may take to stop, in real time, before it is left to the end of the process.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How often the clock is moved meanwhile, for those that wait for it.
const NUDGE: Duration = Duration::from_millis(20);

/// What the clock is moved by then.
const NUDGED: Duration = Duration::from_secs(1);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    /// The stand-in model.
    StandIn,
    /// The stand-in model, with a relay before it that writes down what passes.
    Relayed,
    /// The models of the configuration, each behind a relay.
    Live,
}

/// The gateway and its surroundings.
pub(super) struct Stage {
    /// The gateway.
    pub(super) app: App,
    /// What it and its surroundings tell the time by.
    pub(super) clock: Clock,
    /// The stand-in model.
    pub(super) model: Model,
    /// The stand-in Braze.
    pub(super) braze: Braze,
    /// The stand-in desk.
    pub(super) desk: Desk,
    /// The relays before the models.
    pub(super) relays: Vec<Relay>,
    assistant: String,
    phone: Phone,
    desk_secret: String,
    outside: Shutdown,
    unanswered: Arc<AtomicUsize>,
    _folder: Folder,
}

impl Stage {
    /// Starts the gateway with this configuration, which is bent to the stand-ins; `prompts` are loaded already, or are
    /// loaded now and watched.
    pub(super) async fn set(
        mut config: Config,
        assistant: &str,
        prompts: Option<Vec<(String, Prompts)>>,
        clock: Clock,
        cast: Cast,
    ) -> anyhow::Result<Self> {
        let outside = Shutdown::new();
        let folder = Folder::make()?;
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, &outside).await?;
        let braze = Braze::start(anywhere, &outside).await?;
        let desk = Desk::start(anywhere, &outside).await?;
        model.use_clock(&clock);
        braze.use_clock(&clock);
        desk.use_clock(&clock);
        let secrets = plan::Secrets::make();
        braze.require_key(&secrets.braze);
        desk.check_signatures(&secrets.signing)?;
        plan::bend(
            &mut config,
            &plan::Outside {
                model: &model.url(),
                braze: &braze.url(),
                desk: &desk.url(),
                folder: &folder.0,
                secrets: &secrets,
                keeps_models: cast == Cast::Live,
            },
        )?;
        let relays = match cast {
            Cast::StandIn => Vec::new(),
            Cast::Relayed | Cast::Live => relay::before_all(&mut config, &outside).await?,
        };
        let app = match prompts {
            Some(prompts) => App::start_prompted(prompts, &config, clock.clone()).await,
            None => App::start(&config, clock.clone()).await,
        };
        let app = app.map_err(told)?;
        let url = format!("http://{}/v1/inbound/{assistant}", app.address());
        Ok(Self {
            phone: Phone::new(url, &secrets.inbound)?,
            app,
            clock,
            model,
            braze,
            desk,
            relays,
            assistant: assistant.to_owned(),
            desk_secret: secrets.desk,
            outside,
            unanswered: Arc::default(),
            _folder: folder,
        })
    }

    /// Gives the name of the assistant that is written to.
    pub(super) fn assistant(&self) -> &str {
        &self.assistant
    }

    /// A customer writes. Gives the message's name.
    pub(super) async fn says(
        &self,
        texted: &Texted<'_>,
        attributes: &serde_json::Map<String, Value>,
    ) -> anyhow::Result<MessageId> {
        // Two messages with the same words are two messages: each is a send of its own.
        let dispatch = Uuid::now_v7().simple().to_string();
        let texted = Texted {
            dispatch_id: &dispatch,
            ..texted.clone()
        };
        let answered = self.phone.posts(body(&texted, attributes)?).await?;
        let Answered { status, body } = &answered;
        let id = body["message_id"].as_str();
        let id = id.and_then(|id| Uuid::parse_str(id).ok());
        id.filter(|_| *status == 202)
            .map(MessageId)
            .ok_or_else(|| anyhow!("the gateway answered {status}: {body}"))
    }

    /// Gives what became of a message.
    pub(super) async fn fate(&self, message: MessageId) -> anyhow::Result<Fate> {
        let fate = self.app.store().fate(message).await?;
        fate.context("the message is not in the store")
    }

    /// An agent gives the conversation back.
    pub(super) async fn releases(&self, conversation: ConversationId) -> anyhow::Result<()> {
        let url = format!("http://{}", self.app.address());
        let id = conversation.to_string();
        let answered = self.desk.release(&url, &id, &self.desk_secret).await?;
        match answered.status {
            200 => Ok(()),
            status => Err(anyhow!("the gateway answered {status}: {}", answered.body)),
        }
    }

    /// Gives the requests to models so far, oldest first.
    pub(super) fn asked(&self) -> Vec<Exchange> {
        if self.relays.is_empty() {
            return self.model.requests();
        }
        let mut asked: Vec<_> = self.relays.iter().flat_map(Relay::requests).collect();
        asked.sort_by_key(|exchange| exchange.at);
        asked
    }

    /// Stops everything.
    pub(super) async fn end(self) -> bool {
        let clock = self.clock.clone();
        let stopping = self.app.stop();
        let real = Clock::system();
        let moving = async {
            loop {
                real.sleep(NUDGE).await;
                clock.advance(NUDGED);
            }
        };
        let stopped = real.timeout(STOP_WITHIN, async {
            tokio::select! {
                ended_well = stopping => ended_well,
                () = moving => false,
            }
        });
        let ended_well = stopped.await.unwrap_or_default();
        self.outside.stop();
        ended_well
    }
}

/// Gives what the customer's message looks like when Braze posts it: the guide's long body, and what else is known.
fn body(
    texted: &Texted<'_>,
    attributes: &serde_json::Map<String, Value>,
) -> anyhow::Result<String> {
    let mut body: serde_json::Map<String, Value> = serde_json::from_str(&texted.escaped())?;
    for (name, value) in attributes {
        body.insert(name.clone(), value.clone());
    }
    Ok(Value::Object(body).to_string())
}

/// Says all that keeps the gateway from starting.
fn told(error: StartError) -> anyhow::Error {
    match error {
        StartError::Prompts(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow!("the prompts have problems: {}", problems.join("; "))
        }
        error => anyhow::Error::new(error).context("the gateway does not start"),
    }
}

/// A folder that goes with its user.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// Makes one among the system's temporary files.
    pub(super) fn make() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("frontdesk-{}", Uuid::now_v7()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Gives a secret; two UUIDs hold 148 random bits.
pub(super) fn random() -> String {
    format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple())
}

/// Gives a key that signs events.
pub(super) fn signing_key() -> String {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode(&random()[..32]);
    format!("whsec_{key}")
}
