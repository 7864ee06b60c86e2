//! One test, played on a stage of its own.

mod script;
pub(in crate::cli) mod watch;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::case::{Answer, Check, Live, Neighbour, Setting, Step, Test};
use super::checks::{self, Verdict};
use super::rubric;
use crate::cli::stage::{self, Cast, Stage};
use crate::clock::Clock;
use crate::problem::Problem;
use crate::prompts::Prompts;
use crate::sandbox::Plan;
use crate::sandbox::phone::Texted;
use script::Script;
use watch::Watch;

/// The most that the clock is moved for what one step brings about: longer than any deadline of a turn and its retries.
const STEP_WITHIN: Duration = Duration::from_mins(10);

/// What came of one test.
#[derive(Debug)]
pub(super) struct Ran {
    /// The test.
    pub(super) test: Test,
    /// The assistant that it was about.
    pub(super) assistant: String,
    /// What was not as it should be.
    pub(super) failures: Vec<Failed>,
    /// What could not be judged, and why. A whole test that was left out says so here.
    pub(super) skipped: Vec<String>,
    /// Whether it was left out altogether.
    pub(super) is_left_out: bool,
    /// What was said, line by line.
    pub(super) conversation: Vec<Line>,
    /// The fixed texts that the customer got: key and language.
    pub(super) texts: Vec<(String, String)>,
    /// The rules that decided, each with the language that was spoken.
    pub(super) rules: Vec<(String, String)>,
    /// How long it took, in real time.
    pub(super) took: Duration,
}

/// One thing that was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// The turn, from 1; 0 for the test as a whole.
    pub(super) turn: usize,
    /// The line in the file.
    pub(super) line: usize,
    /// The type of the assertion, or what else it is about.
    pub(super) name: String,
    /// What was expected, and what there is.
    pub(super) message: String,
}

/// One line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Who, or what.
    pub(super) who: &'static str,
    /// What was said, or what happened.
    pub(super) what: String,
}

/// One test with all that it needs.
pub(super) struct Play {
    /// The test.
    pub(super) test: Test,
    /// Which assistant, by which configuration.
    pub(super) plan: Arc<stage::Plan>,
    /// The configuration with the test's settings.
    pub(super) config: crate::config::Config,
    /// The prompt folders, as that configuration has them.
    pub(super) prompts: Vec<(String, Prompts)>,
    /// Whether the configured models are asked.
    pub(super) is_live: bool,
}

impl Play {
    /// Plays it. What goes wrong on the stage itself is a failure of the test.
    pub(super) async fn run(self) -> Ran {
        let real = Clock::system();
        let assistant = self.plan.assistant.clone();
        let mut ran = Ran {
            test: self.test.clone(),
            assistant,
            failures: Vec::new(),
            skipped: Vec::new(),
            is_left_out: false,
            conversation: Vec::new(),
            texts: Vec::new(),
            rules: Vec::new(),
            took: Duration::ZERO,
        };
        if let Some(why) = left_out(&self.test, self.is_live) {
            ran.leave_out(why);
        } else if let Err(error) = self.play(&mut ran).await {
            ran.fail(0, self.test.line, "the stage", format!("{error:#}"));
        }
        ran.took = real.elapsed();
        ran
    }

