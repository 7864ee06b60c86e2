//! How much a customer writes: limits of messages, and the brake for machines that write to each other.
//!
//! What is counted stands in memory, so a restart forgets it, which only makes the limits kinder. What must not be
//! forgotten, that a conversation is paused and the customer was told so, stands in the store ([`Pause`]).

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::brake::{BrakeTerms, Trail};
use super::shape::Shape;
use crate::clock::{Clock, later};
use crate::domain::{Conversation, ConversationId, Message, Pause, PauseReason};

/// How long a conversation rests at least when its messages came too fast: the time that the limit is counted in.
const MINUTE: Duration = Duration::from_mins(1);

/// How long it rests at least when there were too many in a day: the first messages of the next day would find no room.
const HOUR: Duration = Duration::from_hours(1);

const DAY: Duration = Duration::from_hours(24);

/// Looks after which what nobody needs any more is forgotten: seldom enough to cost nothing.
const SWEEP_EVERY: u32 = 1_024;

/// Conversations that are followed at once, some hundred bytes each. Beyond them new ones are not, until others are over.
const TRAILS_MAX: usize = 100_000;

/// How much a customer may write to an assistant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTerms {
    /// Messages a minute.
    pub a_minute: Option<NonZeroU32>,
    /// Messages in 24 hours.
    pub a_day: Option<NonZeroU32>,
    /// What makes a loop; nothing for no brake.
    pub brake: Option<BrakeTerms>,
}

/// Why the assistant does not answer a turn's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What it is about.
    pub why: PauseReason,
    /// The pause that begins, or goes on for longer.
    pub pause: Option<Pause>,
    /// Whether the customer has been told.
    pub is_told: bool,
}

type Keyed =
    RateLimiter<ConversationId, HashMapStateStore<ConversationId>, Ticks, NoOpMiddleware<Nanos>>;

/// Governor's view of our clock.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// Follows how much the customers of an assistant write.
pub struct Flow {
    terms: FlowTerms,
    minute: Option<Keyed>,
    day: Option<Keyed>,
    followed: Mutex<Followed>,
}

#[derive(Default)]
struct Followed {
    looks: u32,
    conversations: HashMap<ConversationId, One>,
}

/// One conversation.
#[derive(Default)]
struct One {
    /// The newest message that was counted: a turn that is begun again does not count its messages twice.
    counted: i64,
    trail: Trail,
}

impl Flow {
    /// Follows nobody yet.
    pub fn new(terms: FlowTerms, clock: &Clock) -> Self {
        let limiter = |quota| RateLimiter::hashmap_with_clock(quota, Ticks(clock.clone()));
        let daily = |most: NonZeroU32| {
            let period = DAY.checked_div(most.get()).unwrap_or(DAY);
            Quota::with_period(period).map(|quota| quota.allow_burst(most))
        };
        Self {
            terms,
            minute: terms.a_minute.map(|most| limiter(Quota::per_minute(most))),
            day: terms.a_day.and_then(daily).map(limiter),
            followed: Mutex::default(),
        }
    }

    /// Counts the messages of a turn. Gives why they are not to be answered, where that is so.
    pub(super) fn meet(
        &self,
        conversation: &Conversation,
        waiting: &[Message],
        is_automatic: impl Fn(&str) -> bool,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Option<Hold> {
        let pause = conversation.pause;
        if self.terms == FlowTerms::default() {
            return held(pause, None, now);
        }
        let mut followed = self.followed();
        followed.sweep(self, now);
        let one = followed.follow(conversation.id)?;
        let new = waiting.partition_point(|message| message.seq <= one.counted);
        let new = waiting.get(new..).unwrap_or_default();
        one.counted = new.last().map_or(one.counted, |message| message.seq);
        let over = self.over(conversation.id, new.len(), zone, now);
        let is_paused = pause.is_some_and(|pause| pause.until > now);
        if is_paused || over.is_some() || new.is_empty() {
            return held(pause, over, now);
        }
        let brake = self.terms.brake?;
        // What came before a pause has been dealt with.
        if pause.is_some_and(|pause| !one.trail.goes_on_after(pause.until)) {
            one.trail = Trail::default();
        }
        let texts = || new.iter().map(|message| message.text.as_str());
        let is_automatic = texts().any(is_automatic);
        let is_loop = one.trail.add(brake, now, Shape::of(texts()), is_automatic);
        is_loop.then(|| Hold::begins(PauseReason::Loop, later(now, brake.pause)))
    }

    /// Takes so many messages out of what a customer may write. Gives until when to rest where that is too much.
    fn over(
        &self,
        conversation: ConversationId,
        messages: usize,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let messages = NonZeroU32::new(u32::try_from(messages).unwrap_or(u32::MAX))?;
        let fits =
            |limiter: &Keyed| matches!(limiter.check_key_n(&conversation, messages), Ok(Ok(())));
        if self.day.as_ref().is_some_and(|limiter| !fits(limiter)) {
            return Some(next_day(zone, now).max(later(now, HOUR)));
        }
        let is_over = self.minute.as_ref().is_some_and(|limiter| !fits(limiter));
        is_over.then(|| later(now, MINUTE))
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    /// Gives what is known of a conversation; nothing where there is no room for one more.
    fn follow(&mut self, id: ConversationId) -> Option<&mut One> {
        let is_full = self.conversations.len() >= TRAILS_MAX;
        if is_full && !self.conversations.contains_key(&id) {
            return None;
        }
        Some(self.conversations.entry(id).or_default())
    }

    /// Forgets, now and then, what nobody needs any more.
    fn sweep(&mut self, flow: &Flow, now: Timestamp) {
        self.looks += 1;
        if self.looks < SWEEP_EVERY {
            return;
        }
        self.looks = 0;
        for limiter in flow.minute.iter().chain(&flow.day) {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.conversations.retain(|_, one| !one.trail.is_over(now));
        self.conversations.shrink_to_fit();
    }
}

impl Hold {
    fn begins(why: PauseReason, until: Timestamp) -> Self {
        Self {
            why,
            pause: Some(Pause { reason: why, until }),
            is_told: false,
        }
    }
}

/// Decides by the pause that is on record and by the time until which the customer writes too much. Who writes on at that
/// pace is not told again: the pause goes on.
fn held(pause: Option<Pause>, over: Option<Timestamp>, now: Timestamp) -> Option<Hold> {
    let Some(pause) = pause.filter(|pause| pause.until > now) else {
        return over.map(|until| Hold::begins(PauseReason::RateLimited, until));
    };
    Some(Hold {
        why: pause.reason,
        pause: over
            .filter(|until| *until > pause.until)
            .map(|until| Pause { until, ..pause }),
        is_told: true,
    })
}

fn next_day(zone: &TimeZone, now: Timestamp) -> Timestamp {
    let tomorrow = now.to_zoned(zone.clone()).tomorrow();
    let begins = tomorrow.and_then(|tomorrow| tomorrow.start_of_day());
    begins.map_or_else(|_| later(now, DAY), |begins| begins.timestamp())
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flow").field(&self.terms).finish()
    }
}
