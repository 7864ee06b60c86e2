//! Faults on demand: what a service does on a bad day, for as many requests as a test wants.

use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;

use super::lock;

/// Plans that may wait at once: more than any scenario needs, few enough to look through at each request.
const PLANS_MAX: usize = 1_000;

/// What goes wrong, with which requests, and how often.
///
/// A plan with nothing but a delay or headers changes the true answer, and some faults spoil only how it travels; any
/// other fault replaces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long after its arrival the request is answered, in the stand-in's time.
    pub delay: Duration,
    /// What comes instead of the answer.
    pub fault: Option<Fault>,
    /// Headers to set on the answer, or to take off it (`None`).
    pub headers: BTreeMap<String, Option<String>>,
    /// Sets `x-ratelimit-remaining` to 0 and `x-ratelimit-reset` to so many seconds from the answer.
    pub reset_in_s: Option<u32>,
    /// Whether the request has its effect all the same, so that only the answer is lost.
    pub taken: bool,
    /// How many requests it is for; `None` until it is cleared.
    pub times: Option<u32>,
    /// Only requests that have this text in their body.
    pub when: Option<String>,
}

/// What comes instead of an answer, or becomes of it on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with the body that the service gives with it.
    Status(u16),
    /// 200, with a body that is neither JSON nor text.
    Garbage,
    /// The connection closes without an answer, after the request was read.
    Reset,
    /// Nothing, until the caller gives up or the stand-in stops.
    Hang,
    /// The headers of the true answer at once, then a byte of its body a second, in the stand-in's time.
    Drip,
    /// The headers of the true answer, then nothing, until the caller gives up or the stand-in stops.
    Stall,
    /// The headers and half the body of the true answer, then the connection breaks.
    Cut,
}

impl Fault {
    /// Tells whether the true answer is on its way and only its travel goes wrong.
    pub(super) fn spares_the_answer(self) -> bool {
        matches!(self, Self::Drip | Self::Stall | Self::Cut)
    }
}

impl FromStr for Fault {
    type Err = &'static str;

    /// Reads the name of a fault that needs no number.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "garbage" => Self::Garbage,
            "reset" => Self::Reset,
            "hang" => Self::Hang,
            "drip" => Self::Drip,
            "stall" => Self::Stall,
            "cut" => Self::Cut,
            _ => return Err("expected `garbage`, `reset`, `hang`, `drip`, `stall` or `cut`"),
        })
    }
}

impl Plan {
    /// Answers with this status.
    pub fn status(status: u16) -> Self {
        Self::from(Fault::Status(status))
    }

    /// Answers late.
    pub fn delay(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// Answers with what nobody can read.
    pub fn garbage() -> Self {
        Self::from(Fault::Garbage)
    }

    /// Closes the connection without an answer.
    pub fn reset() -> Self {
        Self::from(Fault::Reset)
    }

    /// Never answers.
    pub fn hang() -> Self {
        Self::from(Fault::Hang)
    }

    /// Sends the headers at once and then a byte a second.
    pub fn drip() -> Self {
        Self::from(Fault::Drip)
    }

    /// Sends the headers and then nothing.
    pub fn stall() -> Self {
        Self::from(Fault::Stall)
    }

    /// Breaks the connection in the middle of the body.
    pub fn cut() -> Self {
        Self::from(Fault::Cut)
    }

    /// Answers 429 and says when the limit is reset, in seconds from then.
    pub fn rate_limited(reset_in_s: u32) -> Self {
        Self {
            reset_in_s: Some(reset_in_s),
            ..Self::status(429)
        }
    }

    /// Answers 429 in the other manner of Braze: the seconds to wait, and none of the usual three headers.
    pub fn rate_limited_for(seconds: u32) -> Self {
        let gone =
            ["limit", "remaining", "reset"].map(|name| (format!("x-ratelimit-{name}"), None));
        let mut plan = Self::status(429);
        plan.headers.extend(gone);
        plan.header("x-ratelimit-retry-after", &seconds.to_string())
    }

    /// Limits the plan to so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Limits the plan to requests with this text in their body.
    #[must_use]
    pub fn when(mut self, text: &str) -> Self {
        self.when = Some(text.to_owned());
        self
    }

    /// Sets a header on the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    /// Lets the request have its effect, so that only the answer is lost.
    #[must_use]
    pub fn taken(mut self) -> Self {
        self.taken = true;
        self
    }

    /// Gives the headers to set and to take off, for an answer that leaves at `now`.
    pub(super) fn headers_at(&self, now: Timestamp) -> BTreeMap<String, Option<String>> {
        let mut headers = self.headers.clone();
        if let Some(seconds) = self.reset_in_s {
            let reset = (now.as_second() + i64::from(seconds)).to_string();
            headers.insert("x-ratelimit-remaining".to_owned(), Some("0".to_owned()));
            headers.insert("x-ratelimit-reset".to_owned(), Some(reset));
        }
        headers
    }
}

impl From<Fault> for Plan {
    fn from(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }
}

/// A plan as it is posted to `/_sandbox/faults`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field for each word that a person types"
)]
pub(super) struct PlanJson {
    status: Option<u16>,
    delay_ms: u64,
    hang: bool,
    garbage: bool,
    reset: bool,
    drip: bool,
    stall: bool,
    cut: bool,
    headers: BTreeMap<String, Option<String>>,
    reset_in_s: Option<u32>,
    taken: bool,
    times: Option<u32>,
    when: Option<String>,
}

