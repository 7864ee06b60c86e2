//! The heart: one run over the waiting messages of one conversation, from what was said to what is done about it.
//!
//! A turn decides and does nothing: it gives one [`Settlement`], which the store applies in one transaction. What
//! decides, [`screen`] before the model and [`judge`] after it, has no IO and no clock.

mod ask;
mod budget;
pub mod desk;
mod fold;
mod gather;
pub mod judge;
mod laps;
mod media;
pub mod screen;
mod settlement;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::domain::{
    Aftermath, Author, Course, Failure, Help, Hours, Language, Message, MessageId, Outcome,
    Ownership, Settlement, new_id,
};
use crate::handoff::{Links, MayReturn, OnTimeout};
use crate::memory::Memory;
use crate::metrics::{LimitOf, Stage};
use crate::model::{Lineup, Meter};
use crate::prompts::Prompts;
use crate::store::{Claimed, Store, StoreError};
use budget::Budget;
use gather::Gathered;
use judge::Decision;
use laps::Laps;
use screen::{Screened, Terms};
use settlement::Writer;

pub use budget::{AtLimit, Limit, Limits, Noticed};
pub use fold::{fold, may_spend};
pub use laps::Spent;

/// One assistant, as a turn needs it.
#[derive(Debug)]
pub struct Assistant {
    /// Its name in the configuration.
    pub name: String,
    /// What it calls itself.
    pub display_name: String,
    /// Its folder, in the version in force.
    pub prompts: Prompts,
    /// The language to speak when nothing tells another.
    pub language: Language,
    /// Where the business is, for the time of day.
    pub zone: TimeZone,
    /// The models that answer.
    pub lineup: Lineup,
    /// How old a reply may be when it leaves.
    pub reply_ttl: Duration,
    /// What becomes of messages that are too old to be answered.
    pub on_late: Instead,
    /// What becomes of messages that no model answered.
    pub on_unanswered: Instead,
    /// What it may spend a day.
    pub limits: Limits,
    /// The last day on which it was said in the log that it has spent it.
    pub noticed: Noticed,
    /// The subscription group in Braze that follows the customer's consent, where one does.
    pub subscription_group: Option<String>,
    /// When people are there.
    pub hours: Hours,
    /// What becomes of a handoff while they are not.
    pub when_closed: WhenClosed,
    /// The people who can take over, where there are some.
    pub desk: Option<DeskTerms>,
    /// Makes the links by which they can act.
    pub links: Option<Links>,
}

/// What a customer gets instead of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instead {
    /// Words that say so, once.
    #[default]
    Apologise,
    /// People are asked to take over; where there is no desk, the customer hears an apology.
    HandOff,
}

/// What becomes of a handoff while nobody is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenClosed {
    /// People find the conversation when they come; the customer hears when that is.
    #[default]
    Queue,
    /// People find a message when they come; the assistant goes on.
    TakeMessage,
}

/// What a turn needs to know about a desk.
#[derive(Clone, Copy, Debug)]
pub struct DeskTerms {
    /// How long a conversation stays with people when nothing is heard.
    pub idle: Duration,
    /// How long the customer waits until it is said that nobody has come; zero for ever.
    pub ack_within: Duration,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Whether the customer can ask for the assistant again.
    pub may_return: MayReturn,
    /// The language of the summary.
    pub language: Language,
    /// How long the model may take for it; zero for none.
    pub summary_within: Duration,
}

/// What a turn came to.
#[derive(Debug)]
pub struct Turn {
    /// What is to be done.
    pub settlement: Settlement,
    /// What it took.
    pub spent: Spent,
    /// Whose limit of the day kept it from asking the model, if one did.
    pub limited: Option<LimitOf>,
    /// What was remembered, for the window after the turn.
    remembered: Vec<Message>,
}

/// Runs the turn of a claimed conversation; `meter` knows what it costs, also where it is dropped. An error means that
/// nothing was decided and the claim goes back.
pub async fn run(
    assistant: &Assistant,
    memory: &Memory,
    store: &dyn Store,
    clock: &Clock,
    claimed: &Claimed,
    meter: &Meter,
) -> Result<Turn, StoreError> {
    let (now, mut laps) = (clock.now(), Laps::start(clock));
    let gathered = gather::gather(assistant, memory, store, now, claimed).await?;
    laps.lap(Stage::Gather);
    let mut budget = Budget::new(assistant, store, claimed, now, meter);
    let decision = decide(assistant, &gathered, claimed, &mut budget, &mut laps).await?;
    let writer = Writer {
        assistant,
        claimed,
        gathered: &gathered,
        is_word_left: course(assistant, now, claimed).word_left_at.is_some(),
        now,
    };
    let help = decision.help();
    let mut settlement = settle(&writer, store, decision, &mut budget, &mut laps).await?;
    settlement.aftermath = aftermath(&settlement, help, gathered.is_repeat);
    laps.lap(Stage::Judge);
    Ok(Turn {
        settlement,
        spent: laps.spent(),
        limited: budget.refused(),
        remembered: gathered.remembered,
    })
}

/// Gives what the conversation has come to. Word that was left for people counts until they come.
fn course(assistant: &Assistant, now: Timestamp, claimed: &Claimed) -> Course {
    let is_unread = |at: &Timestamp| {
        let opens = assistant.hours.opens_next(*at);
        opens.is_none_or(|opens| opens > now)
    };
    Course {
        word_left_at: claimed.course.word_left_at.filter(is_unread),
        ..claimed.course
    }
}

