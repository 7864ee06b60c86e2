//! What becomes of the spans of traces.

use super::parts::{Book, Tally};

/// What became of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanEnd {
    /// The collector took them.
    Exported,
    /// It did not: it is down, too slow, or refused them.
    Failed,
    /// They were not even tried, since too many waited for the collector.
    Dropped,
}

impl SpanEnd {
    const ALL: [Self; 3] = [Self::Exported, Self::Failed, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// Counts spans. Cloning gives another handle on the same counters; the default one counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Spans(Tally);

impl Spans {
    pub(super) fn register(book: &mut Book) -> Self {
        let counters = book.counters(
            "spans",
            "Spans of traces: taken by the collector, not taken, or dropped since too many waited",
        );
        let words = SpanEnd::ALL.map(SpanEnd::as_str);
        Self(Tally::new(&counters, None, "result", &words))
    }

    /// Counts spans by what became of them.
    pub fn ended(&self, end: SpanEnd, spans: usize) {
        self.0
            .add(end.as_str(), u64::try_from(spans).unwrap_or(u64::MAX));
    }
}
