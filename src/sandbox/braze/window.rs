//! Braze's rate limits: counts that start anew with each hour of the clock, or each few seconds.

use std::time::Duration;

use jiff::Timestamp;

/// Which requests share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// All that sends, and most of what reads: 250,000 an hour.
    Sends,
    /// `/users/track`: 3,000 in three seconds.
    Track,
    /// What sets subscriptions: 5,000 a minute.
    Subscriptions,
}

/// The limits of a workspace.
pub(super) struct Windows {
    sends: Window,
    track: Window,
    subscriptions: Window,
    is_counting_down: bool,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            sends: Window::default(),
            track: Window::new(3_000, Duration::from_secs(3)),
            subscriptions: Window::new(5_000, Duration::from_mins(1)),
            is_counting_down: false,
        }
    }
}

impl Windows {
    pub(super) fn limit_sends(&mut self, requests: u64, window: Duration) {
        self.sends = Window::new(requests, window);
    }

    pub(super) fn limit_track(&mut self, requests: u64, window: Duration) {
        self.track = Window::new(requests, window);
    }

    /// Says how the limits are told.
    pub(super) fn count_down(&mut self, is_counting_down: bool) {
        self.is_counting_down = is_counting_down;
    }

    /// Counts a request at `now`, if it is inside its limit.
    pub(super) fn take(&mut self, pool: Pool, now: Timestamp) -> Standing {
        let is_counting_down = self.is_counting_down;
        let standing = self.window(pool).take(now);
        standing.told(is_counting_down, now)
    }

    /// Tells how a limit stands at `now`.
    pub(super) fn look(&mut self, pool: Pool, now: Timestamp) -> Standing {
        let is_counting_down = self.is_counting_down;
        let standing = self.window(pool).look(now);
        standing.told(is_counting_down, now)
    }

    fn window(&mut self, pool: Pool) -> &mut Window {
        match pool {
            Pool::Sends => &mut self.sends,
            Pool::Track => &mut self.track,
            Pool::Subscriptions => &mut self.subscriptions,
        }
    }
}

/// A count of requests in a window that stands on the clock.
struct Window {
    limit: u64,
    length_ms: i64,
    start_ms: i64,
    used: u64,
}

/// How a window stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether the request is inside the limit.
    pub(super) is_open: bool,
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// When the count starts anew, in seconds since 1970, rounded up.
    pub(super) reset_s: i64,
    /// How many seconds that is away, where the answer is to say so instead.
    pub(super) left_s: Option<i64>,
}

impl Standing {
    fn told(self, is_counting_down: bool, now: Timestamp) -> Self {
        let left_s = (self.reset_s - now.as_second()).max(0);
        Self {
            left_s: is_counting_down.then_some(left_s),
            ..self
        }
    }

    /// Gives the headers that tell it, without what all their names begin with.
    pub(super) fn headers(self) -> Vec<(&'static str, i64)> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        if let (false, Some(left_s)) = (self.is_open, self.left_s) {
            return vec![("retry-after", left_s)];
        }
        vec![
            ("limit", number(self.limit)),
            ("remaining", number(self.remaining)),
            ("reset", self.left_s.unwrap_or(self.reset_s)),
        ]
    }
}

impl Default for Window {
    /// Gives what Braze allows a workspace.
    fn default() -> Self {
        Self::new(250_000, Duration::from_hours(1))
    }
}

impl Window {
    /// Allows `limit` requests in each window of this length, of at least a millisecond.
    fn new(limit: u64, length: Duration) -> Self {
        Self {
            limit,
            length_ms: i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1),
            start_ms: i64::MIN,
            used: 0,
        }
    }

    /// Counts a request at `now`, if it is inside the limit.
    fn take(&mut self, now: Timestamp) -> Standing {
        self.turn(now);
        let is_open = self.used < self.limit;
        self.used += u64::from(is_open);
        Standing {
            is_open,
            ..self.look(now)
        }
    }

    /// Tells how the window stands at `now`.
    fn look(&mut self, now: Timestamp) -> Standing {
        self.turn(now);
        let end_ms = self.start_ms.saturating_add(self.length_ms);
        Standing {
            is_open: self.used < self.limit,
            limit: self.limit,
            remaining: self.limit - self.used,
            reset_s: end_ms.saturating_add(999).div_euclid(1_000),
            left_s: None,
        }
    }

    fn turn(&mut self, now: Timestamp) {
        let now_ms = now.as_millisecond();
        let start_ms = now_ms - now_ms.rem_euclid(self.length_ms);
        // A request that waited belongs to the window that is open when it is counted.
        if start_ms > self.start_ms {
            self.start_ms = start_ms;
            self.used = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn a_window_stands_on_the_clock() {
        let mut window = Window::default();
        let standing = window.take(at(3_599_999));
        assert_eq!((standing.remaining, standing.reset_s), (249_999, 3_600));
        let standing = window.take(at(3_600_000));
        assert_eq!((standing.remaining, standing.reset_s), (249_999, 7_200));
    }

    #[test]
    fn the_limit_holds_to_the_end_of_the_window() {
        let mut window = Window::new(2, Duration::from_millis(500));
        let open = |standing: Standing| standing.is_open;
        assert!(open(window.take(at(1_600))) && open(window.take(at(1_600))));
        let standing = window.take(at(1_999));
        assert_eq!(
            (standing.is_open, standing.remaining, standing.reset_s),
            (false, 0, 2)
        );
        assert!(open(window.take(at(2_000))));
        // What was refused did not count.
        assert_eq!(window.look(at(2_000)).remaining, 1);
    }
}
