//! A customer's phone in the terminal: what is typed goes to the gateway as Braze would send it, and replies show.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;

use super::super::{Exit, report};
use crate::braze::templates;
use crate::clock::Clock;
use crate::duration;
use crate::sandbox::Braze;
use crate::sandbox::braze::{Customer, Delivery, State, Webhook};

/// Lines that may be typed ahead of the sending.
const LINES_AHEAD: usize = 64;

/// How often the phone looks whether something has come; a person does not see the difference.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The webhook campaign's id.
const CAMPAIGN: &str = "sandbox-webhook";

/// Whose phone it is, and what it reaches.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// The gateway's door, such as `http://127.0.0.1:8080/v1/inbound/support`: what you type goes there
    #[arg(long, value_name = "URL")]
    pub(super) gateway: Option<String>,
    /// What the webhook shows as its secret
    #[arg(
        long,
        env = "FRONTDESK_INBOUND_SECRET",
        hide_env_values = true,
        default_value = ""
    )]
    secret: String,
    /// The customer's external id; "" for a number that Braze does not know
    #[arg(long, default_value = "customer-1", requires = "gateway")]
    user: String,
    /// The customer's number
    #[arg(long, default_value = "+15550100", requires = "gateway")]
    phone: String,
    /// The language of the customer's profile
    #[arg(long, default_value = "", requires = "gateway")]
    language: String,
    /// The webhook's body: a file with Liquid [default: the recommended one]
    #[arg(
        long,
        value_name = "FILE",
        requires = "gateway",
        conflicts_with = "guide"
    )]
    body: Option<PathBuf>,
    /// Uses the webhook body of Braze's guide, which escapes nothing
    #[arg(long, requires = "gateway")]
    guide: bool,
    /// Leaves re-eligibility off, as Braze does by default: only the first message is answered
    #[arg(long, requires = "gateway")]
    once: bool,
    /// How long to wait for a reply where the lines do not come from a terminal
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse, requires = "gateway")]
    wait: Duration,
}

impl Options {
    fn webhook(&self) -> anyhow::Result<Webhook> {
        let body = match &self.body {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?,
            None if self.guide => templates::GUIDE.to_owned(),
            None => templates::LISTENING.to_owned(),
        };
        Ok(Webhook {
            campaign_id: CAMPAIGN.to_owned(),
            url: self.gateway.clone().unwrap_or_default(),
            secret: self.secret.clone(),
            body,
            keywords: Vec::new(),
        })
    }

    fn customer(&self) -> Customer {
        Customer {
            external_id: self.user.clone(),
            phone_number: self.phone.clone(),
            language: self.language.clone(),
            ..Customer::default()
        }
    }
}

/// Takes lines until there are no more, or Ctrl-C. Fails where a message did not reach the gateway.
pub(super) async fn run(braze: &Braze, options: &Options) -> anyhow::Result<Exit> {
    braze
        .listen(options.webhook()?)
        .map_err(|error| anyhow!("the webhook campaign cannot be used: {error}"))?;
    braze.re_eligibility(!options.once);
    let is_terminal = stdin().is_terminal();
    anstream::println!(
        "Braze listens at {}; set it as the workspace's `endpoint`. You are {} ({}).",
        braze.url(),
        if options.user.is_empty() {
            "nobody Braze knows"
        } else {
            options.user.as_str()
        },
        options.phone
    );
    if is_terminal {
        anstream::println!(
            "Type a message and press Enter; /1 taps the first button; Ctrl-D ends it."
        );
    }
    let mut phone = Screen::new(braze, options.customer());
    let mut lines = lines();
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => {
                ended?;
                break;
            }
            line = lines.recv() => {
                let Some(line) = line else { break };
                phone.types(&line, is_terminal);
                if !is_terminal {
                    phone.waits(options.wait).await;
                }
            }
            () = phone.clock.sleep(LOOK_EVERY) => phone.shows(),
        }
    }
    phone.shows();
    Ok(match phone.has_lost {
        true => {
            report::failure(&anyhow!("a message did not reach the gateway"));
            Exit::Failed
        }
        false => Exit::Fine,
    })
}

/// Reads lines in a thread of its own, which ends with the program: nothing can wake it from waiting for one.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// What the phone has shown so far.
struct Screen<'a> {
    braze: &'a Braze,
    customer: Customer,
    clock: Clock,
    deliveries: usize,
    told: usize,
    choices: Vec<String>,
    has_lost: bool,
}

impl<'a> Screen<'a> {
    fn new(braze: &'a Braze, customer: Customer) -> Self {
        Self {
            braze,
            customer,
            clock: Clock::system(),
            deliveries: 0,
            told: 0,
            choices: Vec::new(),
            has_lost: false,
        }
    }

    /// Sends what was typed; `/1` stands for the first button of the last message.
    fn types(&mut self, line: &str, is_terminal: bool) {
        let tapped = line
            .strip_prefix('/')
            .and_then(|number| number.parse::<usize>().ok());
        let tapped = tapped.and_then(|number| self.choices.get(number.checked_sub(1)?).cloned());
        let text = tapped.unwrap_or_else(|| line.to_owned());
        if text.trim().is_empty() {
            return;
        }
        // On a terminal it stands there already.
        if !is_terminal || text != line {
            anstream::println!("> {text}");
        }
        if self.braze.receive(&self.customer, &text).is_empty() {
            anstream::println!("  (no webhook campaign took it: the customer is not re-eligible)");
        }
    }

    /// Shows what has come since the last look.
    fn shows(&mut self) {
        for delivery in self.braze.deliveries().into_iter().skip(self.deliveries) {
            self.deliveries += 1;
            self.show(delivery);
        }
        let posts = self.braze.posts();
        let tries = posts.iter().flat_map(|post| &post.tries);
        let failed: Vec<u16> = tries
            .map(|tried| tried.status)
            .filter(|s| !(200..300).contains(s))
            .collect();
        for status in failed.iter().skip(self.told) {
            anstream::println!("  (the gateway answered {}: {})", status, meaning(*status));
        }
        self.told = failed.len();
        self.has_lost = posts.iter().any(|post| post.state == State::Lost);
    }

    fn show(&mut self, delivery: Delivery) {
        if delivery.recipient != self.customer.recipient() {
            return;
        }
        if let Some(why) = delivery.withheld {
            anstream::println!(
                "  (taken and not delivered, since {}: {})",
                why.as_str(),
                delivery.text
            );
            return;
        }
        anstream::println!("< {}", delivery.text.replace('\n', "\n  "));
        for (place, choice) in delivery.choices.iter().enumerate() {
            anstream::println!("  [/{}] {choice}", place + 1);
        }
        self.choices = delivery.choices;
    }

    /// Waits until something shows, but not for ever; what cannot reach the gateway is not waited for.
    async fn waits(&mut self, patience: Duration) {
        let (before, started) = (self.deliveries, self.clock.elapsed());
        loop {
            self.shows();
            let waited = self.clock.elapsed().saturating_sub(started);
            if self.deliveries > before || self.has_lost || waited >= patience {
                return;
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }
}

/// Says what to look at.
fn meaning(status: u16) -> &'static str {
    match status {
        599 => "nobody answers there; is it running?",
        598 => "it failed too often, and is left alone for a minute",
        401 => "the secret is not the assistant's, and the message is lost",
        404 => "no such assistant, and the message is lost",
        400 => "it cannot read the body, and the message is lost",
        408 | 429 | 500.. => "Braze comes again",
        _ => "the message is lost",
    }
}
