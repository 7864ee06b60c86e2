//! An assistant's targets: tried in order, within one deadline.

mod probe;

use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::dialect::Dialect;
use super::format::{self, Manner};
use super::lenient::Text;
use super::target::Got;
use super::verdict::{LEAST, Left, Verdict, verdict};
use super::{
    Answered, Completed, Fault, FaultKind, Meter, Question, Ruler, Target, Turn, object, think,
};
use crate::clock::Clock;
use crate::domain::ConversationId;
use crate::metrics;
use crate::redact::Private;
use crate::retry;

pub use probe::{Probed, Said};

/// The longest first wait before the same target is asked again; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(400);

/// The longest such wait: a customer is waiting too.
const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// Parts that customers are told apart by for a share: percent.
const PARTS: u64 = 100;

/// An assistant's targets. Cloning gives another handle on the same targets.
#[derive(Clone, Debug)]
pub struct Lineup {
    targets: Vec<Target>,
    shares: Vec<(usize, u64)>,
    deadline: Duration,
    pub(super) clock: Clock,
    metrics: metrics::Assistant,
}

/// On whose account a model is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The customer's key, which decides on the target to begin with.
    pub customer: &'a str,
    /// The conversation.
    pub conversation: ConversationId,
    /// What adds up the cost.
    pub meter: &'a Meter,
}

/// Says why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered<E> {
    /// The question could not be made.
    #[error(transparent)]
    Composing(E),
    /// No target answered; this is what the last of them said.
    #[error("{0}")]
    Fault(Fault),
}

/// What a run over the targets gave.
struct Run<'a, T> {
    got: Got<T>,
    target: &'a Target,
    attempts: u32,
    elapsed: Duration,
}

/// A target that is still to be tried, and how.
pub(super) struct Try<'a> {
    pub(super) target: &'a Target,
    retries: u32,
    pub(super) is_shrunk: bool,
    pub(super) is_roomy: bool,
}

impl Lineup {
    /// Makes a lineup of `targets`, at least one, in the order in which they are tried. `shares` names some of them by
    /// place, with the percentage of customers whose turns begin with that target. `deadline` bounds a whole answer.
    pub fn new(
        targets: Vec<Target>,
        shares: Vec<(usize, u64)>,
        deadline: Duration,
        clock: Clock,
    ) -> Self {
        Self {
            targets,
            shares,
            deadline,
            clock,
            metrics: metrics::Assistant::default(),
        }
    }

