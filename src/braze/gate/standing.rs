//! What Braze said last about its limits, and what follows from it: pure, with the time as an argument.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::clock::later;
use crate::domain::Priority;

/// How long the gate stays shut after a 429 that does not say. Braze's shortest window is 3 s; this is a safe few.
pub(super) const SHUT_UNTOLD: Duration = Duration::from_secs(10);

/// How long a 429 shuts the gate at least.
pub(super) const SHUT_AT_LEAST: Duration = Duration::from_secs(1);

/// How long a header can shut the gate: Braze's longest window is the clock hour.
pub(super) const SHUT_AT_MOST: Duration = Duration::from_hours(1);

/// Beyond this, `x-ratelimit-reset` is seconds since 1970; below, seconds from now.
const EPOCH_FROM: i64 = 1_000_000_000;

/// Of the pool, one part in so many is kept for notices and people's words: 5,000 of Braze's 250,000 an hour.
const RESERVED: u64 = 50;

/// A pool of which less than one part in so many is left is low: what is left is spread over the time that is left.
const LOW: u64 = 5;

/// Two resets that lie closer are those of one window: one of the two forms is rounded to seconds.
const SAME_WINDOW: Duration = Duration::from_secs(3);

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It may, now.
    Go,
    /// Not before this time; then it is to be asked again.
    WaitUntil(Timestamp),
}

/// What Braze's headers said about the pool of requests that everything in a workspace shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    /// How many requests a window has, where that was told.
    limit: Option<u64>,
    /// How many are left, less those that have passed since.
    remaining: u64,
    /// When the window ends; Braze's stand on the clock hour.
    resets_at: Timestamp,
}

/// How a gate stands: everything that decides but the quota.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Until when it is shut, where it ever was.
    pub(super) shut_until: Option<Timestamp>,
    pool: Option<Pool>,
    last: Option<Timestamp>,
}

impl Pool {
    /// Reads the headers of an answer; nothing where they do not tell what is left and until when.
    pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let resets_at = from_header(number(headers, "x-ratelimit-reset")?, now)?;
        if resets_at <= now {
            return None;
        }
        Some(Self {
            limit: number(headers, "x-ratelimit-limit").and_then(|limit| u64::try_from(limit).ok()),
            remaining: u64::try_from(number(headers, "x-ratelimit-remaining")?).ok()?,
            resets_at: resets_at.min(later(now, SHUT_AT_MOST)),
        })
    }

    /// Gives what is left for words of this priority.
    fn usable(&self, priority: Priority) -> u64 {
        let reserved = match priority {
            Priority::Notice | Priority::Agent => 0,
            Priority::Assistant | Priority::Apology => self.limit.unwrap_or_default() / RESERVED,
        };
        self.remaining.saturating_sub(reserved)
    }

    fn is_low(&self) -> bool {
        let limit = self.limit.unwrap_or_default();
        self.remaining.saturating_mul(LOW) < limit
    }

    /// Gives the time between two requests that makes what is left last until the reset.
    fn spacing(&self, usable: u64, now: Timestamp) -> Duration {
        let left = Duration::try_from(self.resets_at.duration_since(now)).unwrap_or_default();
        left / u32::try_from(usable.max(1)).unwrap_or(u32::MAX)
    }
}

impl Standing {
    /// Decides whether words of this priority may go.
    pub(super) fn step(&self, priority: Priority, now: Timestamp) -> Step {
        if let Some(opens) = self.shut_until.filter(|until| *until > now) {
            return Step::WaitUntil(opens);
        }
        let Some(pool) = self.pool(now) else {
            return Step::Go;
        };
        let usable = pool.usable(priority);
        if usable == 0 {
            return Step::WaitUntil(pool.resets_at);
        }
        let is_urgent = matches!(priority, Priority::Notice | Priority::Agent);
        match self.last.filter(|_| pool.is_low() && !is_urgent) {
            Some(last) => match later(last, pool.spacing(usable, last)).min(pool.resets_at) {
                next if next > now => Step::WaitUntil(next),
                _ => Step::Go,
            },
            None => Step::Go,
        }
    }

    /// Notes that a request has passed: the pool is asked for what is not answered yet, too.
    pub(super) fn passed(&mut self, now: Timestamp) {
        self.last = Some(now);
        if let Some(pool) = &mut self.pool {
            pool.remaining = pool.remaining.saturating_sub(1);
        }
    }

    /// Notes what an answer told. Within a window what is left only shrinks: answers overtake one another.
    pub(super) fn heard(&mut self, told: Pool, now: Timestamp) {
        let known = self.pool(now);
        let known = known.filter(|pool| later(pool.resets_at, SAME_WINDOW) >= told.resets_at);
        self.pool = Some(match known {
            Some(known) => Pool {
                remaining: told.remaining.min(known.remaining),
                ..told
            },
            None => told,
        });
    }

    /// Shuts the gate until `time`, unless it is shut for longer already.
    pub(super) fn shut(&mut self, time: Timestamp) {
        self.shut_until = Some(self.shut_until.map_or(time, |until| until.max(time)));
    }

    /// Gives how many requests are left in the window that is on, where Braze has told.
    pub(super) fn headroom(&self, now: Timestamp) -> Option<u64> {
        self.pool(now).map(|pool| pool.remaining)
    }