    async fn play(&self, ran: &mut Ran) -> anyhow::Result<()> {
        let (clock, cast) = match self.is_live {
            true => (Clock::settable(), Cast::Live),
            false => (Clock::manual(self.test.clock), Cast::StandIn),
        };
        let (config, prompts) = (self.config.clone(), self.prompts.clone());
        let assistant = &self.plan.assistant;
        let stage = Stage::set(config, assistant, Some(prompts), clock, cast).await?;
        let script = Script::hand_out(&self.test, &stage);
        let mut watch = Watch::begin(&stage, &self.test.user, &self.config).await?;
        for (index, turn) in self.test.turns.iter().enumerate() {
            watch.mark().await?;
            self.step(&turn.step, &stage, &mut watch, ran)
                .await
                .with_context(|| format!("turn {}", index + 1))?;
            let seen = watch.look(ran).await?;
            for assert in &turn.asserts {
                let verdict = match &assert.check {
                    Check::Rubric { .. } if !self.is_live => {
                        ran.skipped.push(format!(
                            "line {}: `{}` needs --live",
                            assert.line, assert.name
                        ));
                        continue;
                    }
                    Check::Rubric { rubric, threshold } => {
                        let said = rubric::Said {
                            conversation: &ran.conversation,
                            sent: &seen.sent,
                        };
                        let (rubric, is_not) = (rubric.as_str(), assert.is_negated);
                        rubric::judge(&self.config, assistant, rubric, *threshold, is_not, said)
                            .await?
                    }
                    _ => checks::check(assert, &seen),
                };
                if let Verdict::Failed(message) = verdict {
                    ran.fail(index + 1, assert.line, &assert.name, message);
                }
            }
            if let Some(message) = script.complaint() {
                ran.fail(index + 1, self.test.line, "model", message);
            }
        }
        if let Some(message) = script.left_over().filter(|_| !self.is_live) {
            ran.fail(0, self.test.line, "model", message);
        }
        if !stage.end().await {
            ran.fail(
                0,
                self.test.line,
                "the stage",
                "the gateway did not stop well".to_owned(),
            );
        }
        Ok(())
    }

    async fn step(
        &self,
        step: &Step,
        stage: &Stage,
        watch: &mut Watch<'_>,
        ran: &mut Ran,
    ) -> anyhow::Result<()> {
        match step {
            Step::Says { texts, gap, media } => {
                for (place, text) in texts.iter().enumerate() {
                    if place > 0 {
                        self.pass(*gap, stage).await?;
                    }
                    let media = if place == 0 {
                        media.join(" ")
                    } else {
                        String::new()
                    };
                    ran.say("customer", shown(text, &media));
                    let message = stage
                        .says(&self.texted(text, &media), &self.test.user.attributes)
                        .await?;
                    watch.wrote(message);
                }
                stage.clock.advance(self.config.burst.quiet);
                self.settle(stage, watch).await?;
            }
            Step::Advance(time) => {
                ran.say("clock", format!("{} later", in_words(*time)));
                stage.clock.advance(*time);
                stage.breathe().await?;
                self.settle(stage, watch).await?;
            }
            Step::Release => {
                ran.say("agent", "gives the conversation back".to_owned());
                let conversation = watch
                    .conversation()
                    .context("there is no conversation yet")?;
                stage.releases(conversation).await?;
                self.settle(stage, watch).await?;
            }
            Step::Down(neighbour) => {
                ran.say("outage", format!("{neighbour:?} is down"));
                spoil(*neighbour, stage);
                watch.is_down(*neighbour, true);
            }
            Step::Up(neighbour) => {
                ran.say("outage", format!("{neighbour:?} is up again"));
                mend(*neighbour, stage);
                watch.is_down(*neighbour, false);
                self.settle(stage, watch).await?;
            }
            Step::Nothing => {}
        }
        Ok(())
    }

    /// Waits until all is done; while a neighbour is down, until nothing more can be.
    async fn settle(&self, stage: &Stage, watch: &Watch<'_>) -> anyhow::Result<()> {
        match (watch.has_outage(), self.is_live) {
            (true, _) => stage.breathe().await,
            (false, false) => stage.rest(STEP_WITHIN, true).await,
            (false, true) => stage.rest(self.live_deadline(), false).await,
        }
    }

    /// Lets the time between two messages go by.
    async fn pass(&self, gap: Duration, stage: &Stage) -> anyhow::Result<()> {
        if self.is_live {
            Clock::system().sleep(gap).await;
            return Ok(());
        }
        stage.breathe().await?;
        stage.clock.advance(gap);
        stage.breathe().await
    }