/// Gives how a turn went, as its conversation remembers it: what people or nobody answers counts for nothing.
fn aftermath(settlement: &Settlement, help: Help, is_repeat: bool) -> Aftermath {
    match settlement.outcome {
        Outcome::Replied | Outcome::Canned | Outcome::Failed(_) => Aftermath { help, is_repeat },
        Outcome::HandedOff if settlement.ownership == Ownership::Keep => Aftermath {
            help: Help::WordLeft,
            is_repeat: false,
        },
        Outcome::HandedOff | Outcome::Forwarded | Outcome::PassedOn | Outcome::Suppressed(_) => {
            Aftermath::default()
        }
    }
}

async fn decide(
    assistant: &Assistant,
    gathered: &Gathered,
    claimed: &Claimed,
    budget: &mut Budget<'_>,
    laps: &mut Laps<'_>,
) -> Result<Decision, StoreError> {
    let rules = gathered.folder.rules();
    let terms = Terms {
        has_desk: assistant.desk.is_some(),
        may_return: assistant
            .desk
            .map_or(MayReturn::Never, |desk| desk.may_return),
        is_open: assistant.hours.is_open(gathered.now),
        course: course(assistant, gathered.now, claimed),
        under_way: Aftermath {
            is_repeat: gathered.is_repeat,
            ..Aftermath::default()
        },
        passes: claimed.passes,
        sees_images: assistant.lineup.sees_images(),
        on_late: assistant.on_late,
        on_unanswered: assistant.on_unanswered,
        reply_ttl: assistant.reply_ttl,
        now: gathered.now,
    };
    let screened = screen::screen(&claimed.conversation, &claimed.waiting, rules, terms);
    laps.lap(Stage::Screen);
    Ok(match screened {
        Screened::Decided(decision) => decision,
        Screened::Ask if claimed.is_poison => Decision::Fail(Failure::Poison),
        Screened::Ask => {
            let refusal = budget.refusal().await?;
            laps.lap(Stage::Gather);
            if let Some(decision) = refusal {
                return Ok(decision);
            }
            let asked = ask::answer(assistant, gathered, claimed, terms, budget.meter).await;
            laps.lap(Stage::Ask);
            budget.is_in_vain = asked.answer.is_err();
            judge::judge(asked, &claimed.conversation, rules, terms)
        }
    })
}

/// Gives the settlement of a turn that panicked: it would do so again.
pub fn poisoned(assistant: &Assistant, clock: &Clock, claimed: &Claimed) -> Settlement {
    let now = clock.now();
    let gathered = Gathered::bare(assistant, now, claimed);
    let writer = Writer {
        assistant,
        claimed,
        gathered: &gathered,
        is_word_left: false,
        now,
    };
    writer.failed(Failure::Poison)
}

/// Gives the settlement of messages for an assistant that is no longer configured.
pub fn orphaned() -> Settlement {
    settlement::silent(Outcome::Failed(Failure::NoAssistant))
}

async fn settle(
    writer: &Writer<'_>,
    store: &dyn Store,
    decision: Decision,
    budget: &mut Budget<'_>,
    laps: &mut Laps<'_>,
) -> Result<Settlement, StoreError> {
    Ok(match decision {
        Decision::Reply { text, rule, .. } => writer.reply(&text, rule),
        Decision::Offer { text, key, rule } => writer.offer(text.as_ref(), &key, rule),
        Decision::Ignore { rule } => writer.ignore(rule),
        Decision::Pass { to, rule } => writer.pass(to, rule),
        Decision::Canned { key, rule } => writer.canned(&key, rule),
        Decision::OptOut { rule } => writer.opt_out(rule),
        Decision::OptIn { rule } => writer.opt_in(rule),
        Decision::Forward => writer.forward(),
        Decision::Return { rule } => writer.back(rule),
        Decision::Apologise => writer.apologise(),
        Decision::Limit => writer.limited(),
        Decision::Suppress(why) => settlement::silent(Outcome::Suppressed(why)),
        Decision::Fail(why) => writer.failed(why),
        Decision::HandOff {
            reason,
            rule,
            detail,
            evidence,
        } => {
            let transcript = ask::transcript(store, writer.claimed).await?;
            let is_spared = budget.is_in_vain || budget.reached().await?.is_some();
            laps.lap(Stage::Judge);
            let summary = match is_spared {
                true => None,
                false => ask::summary(writer, &transcript, reason, budget.meter).await,
            };
            laps.lap(Stage::Ask);
            let handoff = writer.handoff(reason, rule, detail, evidence);
            match writer.leaves_word(reason) {
                true => writer.leave_word(&handoff, &transcript, summary.as_ref()),
                false => writer.hand_off(handoff, &transcript, summary.as_ref()),
            }
        }
    })
}

impl Turn {
    /// Gives the conversation's window as it is once the settlement is applied.
    pub fn window(self, claimed: Claimed, clock: &Clock) -> Vec<Message> {
        let now = clock.now();
        let last = claimed.waiting.last().map_or(0, |message| message.seq);
        let said = self
            .settlement
            .said
            .into_iter()
            .zip(last + 1..)
            .map(|(said, seq)| Message {
                id: MessageId(new_id(now)),
                seq,
                author: said.author,
                text: said.text,
                media: Vec::new(),
                at: now,
                is_poison: false,
            });
        let is_poison = self.settlement.outcome == Outcome::Failed(Failure::Poison);
        let waiting = claimed.waiting.into_iter().map(|message| Message {
            is_poison,
            ..message
        });
        self.remembered
            .into_iter()
            .chain(waiting)
            .chain(said)
            .collect()
    }
}

/// Gives the words of the customer's waiting messages, for who needs them in one piece.
fn joined(waiting: &[Message]) -> String {
    let customer = waiting
        .iter()
        .filter(|message| message.author == Author::Customer);
    customer
        .map(|message| message.text.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}
