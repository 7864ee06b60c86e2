//! The pieces that measures are made of: tallies over closed lists, timings, and the book where each is written down.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What every measure's name begins with.
pub(super) const PREFIX: &str = "frontdesk";

/// Bounds for what the gateway does itself: a commit takes milliseconds, and ten seconds is far beyond what is well.
pub(super) const OWN: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bounds for waits on others, up to the longest deadline of a model and the usual life of a reply.
pub(super) const OUTSIDE: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0, 300.0,
    900.0,
];

/// Bounds for the writes of one commit, up to the most that share one.
pub(super) const WRITES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The labels of one series: made at the start, never for an event.
pub(super) type Labels = Vec<(&'static str, String)>;

/// Counters with the same labels' names.
pub(super) type Counters = Family<Labels, Counter>;

/// A counter of what comes in fractions.
pub(super) type Amount = Counter<f64, AtomicU64>;

/// Such counters with the same labels' names.
pub(super) type Amounts = Family<Labels, Amount>;

/// Gauges with the same labels' names.
pub(super) type Gauges = Family<Labels, Gauge>;

/// Histograms with the same bounds and labels' names.
pub(super) type Timings = Family<Labels, Histogram, Bounds>;

/// Makes histograms with these bounds.
#[derive(Clone, Debug)]
pub(super) struct Bounds(&'static [f64]);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// Counts by the words of a closed list. All series are there from the start, at zero, so that the first event shows in a
/// rate; and to count is one atomic addition.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<[(&'static str, Counter)]>);

impl Tally {
    /// Makes the counters for one name, one for each word.
    pub(super) fn new(
        counters: &Counters,
        name: Option<(&'static str, &str)>,
        key: &'static str,
        words: &[&'static str],
    ) -> Self {
        let counter = |word: &&'static str| {
            let name = name.map(|(key, name)| (key, name.to_owned()));
            let labels: Labels = name
                .into_iter()
                .chain([(key, (*word).to_owned())])
                .collect();
            (*word, counters.get_or_create_owned(&labels))
        };
        Self(words.iter().map(counter).collect())
    }

    /// Adds to the counter of a word. A word that is not on the list is an error of the caller's, seen in tests.
    pub(super) fn add(&self, word: &'static str, by: u64) {
        let counter = self.0.iter().find(|(known, _)| *known == word);
        debug_assert!(
            self.0.is_empty() || counter.is_some(),
            "`{word}` is on no list"
        );
        if let Some((_, counter)) = counter {
            counter.inc_by(by);
        }
    }
}

/// Takes how long something took.
#[derive(Clone, Debug)]
pub(super) struct Timing(Histogram);

impl Timing {
    /// Makes the series of one label.
    pub(super) fn new(timings: &Timings, key: &'static str, value: &str) -> Self {
        Self(timings.get_or_create_owned(&vec![(key, value.to_owned())]))
    }

    pub(super) fn took(&self, time: Duration) {
        self.0.observe(time.as_secs_f64());
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self(Bounds(OUTSIDE).new_metric())
    }
}

/// Takes how large something was.
#[derive(Clone, Debug)]
pub(super) struct Sizes(Histogram);

impl Sizes {
    pub(super) fn was(&self, size: usize) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.0.observe(f64::from(size));
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self(Bounds(WRITES).new_metric())
    }
}

/// Where measures are written down, each with its help.
#[derive(Debug)]
pub(super) struct Book(pub(super) Registry);

impl Book {
    pub(super) fn new() -> Self {
        Self(Registry::with_prefix(PREFIX))
    }

    /// Counts events; `_total` is added to the name.
    pub(super) fn counters(&mut self, name: &str, help: &str) -> Counters {
        let counters = Counters::default();
        self.0.register(name, help, counters.clone());
        counters
    }

    /// Adds up what comes in fractions; `_total` is added to the name.
    pub(super) fn amounts(&mut self, name: &str, help: &str) -> Amounts {
        let amounts = Amounts::default();
        self.0.register(name, help, amounts.clone());
        amounts
    }

    /// Shows how many there are.
    pub(super) fn gauges(&mut self, name: &str, help: &str) -> Gauges {
        let gauges = Gauges::default();
        self.0.register(name, help, gauges.clone());
        gauges
    }

    /// Counts events without a label.
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.0.register(name, help, counter.clone());
        counter
    }

    /// Times things; `_seconds` is added to the name.
    pub(super) fn timings(&mut self, name: &str, help: &str, bounds: &'static [f64]) -> Timings {
        let timings = Timings::new_with_constructor(Bounds(bounds));
        self.0
            .register_with_unit(name, help, Unit::Seconds, timings.clone());
        timings
    }

    /// Times one thing; `_seconds` is added to the name.
    pub(super) fn timing(&mut self, name: &str, help: &str, bounds: &'static [f64]) -> Timing {
        let histogram = Bounds(bounds).new_metric();
        self.0
            .register_with_unit(name, help, Unit::Seconds, histogram.clone());
        Timing(histogram)
    }

    /// Takes sizes, in what the name says.
    pub(super) fn sizes(&mut self, name: &str, help: &str, bounds: &'static [f64]) -> Sizes {
        let histogram = Bounds(bounds).new_metric();
        self.0.register(name, help, histogram.clone());
        Sizes(histogram)
    }
}
