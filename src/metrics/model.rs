//! What is counted for each model: by our own names, and by those that dashboards of all gateways share.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::outside::Waiting;
use super::parts::{
    Book, Counters, Gauges, Labels, Money, Moneys, OUTSIDE, SHARED_SECONDS, SHARED_TOKENS, Sizes,
    SizesByLabel, Tally, Timing, Timings,
};
use super::{Closed, GenAi, ModelNames};

/// What a call of a model counts as where there is no fault.
const ANSWERED: &str = "answered";

/// What it counts as where nobody waited for its end.
const CANCELLED: &str = "cancelled";

/// What a call that nobody waits for counts as, whatever its fault: a running summary.
const SUMMARY: &str = "summary";

/// What it counts as where it failed.
const SUMMARY_FAILED: &str = "summary_failed";

/// What a model's server told about one call; `None` where it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// What was read, in all.
    pub input: Option<u64>,
    /// What was written, reasoning included.
    pub output: Option<u64>,
    /// What of the input came out of the server's cache.
    pub cached: Option<u64>,
    /// What of the output was reasoning.
    pub reasoning: Option<u64>,
}

/// Whether a model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It is.
    Closed,
    /// One call tries whether it works again.
    HalfOpen,
    /// It is not, since it failed too often.
    Open,
}

impl Breaker {
    /// Gives the number that is shown: the higher, the worse.
    const fn shown(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// Counts for one model. Cloning gives another handle on the same counters; the default one counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Model {
    requests: Tally,
    seconds: Timing,
    tokens: Tally,
    under_way: Gauge,
    breaker: Gauge,
    opened: Counter,
    waiting: Gauge,
    cost: Money,
    untold: Counter,
    shared: Shared,
}

/// What is counted by the names that others use, too.
#[derive(Clone, Debug, Default)]
struct Shared {
    answered: Timing,
    failed: Vec<(&'static str, Timing)>,
    /// Input and output.
    sizes: [Sizes; 2],
    /// Input, output, cached, reasoning; where the convention counts them.
    counts: Option<[Counter; 4]>,
}

impl Model {
    /// Counts a call as under way until what this gives is ended or dropped.
    pub fn calls(&self) -> Calling {
        self.under_way.inc();
        Calling {
            model: Some(self.clone()),
            is_aside: false,
        }
    }

    /// Counts the tokens that the server told.
    pub fn used(&self, tokens: Tokens) {
        self.tokens.add("input", tokens.input.unwrap_or_default());
        self.tokens.add("output", tokens.output.unwrap_or_default());
        for (sizes, told) in self.shared.sizes.iter().zip([tokens.input, tokens.output]) {
            if let Some(told) = told {
                sizes.was(usize::try_from(told).unwrap_or(usize::MAX));
            }
        }
        let told = [tokens.input, tokens.output, tokens.cached, tokens.reasoning];
        for (count, told) in self.shared.counts.iter().flatten().zip(told) {
            count.inc_by(told.unwrap_or_default());
        }
    }

    /// Counts an answer whose server told no tokens.
    pub fn untold(&self) {
        self.untold.inc();
    }

    /// Counts what a call cost, in billionths of a unit of money.
    pub fn cost(&self, nanos: u64) {
        self.cost.add(nanos);
    }

    /// Shows whether the model is asked.
    pub fn state(&self, state: Breaker) {
        self.breaker.set(state.shown());
    }

    /// Counts that it is asked no more for a while.
    pub fn opened(&self) {
        self.opened.inc();
    }

    /// Counts a call among those that wait for room, for as long as what this gives is kept.
    pub fn waits(&self) -> Waiting {
        Waiting::counted(&self.waiting)
    }
}

/// A call of a model that is under way.
#[derive(Debug)]
pub struct Calling {
    model: Option<Model>,
    is_aside: bool,
}

impl Calling {
    /// Makes it one that no customer waits for.
    #[must_use]
    pub fn aside(mut self) -> Self {
        self.is_aside = true;
        self
    }