    /// Gives the time that a turn with real models may take: what the assistant's own deadline is, and a little more.
    fn live_deadline(&self) -> Duration {
        const MORE: Duration = Duration::from_secs(30);
        let assistant = self.config.assistants.get(&self.plan.assistant);
        assistant.map_or(MORE, |assistant| assistant.deadline.saturating_add(MORE))
    }

    fn texted<'a>(&'a self, text: &'a str, media: &'a str) -> Texted<'a> {
        let user = &self.test.user;
        Texted {
            user_id: &user.external_id,
            phone_number: &user.phone,
            message: text,
            media_urls: media,
            language: user.language.as_deref().unwrap_or_default(),
            ..Texted::default()
        }
    }
}

fn spoil(neighbour: Neighbour, stage: &Stage) {
    let broken = || Plan::status(503);
    match neighbour {
        Neighbour::Braze => stage.braze.misbehave(broken()),
        Neighbour::Desk => stage.desk.misbehave(broken()),
        Neighbour::Model => stage.model.misbehave(broken()),
    }
}

fn mend(neighbour: Neighbour, stage: &Stage) {
    match neighbour {
        Neighbour::Braze => stage.braze.behave(),
        Neighbour::Desk => stage.desk.behave(),
        Neighbour::Model => stage.model.behave(),
    }
}

impl Ran {
    fn leave_out(&mut self, why: &str) {
        self.is_left_out = true;
        self.skipped.push(why.to_owned());
    }

    fn fail(&mut self, turn: usize, line: usize, name: &str, message: String) {
        self.failures.push(Failed {
            turn,
            line,
            name: name.to_owned(),
            message,
        });
    }

    fn say(&mut self, who: &'static str, what: String) {
        self.conversation.push(Line { who, what });
    }
}

/// Says why a test is not played, where it is not.
fn left_out(test: &Test, is_live: bool) -> Option<&'static str> {
    let answers = test.model.iter().flatten();
    let mut faults = answers.filter(|answer| matches!(answer, Answer::Fault(_)));
    let mut outages = test.turns.iter().map(|turn| &turn.step);
    match (test.live, is_live) {
        (Live::Never, true) => Some("it says `live: never`"),
        (Live::Only, false) => Some("it says `live: only`: run it with --live"),
        // A real model cannot be told to fail.
        (_, true) if faults.next().is_some() => Some("its script has faults"),
        (_, true) if outages.any(|step| *step == Step::Down(Neighbour::Model)) => {
            Some("it takes the model down")
        }
        _ => None,
    }
}

/// Finds the settings that are at fault for what is wrong with a configuration.
pub(super) fn blamed(problems: Vec<Problem>, test: &Test) -> Vec<Problem> {
    let mut blamed = Vec::new();
    for problem in problems {
        let is_of = |setting: &&Setting| {
            let key = setting.key.trim_start_matches("assistant.");
            let key = key.trim_start_matches("desk.");
            problem.key.ends_with(key) || key.starts_with(&problem.key) && !problem.key.is_empty()
        };
        match test.settings.iter().find(is_of) {
            Some(setting) => {
                let key = format!("settings.{}", setting.key);
                blamed.push(
                    Problem::new(key, problem.message)
                        .in_file(&test.file)
                        .at(Some(setting.span.clone())),
                );
            }
            None => blamed.push(problem),
        }
    }
    blamed
}

fn shown(text: &str, media: &str) -> String {
    match (text, media) {
        (text, "") => text.to_owned(),
        ("", media) => format!("[{media}]"),
        (text, media) => format!("{text} [{media}]"),
    }
}

/// Writes a time as people say it.
pub(in crate::cli) fn in_words(time: Duration) -> String {
    jiff::SignedDuration::try_from(time)
        .map_or_else(|_| format!("{time:?}"), |time| format!("{time:#}"))
}
