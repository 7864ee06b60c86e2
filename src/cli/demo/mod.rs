//! `frontdesk demo`: the whole gateway on this machine, between stand-ins for the model, Braze and the desk.

mod scenes;
mod screen;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use uuid::Uuid;

use super::Exit;
use super::stage::{Folder, random};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Environment, Source};
use crate::domain::{MessageId, Outcome};
use crate::sandbox::desk::Thread;
use crate::sandbox::{Braze, Desk, HelpDesk, Model, Phone, Plan};
use crate::shutdown::Shutdown;
use crate::store::Fate;
use screen::Screen;

/// How long the stand-in model thinks, so that the order of things can be followed.
const MODEL_THINKS: Duration = Duration::from_millis(400);

/// How long a scene waits for what should happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a scene looks whether it has.
const LOOK: Duration = Duration::from_millis(20);

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"

[operator]
listen = "127.0.0.1:0"

[workspaces.demo]
endpoint = "http://127.0.0.1:1"
api_key = "env::DEMO_BRAZE_KEY"

[models.demo]
base_url = "http://127.0.0.1:1"
model = "stand-in"

[desks.demo]
url = "http://127.0.0.1:1"
api_key = "env::DEMO_DESK_KEY"
webhook_secret = "env::DEMO_WEBHOOK_SECRET"
{desk}

[assistants.support]
secrets = ["env::DEMO_INBOUND_SECRET"]
campaign_id = "demo-campaign"
desk = "demo"
business = { name = "Casa Tulipán", hours = "Monday to Saturday, 9:00 to 18:00" }
"#;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Ends by itself; the exit code tells whether everything happened that should.
    #[arg(long)]
    once: bool,
}

/// The gateway and its surroundings.
struct Stage {
    app: App,
    phone: Phone,
    model: Model,
    braze: Braze,
    desk: Desk,
    secrets: Secrets,
    clock: Clock,
    screen: Screen,
}

/// Secrets made for this one run, that others show us.
struct Secrets {
    inbound: String,
    webhook: String,
}

/// Plays the scenes, then stays up for whoever wants to try it.
pub(super) async fn run(options: Options) -> anyhow::Result<Exit> {
    let outside = Shutdown::new();
    let folder = Folder::make()?;
    let stage = Stage::set(&outside, &folder).await?;
    Screen::title(&stage.app.address().to_string());
    stage.screen.follow(&stage.braze, &stage.desk, &outside);
    let missed = scenes::play(&stage).await;
    Screen::verdict(&missed);
    if !options.once {
        Screen::invitation(&stage.app.address().to_string(), &stage.secrets.inbound);
        tokio::signal::ctrl_c().await?;
    }
    let ended_well = stage.app.stop().await;
    outside.stop();
    Ok(if missed.is_empty() && ended_well {
        Exit::Fine
    } else {
        Exit::Failed
    })
}