    /// Gives the requests a second to which a low pool slows the assistants down, where it does.
    pub(super) fn pace(&self, now: Timestamp) -> Option<f64> {
        let pool = self.pool(now).filter(Pool::is_low)?;
        let usable = pool.usable(Priority::Assistant);
        Some(1.0 / pool.spacing(usable, now).as_secs_f64().max(f64::EPSILON))
    }

    /// Gives the pool of the window that is on; what was told of one that is over says nothing.
    fn pool(&self, now: Timestamp) -> Option<Pool> {
        self.pool.filter(|pool| pool.resets_at > now)
    }
}

/// Tells until when an answer shuts the gate.
pub(super) fn reopening(status: u16, headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let spent = number(headers, "x-ratelimit-remaining") == Some(0);
    if status != 429 && !spent {
        return None;
    }
    let told = [
        "x-ratelimit-retry-after",
        "retry-after",
        "x-ratelimit-reset",
    ]
    .into_iter()
    .find_map(|name| number(headers, name))
    .and_then(|value| from_header(value, now));
    match (told, status) {
        (None, 429) => Some(later(now, SHUT_UNTOLD)),
        // A reset that is over, or clocks that differ, must not make us ask again at once.
        (Some(until), 429) => {
            Some(until.clamp(later(now, SHUT_AT_LEAST), later(now, SHUT_AT_MOST)))
        }
        (told, _) => told
            .filter(|until| *until > now)
            .map(|until| until.min(later(now, SHUT_AT_MOST))),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Reads seconds from now, or seconds since 1970 where they are too many for that.
fn from_header(value: i64, now: Timestamp) -> Option<Timestamp> {
    match value {
        EPOCH_FROM.. => Timestamp::from_second(value).ok(),
        0.. => Some(later(now, Duration::from_secs(value.unsigned_abs()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const START: i64 = 2_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(START + seconds).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    /// Gives how a gate stands after an answer at the second 0, and a request at the second `last`.
    fn standing(limit: u64, remaining: u64, last: i64) -> Standing {
        let told = headers(&[
            ("x-ratelimit-limit", &limit.to_string()),
            ("x-ratelimit-remaining", &remaining.to_string()),
            ("x-ratelimit-reset", &(START + 1_000).to_string()),
        ]);
        let mut standing = Standing::default();
        standing.heard(Pool::read(&told, at(0)).unwrap(), at(0));
        standing.last = Some(at(last));
        standing
    }

    #[rstest]
    #[case::plenty(1_000, 900, Priority::Assistant, Step::Go)]
    #[case::at_the_edge(1_000, 200, Priority::Assistant, Step::Go)]
    // 1,000 s for 100 requests, of which 20 are kept: one each 12.5 s.
    #[case::low(
        1_000,
        100,
        Priority::Assistant,
        Step::WaitUntil(later(at(0), Duration::from_millis(12_500)))
    )]
    #[case::low_for_a_notice(1_000, 100, Priority::Notice, Step::Go)]
    #[case::only_the_reserve(1_000, 20, Priority::Assistant, Step::WaitUntil(at(1_000)))]
    #[case::the_reserve_for_a_notice(1_000, 20, Priority::Notice, Step::Go)]
    #[case::the_reserve_for_people(1_000, 1, Priority::Agent, Step::Go)]
    #[case::nothing_for_anybody(1_000, 0, Priority::Notice, Step::WaitUntil(at(1_000)))]
    #[case::a_small_pool_keeps_nothing_back(10, 1, Priority::Assistant, Step::WaitUntil(at(1_000)))]
    fn what_is_left_is_spread_over_the_time_that_is_left(
        #[case] limit: u64,
        #[case] remaining: u64,
        #[case] priority: Priority,
        #[case] step: Step,
    ) {
        let standing = standing(limit, remaining, 0);
        assert_eq!(standing.step(priority, at(0)), step);
        assert_eq!(
            standing.step(priority, at(1_000)),
            Step::Go,
            "a new window says nothing of the old one"
        );
    }

    #[test]
    fn a_pool_shrinks_with_each_request_and_grows_with_a_new_window_alone() {
        let mut standing = standing(1_000, 900, 0);
        standing.passed(at(1));
        assert_eq!(standing.headroom(at(1)), Some(899));
        let told = |remaining: u64, reset: i64| Pool {
            limit: Some(1_000),
            remaining,
            resets_at: at(reset),
        };
        standing.heard(told(950, 1_002), at(2));
        assert_eq!(standing.headroom(at(2)), Some(899), "an answer of before");
        standing.heard(told(400, 1_000), at(3));
        assert_eq!(standing.headroom(at(3)), Some(400), "others spend, too");
        standing.heard(told(1_000, 2_000), at(4));
        assert_eq!(standing.headroom(at(4)), Some(1_000));
        assert_eq!(standing.headroom(at(2_000)), None);
    }

    #[test]
    fn both_forms_of_the_reset_are_read() {
        for (reset, expected) in [("30", Some(30)), ("2000000030", Some(30)), ("0", None)] {
            let told = headers(&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", reset)]);
            let pool = Pool::read(&told, at(0));
            assert_eq!(pool.map(|pool| pool.resets_at), expected.map(at), "{reset}");
        }
        for pairs in [
            &[("x-ratelimit-remaining", "7")][..],
            &[("x-ratelimit-reset", "30")],
            &[("x-ratelimit-remaining", "-7"), ("x-ratelimit-reset", "30")],
            &[("x-ratelimit-remaining", "x"), ("x-ratelimit-reset", "30")],
        ] {
            assert_eq!(Pool::read(&headers(pairs), at(0)), None, "{pairs:?}");
        }
    }
}