    /// Counts its answers from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Assistant) -> Self {
        Self { metrics, ..self }
    }

    /// Gives the name of the model that this customer's turns ask first, as the configuration has it.
    pub fn model(&self, customer: &str) -> Option<&str> {
        self.order(customer).next().map(Target::model)
    }

    /// Gives what estimates the tokens of the target that this customer's turns ask first.
    pub fn ruler(&self, customer: &str) -> Ruler {
        let first = self.order(customer).next();
        first.map(Target::ruler).cloned().unwrap_or_default()
    }

    /// Asks for an answer. The question is made anew for each attempt: while a model thinks, nothing of it is held.
    pub async fn answer<E>(
        &self,
        compose: impl Fn() -> Result<Question, E>,
        asking: &Asking<'_>,
    ) -> Result<Answered, Unanswered<E>> {
        let prepare = |manner: Manner<'_>, is_shrunk: bool| {
            let mut question = compose()?;
            if is_shrunk {
                halve(&mut question.turns);
            }
            let body = format::question(manner, &question);
            let rules = question.rules;
            let read = move |text: &Text| object::answer(&text.text, text.is_cut, &rules);
            Ok((body, read))
        };
        let run = self.run(prepare, self.deadline, asking).await?;
        let is_fallback = !self.is_first(run.target, asking.customer);
        self.metrics.answered_after(run.attempts, is_fallback);
        Ok(Answered {
            answer: run.got.read,
            usage: run.got.usage,
            model: run.got.model,
            elapsed: run.elapsed,
            is_fallback,
            target: run.target.name().to_owned(),
            attempts: run.attempts,
        })
    }

    /// Asks for plain text about a conversation, within `limit`.
    pub async fn complete(
        &self,
        system: &str,
        turns: &[Turn],
        limit: Duration,
        asking: &Asking<'_>,
    ) -> Result<Completed, Fault> {
        let prepare = |manner: Manner<'_>, is_shrunk: bool| {
            let mut turns = turns.to_vec();
            if is_shrunk {
                halve(&mut turns);
            }
            Ok::<_, Infallible>((format::text(manner, system, &turns), plain))
        };
        let run = self.run(prepare, limit, asking).await;
        let run = run.map_err(|unanswered| match unanswered {
            Unanswered::Composing(never) => match never {},
            Unanswered::Fault(fault) => fault,
        })?;
        Ok(Completed {
            text: Private(run.got.read),
            usage: run.got.usage,
            model: run.got.model,
            elapsed: run.elapsed,
        })
    }

    /// Tries the targets until one gives what can be read, none is left, or there is no more time.
    async fn run<T, R, E>(
        &self,
        prepare: impl Fn(Manner<'_>, bool) -> Result<(Value, R), E>,
        limit: Duration,
        asking: &Asking<'_>,
    ) -> Result<Run<'_, T>, Unanswered<E>>
    where
        R: FnOnce(&Text) -> Result<T, FaultKind>,
    {
        let started = self.clock.elapsed();
        let left = || limit.saturating_sub(self.clock.elapsed().saturating_sub(started));
        let mut queue: Vec<_> = self.order(asking.customer).map(Try::new).collect();
        let (mut attempts, mut last) = (0, resting());
        while let Some(place) = self.ready(&queue, &left, asking).await {
            let another = queue.len() > 1;
            let Some(next) = queue.get_mut(place) else {
                break;
            };
            let target = next.target;
            // To wait for a slot is a part of the attempt: who waits behind a slow target is slow, too.
            let until = left().saturating_sub(target.attempt_within(another));
            let slot = target.slot(left().saturating_sub(until)).await;
            let most = left().saturating_sub(until);
            let Some(slot) = slot.filter(|_| !most.is_zero()) else {
                last = no_slot();
                queue.remove(place);
                continue;
            };
            let Some(pass) = target.pass() else {
                continue;
            };
            let dialect = target.dialect();
            let manner = target.manner(dialect, next.is_roomy);
            let (body, read) = prepare(manner, next.is_shrunk).map_err(Unanswered::Composing)?;
            attempts += 1;
            let called = target.call(body, most, asking.meter, read).await;
            drop(slot);
            target.note(pass, called.as_ref().err(), most);
            let fault = match called {
                Ok(got) => {
                    let elapsed = self.clock.elapsed().saturating_sub(started);
                    return Ok(Run {
                        got,
                        target,
                        attempts,
                        elapsed,
                    });
                }
                Err(fault) => fault,
            };
            if left() < LEAST || !next.mend(&fault, dialect) {
                let left = Left {
                    retries: next.retries,
                    another,
                    time: left(),
                    backoff: backoff(attempts, asking),
                };
                match verdict(&fault, left) {
                    Verdict::Again(wait) => {
                        next.retries -= 1;
                        self.clock.sleep(wait).await;
                    }
                    Verdict::Next => drop(queue.remove(place)),
                    Verdict::Stop => queue.clear(),
                }
            }
            last = fault;
        }
        Err(Unanswered::Fault(last))
    }

    /// Gives the place of the first target that does not rest, and waits for one where that is in time.
    async fn ready(
        &self,
        queue: &[Try<'_>],
        left: impl Fn() -> Duration,
        asking: &Asking<'_>,
    ) -> Option<usize> {
        for look in 1.. {
            let rests: Vec<_> = queue.iter().map(|next| next.target.rests()).collect();
            if left().is_zero() {
                return None;
            }
            if let Some(place) = rests.iter().position(Option::is_none) {
                return Some(place);
            }
            // Those who wait for the same target come one by one.
            let wait = rests.into_iter().flatten().min()? + backoff(look, asking);
            if wait.saturating_add(LEAST) > left() {
                return None;
            }
            self.clock.sleep(wait).await;
        }
        None
    }

    /// Gives the targets in the order in which this customer's turns try them.
    pub(super) fn order(&self, customer: &str) -> impl Iterator<Item = &Target> {
        let first = self.first(customer);
        let others = self.targets.iter().enumerate();
        let others = others.filter(move |(place, _)| *place != first);
        let first = self.targets.get(first).into_iter();
        first.chain(others.map(|(_, target)| target))
    }

    /// Gives the place of the target that this customer's turns begin with: the same one each time.
    fn first(&self, customer: &str) -> usize {
        if self.shares.is_empty() {
            return 0;
        }
        let hash = Sha256::digest(customer.as_bytes());
        let [a, b, c, d, ..] = hash.0;
        let part = (u64::from(u32::from_be_bytes([a, b, c, d])) * PARTS) >> 32;
        let mut end = 0;
        let chosen = self.shares.iter().find(|(_, share)| {
            end += share;
            part < end
        });
        chosen.map_or(0, |(place, _)| *place)
    }

    fn is_first(&self, target: &Target, customer: &str) -> bool {
        let first = self.order(customer).next();
        first.is_some_and(|first| first.name() == target.name())
    }
}

impl<'a> Try<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self {
            target,
            retries: target.retries(),
            is_shrunk: false,
            is_roomy: false,
        }
    }

    /// Changes the request so that this fault does not come again. Each change is made once.
    pub(super) fn mend(&mut self, fault: &Fault, dialect: Dialect) -> bool {
        match fault.kind {
            FaultKind::BadRequest => {
                let refused = dialect.refused_by(fault.named);
                refused.map(|field| self.target.do_without(field)).is_some()
            }
            FaultKind::ContextLength => !std::mem::replace(&mut self.is_shrunk, true),
            FaultKind::Empty | FaultKind::Truncated => {
                let is_limited = fault.is_cut && dialect.token_limit_field.is_some();
                is_limited && !std::mem::replace(&mut self.is_roomy, true)
            }
            _ => false,
        }
    }
}

