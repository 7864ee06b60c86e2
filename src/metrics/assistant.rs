//! What is counted for each assistant: what arrived, what became of it, whom it was handed to.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::Closed;
use super::parts::{
    ATTEMPTS, Book, Counters, Money, Moneys, OWN, Sizes, SizesByLabel, Tally, Timing,
};

/// How a request that brings a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A new message is on disk.
    Accepted,
    /// It is a copy of one that is.
    Duplicate,
    /// It is on disk, and another assistant answers it: two webhook campaigns posted the same message.
    Twin,
    /// It could not be read, and is in quarantine.
    Quarantined,
    /// Its body broke off.
    Broken,
    /// Its body took too long.
    Slow,
    /// Its body is too long.
    TooLarge,
    /// Its body is packed.
    Packed,
    /// Nothing can be stored now; Braze comes again.
    Unavailable,
}

impl Arrival {
    const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Twin,
        Self::Quarantined,
        Self::Broken,
        Self::Slow,
        Self::TooLarge,
        Self::Packed,
        Self::Unavailable,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Twin => "twin",
            Self::Quarantined => "quarantined",
            Self::Broken => "broken",
            Self::Slow => "slow",
            Self::TooLarge => "too_large",
            Self::Packed => "packed",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What a turn took: tokens as the servers told them, and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Billionths of a unit of money.
    pub cost: u64,
}

/// Whose limit a turn met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitOf {
    /// The customer's.
    Customer,
    /// The assistant's.
    Assistant,
}

impl LimitOf {
    const ALL: [Self; 2] = [Self::Customer, Self::Assistant];

    /// Gives the name that is counted and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Assistant => "assistant",
        }
    }
}

/// Counts for one assistant. Cloning gives another handle on the same counters; the default one counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Assistant {
    arrivals: Tally,
    acknowledged: Timing,
    messages: Tally,
    handoffs: Tally,
    guards: Tally,
    tokens: Tally,
    cost: Money,
    limits: Tally,
    pauses: Tally,
    attempts: Sizes,
    by_fallback: Counter,
}

/// The measures that all assistants share.
#[derive(Debug)]
pub(super) struct Assistants {
    arrivals: Counters,
    acknowledged: Timing,
    messages: Counters,
    handoffs: Counters,
    guards: Counters,
    tokens: Counters,
    cost: Moneys,
    limits: Counters,
    pauses: Counters,
    attempts: SizesByLabel,
    by_fallback: Counters,
}

impl Assistants {
    pub(super) fn register(book: &mut Book) -> Self {
        Self {
            arrivals: book.counters("inbound", "Requests that bring a customer's message"),
            acknowledged: book.timing(
                "ack",
                "From a message's arrival to our 202, which says that it is on disk",
                OWN,
            ),
            messages: book.counters(
                "messages",
                "Customers' messages by the outcome that their turn decided",
            ),
            handoffs: book.counters("handoffs", "Conversations handed over to people"),
            guards: book.counters(
                "guards",
                "What was done about answers that were not fit to leave",
            ),
            tokens: book.counters("spent_tokens", "Tokens that an assistant's turns took"),
            cost: book.moneys(
                "spent_cost",
                "What the tokens of an assistant's turns cost by the configured prices",
            ),
            limits: book.counters("limit_reached", "Turns that met a day's limit"),
            pauses: book.counters(
                "conversations_paused",
                "Conversations in which nothing is answered for a while, by why",
            ),
            attempts: book.sizes_by_label(
                "reply_attempts",
                "Calls of models that one answer took, the good one included",
                ATTEMPTS,
            ),
            by_fallback: book.counters(
                "replies_by_fallback",
                "Answers that another model gave than the one asked first",
            ),
        }
    }

    pub(super) fn handle(&self, name: &str, closed: &Closed) -> Assistant {
        let named = Some(("assistant", name));
        let arrivals = Arrival::ALL.map(Arrival::as_str);
        let labels = vec![("assistant", name.to_owned())];
        Assistant {
            arrivals: Tally::new(&self.arrivals, named, "result", &arrivals),
            acknowledged: self.acknowledged.clone(),
            messages: Tally::new(&self.messages, named, "outcome", &closed.outcomes),
            handoffs: Tally::new(&self.handoffs, named, "reason", &closed.reasons),
            guards: Tally::new(&self.guards, named, "did", &closed.guards),
            tokens: Tally::new(&self.tokens, named, "direction", &["input", "output"]),
            cost: Money::new(&self.cost, &labels),
            limits: Tally::new(
                &self.limits,
                named,
                "of",
                &LimitOf::ALL.map(LimitOf::as_str),
            ),
            pauses: Tally::new(&self.pauses, named, "reason", &closed.pauses),
            attempts: Sizes::of(&self.attempts, &labels),
            by_fallback: self.by_fallback.get_or_create_owned(&labels),
        }
    }
}

impl Assistant {
    /// Counts a request that brought a message, `took` after it came.
    pub fn arrived(&self, arrival: Arrival, took: Duration) {
        self.arrivals.add(arrival.as_str(), 1);
        if arrival == Arrival::Accepted {
            self.acknowledged.took(took);
        }
    }

    /// Counts messages that got an outcome.
    pub fn settled(&self, outcome: &'static str, messages: usize) {
        self.messages
            .add(outcome, u64::try_from(messages).unwrap_or(u64::MAX));
    }

    /// Counts what a turn took.
    pub fn spent(&self, took: Took) {
        self.tokens.add("input", took.input_tokens);
        self.tokens.add("output", took.output_tokens);
        self.cost.add(took.cost);
    }

    /// Counts a turn that met a limit.
    pub fn limited(&self, of: LimitOf) {
        self.limits.add(of.as_str(), 1);
    }

    /// Counts a conversation that is paused from now on.
    pub fn paused(&self, reason: &'static str) {
        self.pauses.add(reason, 1);
    }

    /// Counts what a guard did.
    pub fn guarded(&self, did: &'static str) {
        self.guards.add(did, 1);
    }

    /// Counts a conversation that was handed to people.
    pub fn handed_off(&self, reason: &'static str) {
        self.handoffs.add(reason, 1);
    }

    /// Counts an answer: how many calls of models it took, and whether another gave it than the one asked first.
    pub fn answered_after(&self, attempts: u32, by_fallback: bool) {
        self.attempts
            .was(usize::try_from(attempts).unwrap_or(usize::MAX));
        if by_fallback {
            self.by_fallback.inc();
        }
    }
}
