//! How the stand-in behaves over time: how late, how often it fails, when it is shut. All of it is the same on every run.

use std::str::FromStr;
use std::time::Duration;

use super::hint::Hint;

/// How late answers are, by percentiles; between two of them each latency is as likely as the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency([Duration; 5]);

/// The shares of answers that come within the latencies, in ten-thousandths.
const PERCENTILES: [u64; 5] = [0, 5_000, 9_000, 9_500, 9_900];

impl Latency {
    /// Makes all answers equally late.
    pub fn always(latency: Duration) -> Self {
        Self([latency; 5])
    }

    /// Makes a latency of the 50th, 90th, 95th and 99th percentile, none below the one before. The fastest answers take
    /// half of the first, the slowest as long as the last.
    pub fn percentiles([p50, p90, p95, p99]: [Duration; 4]) -> Result<Self, &'static str> {
        let latencies = [p50 / 2, p50, p90, p95, p99];
        match latencies.is_sorted() {
            true => Ok(Self(latencies)),
            false => Err("no percentile may be below the one before"),
        }
    }

    /// Gives the latency at `share` of all answers, in ten-thousandths.
    fn at(self, share: u64) -> Duration {
        let mut below = (0, self.0[0]);
        for above in PERCENTILES.into_iter().zip(self.0) {
            if share < above.0 {
                let width = u32::try_from(above.0 - below.0).unwrap_or(1);
                let step = u32::try_from(share - below.0).unwrap_or_default();
                return below.1 + above.1.saturating_sub(below.1) * step / width;
            }
            below = above;
        }
        below.1
    }
}

impl FromStr for Latency {
    type Err = &'static str;

    /// Reads `P50:P90:P95:P99` in milliseconds, or one number for all.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected P50:P90:P95:P99 in milliseconds, or one number for all";
        let millis = text
            .split(':')
            .map(|part| part.parse().map(Duration::from_millis));
        let millis: Vec<_> = millis.collect::<Result<_, _>>().map_err(|_| EXPECTED)?;
        match millis.as_slice() {
            [all] => Ok(Self::always(*all)),
            [p50, p90, p95, p99] => Self::percentiles([*p50, *p90, *p95, *p99]),
            _ => Err(EXPECTED),
        }
    }
}

/// How many of a hundred questions get a status in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The share, 0 to 100.
    pub percent: u8,
    /// The status.
    pub status: u16,
}

impl FromStr for Failing {
    type Err = &'static str;

    /// Reads `PERCENT`, or `PERCENT:STATUS`; 503 where none is named.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (percent, status) = text.split_once(':').unwrap_or((text, "503"));
        let percent = percent.parse().ok().filter(|percent| *percent <= 100);
        let percent = percent.ok_or("expected PERCENT or PERCENT:STATUS, from 0 to 100")?;
        let status = self::status(status)?;
        Ok(Self { percent, status })
    }
}

/// A time in which every question gets a status in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it begins, from when the behaviour was set.
    pub from: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// The status.
    pub status: u16,
    /// How the server says how long to wait; `None` for its own way.
    pub hint: Option<Hint>,
}

impl Window {
    /// Tells how long the window will still last; `None` outside it.
    pub(super) fn left(&self, since: Duration) -> Option<Duration> {
        let end = self.from.saturating_add(self.lasts);
        (self.from..end)
            .contains(&since)
            .then(|| end.saturating_sub(since))
    }
}

impl FromStr for Window {
    type Err = &'static str;

    /// Reads `FROM:FOR`, `FROM:FOR:STATUS` or `FROM:FOR:STATUS:HINT`, in seconds; 429 where no status is named.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected FROM:FOR, FROM:FOR:STATUS or FROM:FOR:STATUS:HINT, in seconds";
        let seconds = |text: &str| text.parse().map(Duration::from_secs).map_err(|_| EXPECTED);
        let parts: Vec<&str> = text.split(':').collect();
        let (from, lasts, status, hint) = match parts.as_slice() {
            [from, lasts] => (from, lasts, "429", None),
            [from, lasts, status] => (from, lasts, *status, None),
            [from, lasts, status, hint] => (from, lasts, *status, Some(hint.parse()?)),
            _ => return Err(EXPECTED),
        };
        Ok(Self {
            from: seconds(from)?,
            lasts: seconds(lasts)?,
            status: self::status(status)?,
            hint,
        })
    }
}

fn status(text: &str) -> Result<u16, &'static str> {
    let status = text
        .parse()
        .ok()
        .filter(|status| (400..600).contains(status));
    status.ok_or("expected a status from 400 to 599")
}

/// What a seed has in store for one question: two numbers below ten thousand.
pub(super) struct Lot {
    latency: u64,
    failing: u64,
}

impl Lot {
    /// Draws for the question with this number.
    pub(super) fn draw(seed: u64, number: u64) -> Self {
        let mixed = mix(mix(seed) ^ number);
        Self {
            latency: mixed % 10_000,
            failing: (mixed >> 32) % 10_000,
        }
    }

    pub(super) fn latency(&self, latency: Latency) -> Duration {
        latency.at(self.latency)
    }

    pub(super) fn fails(&self, failing: Failing) -> bool {
        self.failing < u64::from(failing.percent) * 100
    }
}

/// Scatters a number over all 64 bits (`SplitMix64`): neighbours come far apart, and no crate is needed for that.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
