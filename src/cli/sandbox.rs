//! `frontdesk sandbox`: one stand-in alone, for whoever tries a configuration.

mod manners;
mod phone;

use std::net::SocketAddr;

use anyhow::Context;
use clap::Subcommand;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Exit;
use crate::sandbox::{Braze, Desk, HelpDesk, Model};
use crate::shutdown::Shutdown;
use manners::Manners;

/// Which stand-in.
#[derive(Debug, Subcommand)]
pub(super) enum StandIn {
    /// An OpenAI-compatible model that knows a little about orders, returns and opening hours.
    Model {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:9101")]
        listen: SocketAddr,
        /// Refuses requests without this API key.
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        manners: Manners,
    },
    /// Braze: checks what is sent as the real one does, and is a customer's phone where a gateway is named.
    Braze {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:9102")]
        listen: SocketAddr,
        /// Refuses requests without this API key.
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        phone: phone::Options,
    },
    /// A help desk that takes signed events, or what one of the presets speaks to.
    Desk {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:9103")]
        listen: SocketAddr,
        /// Which desk it is: standard, slack, zendesk, freshdesk or chatwoot.
        #[arg(long, default_value = "standard", value_parser = help_desk)]
        format: HelpDesk,
        /// Refuses requests without this API key.
        #[arg(long)]
        key: Option<String>,
        /// Where its webhooks go: …/v1/desks/NAME/zendesk or …/chatwoot.
        #[arg(long, requires = "webhook_secret")]
        webhook: Option<String>,
        /// Signs its webhooks.
        #[arg(long)]
        webhook_secret: Option<String>,
        /// Checks signatures with this key (whsec_…).
        #[arg(long)]
        signing_key: Option<String>,
    },
}

fn help_desk(name: &str) -> Result<HelpDesk, String> {
    let found = HelpDesk::ALL.into_iter().find(|(known, _)| *known == name);
    let known = HelpDesk::ALL.map(|(known, _)| known).join(", ");
    found
        .map(|(_, desk)| desk)
        .ok_or_else(|| format!("expected one of {known}"))
}

/// Runs the stand-in until Ctrl-C, and shows each request.
pub(super) async fn run(stand_in: StandIn) -> anyhow::Result<Exit> {
    let shutdown = Shutdown::new();
    let busy = |listen: SocketAddr| format!("cannot listen on {listen}");
    let (url, events) = match stand_in {
        StandIn::Model {
            listen,
            key,
            manners,
        } => {
            let model = Model::start(listen, &shutdown)
                .await
                .with_context(|| busy(listen))?;
            if let Some(key) = key {
                model.require_key(&key);
            }
            manners.teach(&model);
            (model.url(), model.events())
        }
        StandIn::Braze { listen, key, phone } => {
            let braze = Braze::start(listen, &shutdown)
                .await
                .with_context(|| busy(listen))?;
            if let Some(key) = key {
                braze.require_key(&key);
            }
            if phone.gateway.is_some() {
                let exit = phone::run(&braze, &phone).await;
                shutdown.stop();
                return exit;
            }
            (braze.url(), braze.events())
        }
        StandIn::Desk {
            listen,
            format,
            key,
            webhook,
            webhook_secret,
            signing_key,
        } => {
            let desk = Desk::start(listen, &shutdown)
                .await
                .with_context(|| busy(listen))?;
            if let Some(key) = signing_key {
                desk.check_signatures(&key).context("--signing-key")?;
            }
            desk.become_one(format);
            if let Some(key) = key {
                desk.require_key(&key);
            }
            if let (Some(url), Some(secret)) = (webhook, webhook_secret) {
                desk.call_back(&url, &secret);
            }
            let keys = Desk::keys(format);
            if !keys.is_empty() {
                anstream::println!("in `[desks.NAME]`, beside `url` and `api_key`:\n{keys}");
            }
            (desk.url(), desk.events())
        }
    };
    anstream::println!("listening at {url} (Ctrl-C stops it)");
    show(events).await;
    shutdown.stop();
    Ok(Exit::Fine)
}

async fn show(mut events: Receiver<String>) {
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return,
            event = events.recv() => match event {
                Ok(line) => anstream::println!("{line}"),
                Err(RecvError::Lagged(missed)) => anstream::println!("… {missed} requests not shown"),
                Err(RecvError::Closed) => return,
            },
        }
    }
}
