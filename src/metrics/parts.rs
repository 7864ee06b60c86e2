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

/// Bounds for the attempts at one reply: each target of an assistant is asked a few times at most.
pub(super) const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];

/// Bounds for whole calls of a model, as the convention for such measures has them.
pub(super) const SHARED_SECONDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// Bounds for the tokens of a call, as the convention for such measures has them.
pub(super) const SHARED_TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Billionths in one unit of money.
const NANOS: f64 = 1e9;

/// The labels of one series: made at the start, never for an event.
pub(super) type Labels = Vec<(&'static str, String)>;

/// Counters with the same labels' names.
pub(super) type Counters = Family<Labels, Counter>;

/// Gauges with the same labels' names.
pub(super) type Gauges = Family<Labels, Gauge>;

/// Histograms with the same bounds and labels' names.
pub(super) type Timings = Family<Labels, Histogram, Bounds>;

/// Histograms of sizes with the same bounds and labels' names.
pub(super) type SizesByLabel = Timings;

/// Sums of money with the same labels' names.
pub(super) type Moneys = Family<Labels, Counter<f64, AtomicU64>>;

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
        Self::of(timings, &vec![(key, value.to_owned())])
    }

    /// Makes the series of these labels.
    pub(super) fn of(timings: &Timings, labels: &Labels) -> Self {
        Self(timings.get_or_create_owned(labels))
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
    /// Makes the series of these labels.
    pub(super) fn of(sizes: &SizesByLabel, labels: &Labels) -> Self {
        Self(sizes.get_or_create_owned(labels))
    }

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

/// Adds up money.
#[derive(Clone, Debug, Default)]
pub(super) struct Money(Counter<f64, AtomicU64>);

impl Money {
    /// Makes the series of these labels.
    pub(super) fn new(moneys: &Moneys, labels: &Labels) -> Self {
        Self(moneys.get_or_create_owned(labels))
    }

    /// Adds so many billionths of a unit.
    pub(super) fn add(&self, nanos: u64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a call's cost is far below what a float holds exactly"
        )]
        let units = nanos as f64 / NANOS;
        self.0.inc_by(units);
    }
}

/// Where measures are written down, each with its help.
#[derive(Debug)]
pub(super) struct Book(pub(super) Registry);

impl Book {
    pub(super) fn new() -> Self {
        Self(Registry::with_prefix(PREFIX))
    }

    /// Makes one whose measures have whole names of their own.
    pub(super) fn without_prefix() -> Self {
        Self(Registry::default())
    }

    /// Counts events; `_total` is added to the name.
    pub(super) fn counters(&mut self, name: &str, help: &str) -> Counters {
        let counters = Counters::default();
        self.0.register(name, help, counters.clone());
        counters
    }

    /// Adds up money; `_total` is added to the name.
    pub(super) fn moneys(&mut self, name: &str, help: &str) -> Moneys {
        let moneys = Moneys::default();
        self.0.register(name, help, moneys.clone());
        moneys
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

    /// Takes sizes of several things, in what the name says.
    pub(super) fn sizes_by_label(
        &mut self,
        name: &str,
        help: &str,
        bounds: &'static [f64],
    ) -> SizesByLabel {
        let sizes = SizesByLabel::new_with_constructor(Bounds(bounds));
        self.0.register(name, help, sizes.clone());
        sizes
    }

    /// Takes sizes, in what the name says.
    pub(super) fn sizes(&mut self, name: &str, help: &str, bounds: &'static [f64]) -> Sizes {
        let histogram = Bounds(bounds).new_metric();
        self.0.register(name, help, histogram.clone());
        Sizes(histogram)
    }
}
