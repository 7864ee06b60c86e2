//! Which hosts are left alone.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{earlier, later};

/// Failures in a moving minute above which a host is left alone.
const FAILURES_MAX: usize = 3_000;

/// The moving minute, and for how long a host is left alone.
const MINUTE: Duration = Duration::from_mins(1);

/// What the hosts that webhooks go to have answered of late.
pub(in super::super) struct Hosts {
    failures_max: usize,
    hosts: BTreeMap<String, Host>,
}

#[derive(Default)]
struct Host {
    failures: VecDeque<Timestamp>,
    halted_until: Option<Timestamp>,
}

impl Default for Hosts {
    fn default() -> Self {
        Self {
            failures_max: FAILURES_MAX,
            hosts: BTreeMap::new(),
        }
    }
}

impl Hosts {
    pub(in super::super) fn halt_above(&mut self, failures: usize) {
        self.failures_max = failures;
    }

    /// Tells whether a host is left alone.
    pub(in super::super) fn is_halted(&self, host: &str, now: Timestamp) -> bool {
        let until = self.hosts.get(host).and_then(|host| host.halted_until);
        until.is_some_and(|until| now < until)
    }

    /// Counts how a try went, by the statuses that Braze counts: 500 is not among them.
    pub(in super::super) fn heard(&mut self, host: &str, status: u16, now: Timestamp) {
        if ![408, 429, 502, 503, 504, 529].contains(&status) {
            return;
        }
        let host = self.hosts.entry(host.to_owned()).or_default();
        host.failures.push_back(now);
        let since = earlier(now, MINUTE);
        while host.failures.front().is_some_and(|at| *at <= since) {
            host.failures.pop_front();
        }
        if host.failures.len() > self.failures_max {
            host.halted_until = Some(later(now, MINUTE));
            host.failures.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_host_is_left_alone_for_a_minute_above_three_thousand_failures_in_one() {
        let mut hosts = Hosts::default();
        let mut fail = |times: usize, status: u16, second: i64| {
            (0..times).for_each(|_| hosts.heard("a", status, at(second)));
            hosts.is_halted("a", at(second))
        };
        // What is no failure to Braze, or older than a minute, counts nothing.
        assert!(!fail(5_000, 500, 0) && !fail(5_000, 400, 0) && !fail(5_000, 599, 0));
        assert!(!fail(3_000, 503, 0) && !fail(3_000, 429, 60));
        assert!(fail(1, 503, 61));
        assert!(hosts.is_halted("a", at(120)) && !hosts.is_halted("a", at(121)));
        assert!(!hosts.is_halted("b", at(61)));
    }
}
