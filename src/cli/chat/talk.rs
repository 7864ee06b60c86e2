//! One conversation after the other with one assistant.

use std::time::Duration;

use serde_json::{Map, Value};

use super::command::Command;
use super::save::{Record, Recorded};
use super::screen::Screen;
use crate::cli::report;
use crate::cli::stage::Stage;
use crate::cli::test::case::User;
use crate::cli::test::checks::Seen;
use crate::cli::test::run::watch::{self, Watch};
use crate::clock::Clock;
use crate::config::Config;
use crate::prompts::Prompts;
use crate::sandbox::Exchange;
use crate::sandbox::phone::Texted;

/// How much longer than the assistant's deadline a person waits for what else is to be done.
const MORE: Duration = Duration::from_secs(30);

/// A person at the terminal, and what was said so far.
pub(super) struct Talk<'a> {
    stage: &'a Stage,
    config: &'a Config,
    user: User,
    customers: u32,
    watch: Watch<'a>,
    record: Record,
    prompts: Option<Prompts>,
    version: String,
    was_broken: bool,
    last: Vec<String>,
}

impl<'a> Talk<'a> {
    /// Begins with a customer of whom nothing is known.
    pub(super) async fn begin(stage: &'a Stage, config: &'a Config) -> anyhow::Result<Self> {
        let user = customer(1);
        let prompts = stage.app.prompts(stage.assistant()).cloned();
        let version = prompts
            .as_ref()
            .map(|prompts| prompts.current().version().to_owned());
        Ok(Self {
            watch: Watch::begin(stage, &user, config).await?,
            record: Record::new(stage.clock.now()),
            stage,
            config,
            user,
            customers: 1,
            prompts,
            version: version.unwrap_or_default(),
            was_broken: false,
            last: Vec::new(),
        })
    }