    /// Counts how it ended.
    pub fn ended(mut self, took: Duration, fault: Option<&'static str>) {
        if let Some(model) = self.model.take() {
            let result = match (self.is_aside, fault) {
                (false, None) => ANSWERED,
                (false, Some(fault)) => fault,
                (true, None) => SUMMARY,
                (true, Some(_)) => SUMMARY_FAILED,
            };
            model.requests.add(result, 1);
            model.seconds.took(took);
            model.under_way.dec();
            model.shared.took(took, fault);
        }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if let Some(model) = self.model.take() {
            model.requests.add(CANCELLED, 1);
            model.under_way.dec();
        }
    }
}

impl Shared {
    fn took(&self, took: Duration, fault: Option<&'static str>) {
        let Some(fault) = fault else {
            return self.answered.took(took);
        };
        for (_, timing) in self.failed.iter().filter(|(known, _)| *known == fault) {
            timing.took(took);
        }
    }
}

/// The measures that all models share.
#[derive(Debug)]
pub(super) struct Models {
    requests: Counters,
    seconds: Timings,
    tokens: Counters,
    calls: Gauges,
    breakers: Gauges,
    opened: Counters,
    waiting: Gauges,
    cost: Moneys,
    untold: Counters,
    convention: Convention,
}

/// The measures that have the names of a convention.
#[derive(Debug)]
struct Convention {
    names: GenAi,
    seconds: Timings,
    sizes: [SizesByLabel; 2],
    counts: Option<[Counters; 4]>,
}

impl Models {
    pub(super) fn register(book: &mut Book, shared: &mut Book, names: GenAi) -> Self {
        Self {
            requests: book.counters(
                "model_requests",
                "Calls of a model: answered, cancelled since nobody waited any more, or the kind of fault",
            ),
            seconds: book.timings("model", "Whole calls of a model", OUTSIDE),
            tokens: book.counters("model_tokens", "Tokens, where the model's server tells them"),
            calls: book.gauges("model_calls", "Calls of a model that are under way"),
            breakers: book.gauges(
                "model_breaker",
                "Whether a model is asked: 0 it is, 1 one call tries whether it works again, 2 it is not",
            ),
            opened: book.counters(
                "model_breaker_opened",
                "Times that a model was asked no more for a while, since it had failed too often",
            ),
            waiting: book.gauges("model_waiting", "Calls that wait for room at a model now"),
            cost: book.moneys(
                "model_cost",
                "What a model's calls cost by the configured prices, in their currency",
            ),
            untold: book.counters("model_untold", "Answers whose server told no tokens"),
            convention: Convention::register(shared, names),
        }
    }

    pub(super) fn handle(&self, model: &ModelNames<'_>, closed: &Closed) -> Model {
        let named = Some(("model", model.name));
        let labels = vec![("model", model.name.to_owned())];
        let results: Vec<_> = [ANSWERED, CANCELLED, SUMMARY, SUMMARY_FAILED]
            .into_iter()
            .chain(closed.faults.iter().copied())
            .collect();
        Model {
            requests: Tally::new(&self.requests, named, "result", &results),
            seconds: Timing::new(&self.seconds, "model", model.name),
            tokens: Tally::new(&self.tokens, named, "direction", &["input", "output"]),
            under_way: self.calls.get_or_create_owned(&labels),
            breaker: self.breakers.get_or_create_owned(&labels),
            opened: self.opened.get_or_create_owned(&labels),
            waiting: self.waiting.get_or_create_owned(&labels),
            cost: Money::new(&self.cost, &labels),
            untold: self.untold.get_or_create_owned(&labels),
            shared: self.convention.handle(&model.labels, closed),
        }
    }
}

impl Convention {
    fn register(book: &mut Book, names: GenAi) -> Self {
        let help = "Tokens of a call, where the model's server tells them";
        let [(input, _), (output, _)] = names.sizes;
        let first = book.sizes_by_label(input, help, SHARED_TOKENS);
        // One name for both means one family with a label that tells them apart.
        let second = match input == output {
            true => first.clone(),
            false => book.sizes_by_label(output, help, SHARED_TOKENS),
        };
        Self {
            seconds: book.timings(names.duration, "Whole calls of a model", SHARED_SECONDS),
            sizes: [first, second],
            counts: names.counts.map(|counts| {
                counts
                    .map(|name| book.counters(name, "Tokens, where the model's server tells them"))
            }),
            names,
        }
    }

    fn handle(&self, labels: &Labels, closed: &Closed) -> Shared {
        let with = |more: Option<(&'static str, &'static str)>| -> Labels {
            let more = more.map(|(key, value)| (key, value.to_owned()));
            labels.iter().cloned().chain(more).collect()
        };
        let [input, output] = &self.sizes;
        let [(_, first), (_, second)] = self.names.sizes;
        let failed = closed.faults.iter().map(|fault| {
            let labels = with(Some((self.names.error_type, fault)));
            (*fault, Timing::of(&self.seconds, &labels))
        });
        Shared {
            answered: Timing::of(&self.seconds, labels),
            failed: failed.collect(),
            sizes: [(input, first), (output, second)]
                .map(|(sizes, label)| Sizes::of(sizes, &with(label))),
            counts: self
                .counts
                .as_ref()
                .map(|counts| std::array::from_fn(|at| counts[at].get_or_create_owned(labels))),
        }
    }
}