pub(super) fn resting() -> Fault {
    Fault {
        code: Some("resting".to_owned()),
        ..FaultKind::Overloaded.into()
    }
}

pub(super) fn no_slot() -> Fault {
    Fault {
        code: Some("no_slot".to_owned()),
        ..FaultKind::Overloaded.into()
    }
}

fn backoff(attempt: u32, asking: &Asking<'_>) -> Duration {
    let doubled = BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(8));
    retry::jitter(doubled.min(BACKOFF_MAX), attempt, asking.conversation.0)
}

pub(super) fn plain(text: &Text) -> Result<String, FaultKind> {
    let text = think::strip(&text.text).trim().to_owned();
    match text.is_empty() {
        true => Err(FaultKind::Empty),
        false => Ok(text),
    }
}

/// Drops the older half of what was said, by length; of one thing alone, its end.
pub(super) fn halve(turns: &mut Vec<Turn>) {
    let length: usize = turns.iter().map(|turn| turn.text.len()).sum();
    let mut kept = 0;
    let fits = |turn: &&Turn| {
        kept += turn.text.len();
        kept <= length / 2
    };
    let count = turns.iter().rev().take_while(fits).count();
    let surplus = turns.len() - count.clamp(1, turns.len().max(1)).min(turns.len());
    turns.drain(..surplus);
    if count == 0
        && let Some(turn) = turns.last_mut()
    {
        let half = turn.text.chars().count() / 2;
        turn.text = Private(turn.text.chars().take(half.max(1)).collect());
    }
}

#[cfg(test)]
mod tests;