    /// Does what a line says, and shows what comes of it.
    pub(super) async fn follow(&mut self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Nothing | Command::Quit => {}
            Command::Help => Screen::help(),
            Command::Say(text) => self.say(&text, "").await?,
            Command::Media(link, text) => self.say(&text, &link).await?,
            Command::Profile(key, value) => {
                match value {
                    Some(value) => drop(self.user.attributes.insert(key, value)),
                    None => drop(self.user.attributes.remove(&key)),
                }
                self.show_profile();
            }
            Command::ShowProfile => self.show_profile(),
            Command::Language(language) => {
                self.user.language = Some(language.to_string());
                self.show_profile();
            }
            Command::ShowClock => self.show_clock(),
            Command::Advance(time) => {
                self.stage.clock.advance(time);
                self.stage.breathe().await?;
                self.show_clock();
                self.settle(Recorded::Advance(time)).await?;
            }
            Command::Release if !self.has_desk() => {
                Screen::complaint("without a `desk`, no agent has the conversation");
            }
            Command::Release => match self.watch.conversation() {
                None => Screen::complaint("nobody has said anything yet"),
                Some(conversation) => match self.stage.releases(conversation).await {
                    Ok(()) => self.settle(Recorded::Release).await?,
                    Err(error) => Screen::complaint(&format!("{error:#}")),
                },
            },
            Command::Reset => self.reset().await?,
            Command::Why => self.why(),
            Command::Save(file) => {
                let text = self.record.yaml(&self.user);
                match std::fs::write(&file, text) {
                    Ok(()) => Screen::note(&format!(
                        "saved; play it with `frontdesk test {}`",
                        file.display()
                    )),
                    Err(error) => {
                        Screen::complaint(&format!("cannot write {}: {error}", file.display()));
                    }
                }
            }
        }
        Ok(())
    }

    async fn say(&mut self, text: &str, media: &str) -> anyhow::Result<()> {
        self.notice_prompts().await?;
        let texted = Texted {
            user_id: &self.user.external_id,
            phone_number: &self.user.phone,
            message: text,
            media_urls: media,
            language: self.user.language.as_deref().unwrap_or_default(),
            ..Texted::default()
        };
        let message = match self.stage.says(&texted, &self.user.attributes).await {
            Ok(message) => message,
            // Such as a message that is too long: the next one may be fine.
            Err(error) => {
                Screen::complaint(&format!("{error:#}"));
                return Ok(());
            }
        };
        self.watch.wrote(message);
        self.last = vec![text.to_owned()];
        // A person who tries things out has nothing to add to a burst.
        self.stage.clock.advance(self.config.burst.quiet);
        let said = Recorded::Says(text.to_owned(), media.to_owned());
        self.settle(said).await
    }

    /// Waits until all is done, shows it, and writes it down.
    async fn settle(&mut self, step: Recorded) -> anyhow::Result<()> {
        let real = Clock::system();
        let began = real.elapsed();
        let assistant = self.config.assistants.get(self.stage.assistant());
        let most = assistant.map_or(MORE, |own| own.deadline.saturating_add(MORE));
        if let Err(error) = self.stage.rest(most, false).await {
            Screen::complaint(&format!("{error:#}"));
        }
        let took = real.elapsed().saturating_sub(began);
        let seen: Seen = self.watch.seen().await?;
        Screen::seen(&seen, took);
        let answers = self.watch.answers();
        self.record.add(step, seen, answers);
        self.watch.mark().await
    }

    /// Says that the prompt folder has changed, or is broken; it is looked at before each message.
    async fn notice_prompts(&mut self) -> anyhow::Result<()> {
        let Some(prompts) = self.prompts.clone() else {
            return Ok(());
        };
        let is_broken = prompts.reloads().is_broken;
        if is_broken && !self.was_broken {
            let reader = prompts.clone();
            let looked = tokio::task::spawn_blocking(move || reader.reload()).await?;
            if let Err(problems) = looked {
                report::prompts(&problems);
                Screen::complaint("the prompts are broken; the ones before stay in force");
            }
        }
        self.was_broken = is_broken;
        let version = prompts.current().version().to_owned();
        if version != self.version {
            Screen::note(&format!("the prompts have changed: {version}"));
            self.version = version;
        }
        Ok(())
    }

    async fn reset(&mut self) -> anyhow::Result<()> {
        self.customers += 1;
        let known = std::mem::take(&mut self.user);
        self.user = User {
            language: known.language,
            attributes: known.attributes,
            ..customer(self.customers)
        };
        self.watch = Watch::begin(self.stage, &self.user, self.config).await?;
        self.record = Record::new(self.stage.clock.now());
        self.last.clear();
        Screen::note("another customer, who has never written");
        Ok(())
    }

    fn has_desk(&self) -> bool {
        let assistant = self.config.assistants.get(self.stage.assistant());
        assistant.is_some_and(|own| own.desk.is_some())
    }

    fn why(&self) {
        if let Some(prompts) = &self.prompts {
            Screen::rules(&prompts.current(), &self.last);
        }
        let asked = self.stage.asked();
        let last = asked
            .iter()
            .rev()
            .find(|asked| watch::prompt(asked).is_some());
        let is_of_last_step = self.record.was_asked();
        let messages = last.filter(|_| is_of_last_step).map(messages);
        Screen::prompt(&messages.unwrap_or_default());
    }

    fn show_profile(&self) {
        let mut known: Map<String, Value> = self.user.attributes.clone();
        if let Some(language) = &self.user.language {
            known.insert("language".to_owned(), language.clone().into());
        }
        known.insert(
            "external_id".to_owned(),
            self.user.external_id.clone().into(),
        );
        anstream::println!("  {}", Value::Object(known));
    }

    fn show_clock(&self) {
        let assistant = self.config.assistants.get(self.stage.assistant());
        let zone = assistant.map(crate::config::AssistantConfig::zone);
        Screen::clock(
            self.stage.clock.now(),
            &zone.unwrap_or(jiff::tz::TimeZone::UTC),
        );
    }
}

/// Makes the so-manieth customer.
fn customer(number: u32) -> User {
    User {
        external_id: format!("customer-{number}"),
        phone: format!("+1555{number:07}"),
        ..User::default()
    }
}

/// Gives the messages of a question: role and text.
fn messages(asked: &Exchange) -> Vec<(String, String)> {
    let body = asked.json();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    messages
        .iter()
        .map(|message| (text(&message["role"]), text(&message["content"])))
        .collect()
}