impl PlanJson {
    /// Gives the plan, or says what is wrong with it.
    pub(super) fn plan(self) -> Result<Plan, &'static str> {
        let mut faults = [
            self.status.map(Fault::Status),
            self.garbage.then_some(Fault::Garbage),
            self.reset.then_some(Fault::Reset),
            self.hang.then_some(Fault::Hang),
            self.drip.then_some(Fault::Drip),
            self.stall.then_some(Fault::Stall),
            self.cut.then_some(Fault::Cut),
        ]
        .into_iter()
        .flatten();
        let fault = faults.next();
        if faults.next().is_some() {
            return Err("name one fault, not several");
        }
        if matches!(fault, Some(Fault::Status(status)) if !(200..600).contains(&status)) {
            return Err("`status` must be from 200 to 599");
        }
        let plan = Plan {
            delay: Duration::from_millis(self.delay_ms),
            fault,
            headers: self.headers,
            reset_in_s: self.reset_in_s,
            taken: self.taken,
            times: self.times,
            when: self.when,
        };
        let no_effect = plan.fault.is_none()
            && plan.delay.is_zero()
            && plan.headers.is_empty()
            && plan.reset_in_s.is_none();
        let bad_header = plan.headers.iter().any(|(name, value)| {
            name.parse::<HeaderName>().is_err()
                || value
                    .as_ref()
                    .is_some_and(|value| value.parse::<HeaderValue>().is_err())
        });
        match (no_effect, bad_header) {
            (true, _) => Err("nothing in it would go wrong"),
            (_, true) => Err("`headers` has a name or a value that HTTP does not allow"),
            _ => Ok(plan),
        }
    }
}

/// The plans of one stand-in, and the doors that a test holds shut.
#[derive(Default)]
pub(super) struct Faults {
    plans: Mutex<VecDeque<Plan>>,
    held: Arc<watch::Sender<usize>>,
}

impl Faults {
    /// Adds a plan behind those that are there; at the limit the oldest goes.
    pub(super) fn add(&self, plan: Plan) {
        let mut plans = lock(&self.plans);
        if plans.len() == PLANS_MAX {
            plans.pop_front();
        }
        plans.push_back(plan);
    }

    /// Drops all plans.
    pub(super) fn clear(&self) {
        lock(&self.plans).clear();
    }

    /// Tells how many plans are still to be used.
    pub(super) fn count(&self) -> usize {
        lock(&self.plans).len()
    }

    /// Gives the first plan that is for a request with this body, and uses it once.
    pub(super) fn take(&self, body: &[u8]) -> Option<Plan> {
        let mut plans = lock(&self.plans);
        let index = plans.iter().position(|plan| match &plan.when {
            Some(text) => String::from_utf8_lossy(body).contains(text.as_str()),
            None => true,
        })?;
        let plan = plans.get_mut(index)?;
        let found = plan.clone();
        match &mut plan.times {
            Some(times) if *times <= 1 => drop(plans.remove(index)),
            Some(times) => *times -= 1,
            None => {}
        }
        Some(found)
    }

    /// Shuts the door until the guard is dropped.
    pub(super) fn hold(&self) -> Hold {
        self.held.send_modify(|held| *held += 1);
        Hold(Arc::clone(&self.held))
    }

    /// Waits while somebody holds the door.
    pub(super) async fn pass(&self) {
        drop(self.held.subscribe().wait_for(|held| *held == 0).await);
    }
}

/// Keeps requests waiting until it is dropped.
#[must_use = "dropping it lets the requests go"]
pub struct Hold(Arc<watch::Sender<usize>>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

#[cfg(test)]
mod tests;