impl Stage {
    async fn set(outside: &Shutdown, folder: &Folder) -> anyhow::Result<Self> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, outside).await?;
        let braze = Braze::start(anywhere, outside).await?;
        let desk = Desk::start(anywhere, outside).await?;
        let clock = Clock::system();
        let secrets = Secrets {
            inbound: random(),
            webhook: random(),
        };
        let (braze_key, desk_key) = (random(), random());
        braze.require_key(&braze_key);
        desk.become_one(HelpDesk::Chatwoot);
        desk.require_key(&desk_key);
        model.misbehave(Plan::delay(MODEL_THINKS));

        let database = folder.0.join("frontdesk.db").display().to_string();
        let environment = Environment::of([
            ("DEMO_BRAZE_KEY", &braze_key),
            ("DEMO_DESK_KEY", &desk_key),
            ("DEMO_WEBHOOK_SECRET", &secrets.webhook),
            ("DEMO_INBOUND_SECRET", &secrets.inbound),
            ("FRONTDESK__STORE__PATH", &database),
            ("FRONTDESK__WORKSPACES__DEMO__ENDPOINT", &braze.url()),
            ("FRONTDESK__MODELS__DEMO__BASE_URL", &model.url()),
            ("FRONTDESK__DESKS__DEMO__URL", &desk.url()),
        ]);
        let text = CONFIG.replace("{desk}", &Desk::keys(HelpDesk::Chatwoot));
        let config = Config::load(
            Source::from_text("the demo's configuration", &text),
            &environment,
        )
        .map_err(|problems| anyhow!("{:?}", problems.problems))?;
        let app = App::start(&config, clock.clone())
            .await
            .context("the gateway does not start")?;
        let webhooks = format!("http://{}/v1/desks/demo/chatwoot", app.address());
        desk.call_back(&webhooks, &secrets.webhook);
        let url = format!("http://{}/v1/inbound/support", app.address());
        let phone = Phone::new(url, &secrets.inbound)?;
        let screen = Screen::new(clock.clone());
        Ok(Self {
            app,
            phone,
            model,
            braze,
            desk,
            secrets,
            clock,
            screen,
        })
    }

    /// A customer writes. Gives the message's name.
    async fn says(&self, customer: &scenes::Customer, text: &str) -> anyhow::Result<MessageId> {
        self.screen.said(customer.name, text);
        let answered = self.phone.says(customer.name, customer.phone, text).await?;
        let id = answered.body["message_id"]
            .as_str()
            .and_then(|id| Uuid::parse_str(id).ok());
        id.map(MessageId)
            .ok_or_else(|| anyhow!("the gateway answered {}", answered.status))
    }

    /// Waits for the outcome of a message, shows it, and compares it with what it should be.
    async fn sees(
        &self,
        customer: &scenes::Customer,
        message: MessageId,
        outcome: Outcome,
    ) -> anyhow::Result<Fate> {
        let started = self.clock.elapsed();
        loop {
            let fate = self
                .app
                .store()
                .fate(message)
                .await?
                .context("the message is not in the store")?;
            if let Some(found) = fate.outcome {
                self.screen
                    .outcome(customer.name, found.as_str(), fate.rule.as_deref());
                if found != outcome {
                    return Err(anyhow!(
                        "expected {}, got {}",
                        outcome.as_str(),
                        found.as_str()
                    ));
                }
                return Ok(fate);
            }
            if self.clock.elapsed().saturating_sub(started) > PATIENCE {
                return Err(anyhow!("no outcome within {} s", PATIENCE.as_secs()));
            }
            self.clock.sleep(LOOK).await;
        }
    }

    /// Waits until the only ticket of the desk has so many entries. Gives it.
    async fn filed(&self, entries: usize) -> anyhow::Result<Thread> {
        let started = self.clock.elapsed();
        loop {
            let threads = self.desk.threads();
            match threads.as_slice() {
                [only] if only.written.len() >= entries => return Ok(only.clone()),
                _ if self.clock.elapsed().saturating_sub(started) > PATIENCE => {
                    return Err(anyhow!("the desk has {} tickets", threads.len()));
                }
                _ => self.clock.sleep(LOOK).await,
            }
        }
    }

    /// Waits until a customer has got so many messages. Gives them.
    async fn hears(
        &self,
        customer: &scenes::Customer,
        count: usize,
    ) -> anyhow::Result<Vec<String>> {
        let heard = || -> Vec<String> {
            let sent = self.braze.sent().into_iter();
            sent.filter(|sent| sent.recipient.value() == customer.name)
                .map(|sent| sent.text().to_owned())
                .collect()
        };
        let enough = self.braze.wait_until_sent(|sent| {
            sent.iter()
                .filter(|sent| sent.recipient.value() == customer.name)
                .count()
                >= count
        });
        self.clock.timeout(PATIENCE, enough).await.map_err(|_| {
            anyhow!(
                "{} got {} of {count} messages",
                customer.name,
                heard().len()
            )
        })?;
        match heard() {
            texts if texts.len() == count => Ok(texts),
            texts => Err(anyhow!(
                "{} got {} messages instead of {count}",
                customer.name,
                texts.len()
            )),
        }
    }
}
