//! An assistant's targets: tried in order, within one deadline.

mod probe;
mod tries;

use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::format::{self, Manner};
use super::lenient::Text;
use super::target::Got;
use super::verdict::{LEAST, Left, Verdict};
use super::{
    Answered, Completed, Fault, FaultKind, Meter, Question, Ruler, Target, Turn, object, think,
};
use crate::clock::Clock;
use crate::domain::ConversationId;
use crate::metrics;
use crate::redact::Private;
use crate::retry;

pub use probe::{Probed, Said};
use tries::others;
pub(super) use tries::{Try, halve};

/// The longest first wait before the same target is asked again; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(400);

/// The longest such wait: a customer is waiting too.
const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// How long one call may take where another target could answer: a hosted model that has not answered by then seldom does,
/// and the other one needs its time too.
const ATTEMPT: Duration = Duration::from_secs(8);

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

    /// Tells whether any of its targets looks at pictures.
    pub fn sees_images(&self) -> bool {
        self.targets.iter().any(Target::sees_images)
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
        // Who asks for less gets less.
        let least = LEAST.min(limit / 2);
        let mut queue: Vec<_> = self.order(asking.customer).map(Try::new).collect();
        let mut attempts = 0;
        let mut why = queue
            .first()
            .map_or_else(no_slot, |next| next.target.resting());
        while let Some(place) = self.ready(&queue, least, &left, asking).await {
            let (another, others) = others(&queue, place);
            let Some(next) = queue.get_mut(place) else {
                break;
            };
            let target = next.target;
            // To wait for a slot is a part of the attempt: who waits behind a slow target is slow, too.
            let (most, asked) = (
                attempt_within(target, another, left()),
                self.clock.elapsed(),
            );
            let slot = target.slot(most).await;
            let most = most.saturating_sub(self.clock.elapsed().saturating_sub(asked));
            let Some(slot) = slot.filter(|_| most >= least) else {
                why = no_slot();
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
            target.note(pass, called.as_ref().err(), most >= self.usual(target) / 2);
            let fault = match called {
                Ok(got) => {
                    next.fitted();
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
            let left = Left {
                retries: next.retries,
                another,
                others,
                time: left(),
                backoff: backoff(attempts, asking),
            };
            match next.after(&fault, dialect, left) {
                Verdict::Again(wait) => self.clock.sleep(wait).await,
                Verdict::Next => drop(queue.remove(place)),
                Verdict::Stop => queue.clear(),
            }
            why = fault;
        }
        Err(Unanswered::Fault(why))
    }

    /// Gives how long a call of this target usually may take.
    fn usual(&self, target: &Target) -> Duration {
        let configured = target.attempt_within();
        configured.unwrap_or(ATTEMPT.min(self.deadline / 2))
    }

    /// Gives the place of the first target that does not rest, and waits for one where that is in time.
    async fn ready(
        &self,
        queue: &[Try<'_>],
        least: Duration,
        left: impl Fn() -> Duration,
        asking: &Asking<'_>,
    ) -> Option<usize> {
        for look in 1.. {
            let rests: Vec<_> = queue.iter().map(|next| next.target.rests()).collect();
            if left() < least {
                return None;
            }
            if let Some(place) = rests.iter().position(Option::is_none) {
                return Some(place);
            }
            // Those who wait for the same target come one by one.
            let wait = rests.into_iter().flatten().min()? + backoff(look, asking);
            if wait.saturating_add(least) > left() {
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

/// Gives how long the next call of this target may take: where another one could answer, only so long that it has
/// its time too.
fn attempt_within(target: &Target, another: bool, left: Duration) -> Duration {
    let shared = another.then(|| ATTEMPT.min(left / 2));
    let most = target.attempt_within().or(shared);
    most.unwrap_or(left).min(left)
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

#[cfg(test)]
mod tests;
