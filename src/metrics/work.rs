//! What is counted about the gateway's own work: doors, turns, deliveries, the store's writer.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::Closed;
use super::parts::{Book, OUTSIDE, OWN, Sizes, Tally, Timing, WRITES};

/// The doors that somebody without the right secret can stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doorway {
    /// Where messages arrive.
    Inbound,
    /// Where a desk acts.
    Desk,
    /// Where operators act.
    Operator,
}

impl Doorway {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Desk => "desk",
            Self::Operator => "operator",
        }
    }
}

/// What a panic was caught in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A request to one of our doors.
    Door,
    /// A turn.
    Turn,
    /// A delivery.
    Delivery,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Door => "door",
            Self::Turn => "turn",
            Self::Delivery => "delivery",
        }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// What it decided is on disk.
    Settled,
    /// The ground had shifted; nothing was changed.
    Stale,
    /// A newer message cut it short.
    Superseded,
    /// It went back undecided: the store failed, or the gateway stops.
    GivenBack,
}

impl TurnEnd {
    const ALL: [Self; 4] = [
        Self::Settled,
        Self::Stale,
        Self::Superseded,
        Self::GivenBack,
    ];

    /// Gives the word that is counted and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Stale => "stale",
            Self::Superseded => "superseded",
            Self::GivenBack => "given_back",
        }
    }
}

/// The steps of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What was said before is looked up.
    Gather,
    /// Phrase rules are looked for.
    Screen,
    /// The model is asked.
    Ask,
    /// Its answer is judged, and what follows written out; for a handoff with the model's summary.
    Judge,
    /// All of it goes to disk.
    Settle,
}

/// How an attempt to send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken.
    Sent,
    /// It was not, and is tried again.
    Retry,
    /// Nobody knows.
    Unknown,
    /// It was refused for good.
    Dead,
}

impl Attempt {
    const ALL: [Self; 4] = [Self::Sent, Self::Retry, Self::Unknown, Self::Dead];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retry => "retry",
            Self::Unknown => "unknown",
            Self::Dead => "dead",
        }
    }
}

/// Counts what the gateway does.
#[derive(Clone, Debug, Default)]
pub struct Work {
    auth_failures: Tally,
    panics: Tally,
    turns: Tally,
    stages: [Timing; 5],
    turn_overhead: Timing,
    delivery_overhead: Timing,
    attempts: [(&'static str, Tally); 2],
    possible_duplicates: Counter,
    recovered: Counter,
    handoffs_ended: Tally,
    handoffs_unanswered: Counter,
    desk_acts: Tally,
}

impl Work {
    pub(super) fn register(book: &mut Book, closed: &Closed) -> Self {
        let doors = [Doorway::Inbound, Doorway::Desk, Doorway::Operator].map(Doorway::as_str);
        let parts = [Part::Door, Part::Turn, Part::Delivery].map(Part::as_str);
        let turn_ends = TurnEnd::ALL.map(TurnEnd::as_str);
        let attempts = book.counters(
            "delivery_attempts",
            "Attempts to send a reply (lane braze) or a desk's event (lane desk)",
        );
        let lane = |lane| {
            let words = Attempt::ALL.map(Attempt::as_str);
            (
                lane,
                Tally::new(&attempts, Some(("lane", lane)), "result", &words),
            )
        };
        let attempts = [lane("braze"), lane("desk")];
        let mut list = |name: &str, help: &str, key, words: &[&'static str]| {
            Tally::new(&book.counters(name, help), None, key, words)
        };
        Self {
            auth_failures: list(
                "auth_failures",
                "Requests without the right secret",
                "door",
                &doors,
            ),
            panics: list("panics", "Panics that were caught", "part", &parts),
            turns: list("turns", "Turns by how they ended", "result", &turn_ends),
            handoffs_ended: list(
                "handoffs_ended",
                "Conversations that came back to the assistant",
                "reason",
                &closed.ends,
            ),
            desk_acts: list(
                "desk_acts",
                "What desks have done with conversations",
                "act",
                &closed.acts,
            ),
            attempts,
            handoffs_unanswered: book.counter(
                "handoffs_unanswered",
                "Handoffs that nobody acknowledged in time",
            ),
            possible_duplicates: book.counter(
                "possible_duplicates",
                "Replies that were sent though an earlier attempt may have arrived",
            ),
            recovered: book.counter(
                "recovered",
                "Claims and sends of an earlier process, taken up at the start",
            ),
            ..Self::timings(book)
        }
    }

    /// Registers what takes time; nothing is counted yet.
    fn timings(book: &mut Book) -> Self {
        let stages = book.timings("turn", "Turns by stage", OUTSIDE);
        let overhead = book.timings(
            "overhead",
            "The gateway's own part: of a turn, without the model; of a delivery, without the gate and the request",
            OWN,
        );
        Self {
            stages: ["gather", "screen", "ask", "judge", "settle"]
                .map(|stage| Timing::new(&stages, "stage", stage)),
            turn_overhead: Timing::new(&overhead, "part", "turn"),
            delivery_overhead: Timing::new(&overhead, "part", "delivery"),
            ..Self::default()
        }
    }

    /// Counts a request without the right secret.
    pub fn refused(&self, doorway: Doorway) {
        self.auth_failures.add(doorway.as_str(), 1);
    }

    /// Counts a panic that was caught.
    pub fn panicked(&self, part: Part) {
        self.panics.add(part.as_str(), 1);
    }

    /// Counts a turn.
    pub fn turned(&self, end: TurnEnd) {
        self.turns.add(end.as_str(), 1);
    }

    /// Notes how long a stage of a turn took.
    pub fn stage(&self, stage: Stage, took: Duration) {
        if let Some(timing) = self.stages.get(stage as usize) {
            timing.took(took);
        }
    }

    /// Notes the gateway's own part of a turn.
    pub fn turn_overhead(&self, time: Duration) {
        self.turn_overhead.took(time);
    }

    /// Notes the gateway's own part of a delivery.
    pub fn delivery_overhead(&self, time: Duration) {
        self.delivery_overhead.took(time);
    }

    /// Counts an attempt to send in a lane; `again` says that an earlier one may have arrived.
    pub fn attempted(&self, lane: &'static str, attempt: Attempt, again: bool) {
        for (_, tally) in self.attempts.iter().filter(|(known, _)| *known == lane) {
            tally.add(attempt.as_str(), 1);
        }
        let arrives = matches!(attempt, Attempt::Sent | Attempt::Unknown);
        if again && arrives && lane == "braze" {
            self.possible_duplicates.inc();
        }
    }

    /// Counts what an earlier process had in hand.
    pub fn recovered(&self, count: u64) {
        self.recovered.inc_by(count);
    }

    /// Counts a handoff that nobody acknowledged in time.
    pub fn handoff_unanswered(&self) {
        self.handoffs_unanswered.inc();
    }

    /// Counts what a desk has done.
    pub fn desk_acted(&self, act: &'static str) {
        self.desk_acts.add(act, 1);
    }

    /// Counts a conversation that came back to the assistant.
    pub fn handoff_ended(&self, why: &'static str) {
        self.handoffs_ended.add(why, 1);
    }
}

/// Counts what the store does. Cloning gives another handle on the same counters; the default one
/// counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Store {
    commits: Timing,
    writes: Sizes,
    failures: Counter,
    dropped: Tally,
}

impl Store {
    pub(super) fn register(book: &mut Book, closed: &Closed) -> Self {
        let dropped = book.counters(
            "deliveries_dropped",
            "Deliveries that were held back at the last step",
        );
        Self {
            dropped: Tally::new(&dropped, None, "reason", &closed.suppressions),
            commits: book.timing(
                "store_commit",
                "Transactions of the store's writer, with their sync",
                OWN,
            ),
            writes: book.sizes(
                "store_commit_writes",
                "Writes that shared one transaction",
                WRITES,
            ),
            failures: book.counter("store_commit_failures", "Transactions that failed"),
        }
    }

    /// Counts a transaction of so many writes.
    pub fn committed(&self, took: Duration, writes: usize, failed: bool) {
        self.commits.took(took);
        self.writes.was(writes);
        if failed {
            self.failures.inc();
        }
    }

    /// Counts deliveries that were held back.
    pub fn dropped(&self, why: &'static str, deliveries: u64) {
        self.dropped.add(why, deliveries);
    }
}
