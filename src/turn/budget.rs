//! What an assistant may spend a day, and what becomes of messages when it has.
//!
//! A turn looks before it asks a model, so it can go beyond a limit by what its own calls take. A customer has one turn at
//! a time; of an assistant, as many as `turns.in_flight` may have looked before the first of them is written down.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;

use super::judge::Decision;
use super::{Assistant, joined};
use crate::domain::{Day, HandoffReason, Money, Spending, SpentToday, Suppression};
use crate::metrics::LimitOf;
use crate::model::Meter;
use crate::redact::Private;
use crate::store::{Claimed, Store, StoreError};

/// What may be spent on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Tokens read and written together.
    pub tokens: Option<u64>,
    /// What they cost.
    pub cost: Option<Money>,
}

/// What an assistant may spend on one day, and what happens then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// On one customer.
    pub customer: Limit,
    /// On all of them.
    pub assistant: Limit,
    /// What becomes of messages beyond it.
    pub at_limit: AtLimit,
}

/// What becomes of messages at a limit, where no rule answers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// The customer hears so, once a day.
    #[default]
    Reply,
    /// People are asked to take over; where there is no desk, the customer hears so.
    HandOff,
}

/// The last day on which something was noticed, so that it is noticed once a day.
#[derive(Debug, Default)]
pub struct Noticed(Mutex<Option<Date>>);

impl Noticed {
    /// Tells whether this is the first time on that day.
    fn is_first(&self, day: Date) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(day) != Some(day)
    }
}

impl Limit {
    fn is_reached(&self, spent: &Spending) -> bool {
        self.tokens.is_some_and(|limit| spent.tokens() >= limit)
            || self.cost.is_some_and(|limit| spent.cost >= limit)
    }
}

impl Limits {
    /// Tells whose limit is reached, if one is.
    pub(super) fn reached(&self, spent: &SpentToday) -> Option<LimitOf> {
        if self.assistant.is_reached(&spent.assistant) {
            return Some(LimitOf::Assistant);
        }
        let is_reached = self.customer.is_reached(&spent.customer);
        is_reached.then_some(LimitOf::Customer)
    }

    pub(super) fn is_none(&self) -> bool {
        (self.customer, self.assistant) == Default::default()
    }
}

/// What one turn may still spend. The store is asked once, where there is a limit and something is to be spent.
pub(super) struct Budget<'a> {
    assistant: &'a Assistant,
    store: &'a dyn Store,
    claimed: &'a Claimed,
    /// Counts what the turn's calls take.
    pub(super) meter: &'a Meter,
    day: Day,
    before: Option<SpentToday>,
    refused: Option<LimitOf>,
    /// Whether the models were asked in vain: so soon they are not asked for anything else.
    pub(super) is_in_vain: bool,
}

impl<'a> Budget<'a> {
    pub(super) fn new(
        assistant: &'a Assistant,
        store: &'a dyn Store,
        claimed: &'a Claimed,
        now: Timestamp,
        meter: &'a Meter,
    ) -> Self {
        Self {
            assistant,
            store,
            claimed,
            meter,
            day: Day::of(now, &assistant.zone),
            before: None,
            refused: None,
            is_in_vain: false,
        }
    }

    /// Tells whose limit is reached by now, if one is.
    pub(super) async fn reached(&mut self) -> Result<Option<LimitOf>, StoreError> {
        if self.assistant.limits.is_none() {
            return Ok(None);
        }
        let before = self.before().await?;
        let own = self.meter.total();
        Ok(self.assistant.limits.reached(&SpentToday {
            customer: before.customer.plus(own),
            assistant: before.assistant.plus(own),
            ..before
        }))
    }

    /// Gives what is to be done in place of asking the model, where a limit is reached.
    pub(super) async fn refusal(&mut self) -> Result<Option<Decision>, StoreError> {
        let Some(of) = self.reached().await? else {
            return Ok(None);
        };
        let is_told = self.before().await?.is_told;
        let hands_off = self.assistant.limits.at_limit == AtLimit::HandOff;
        let decision = match is_told {
            _ if hands_off && self.assistant.desk.is_some() => Decision::HandOff {
                reason: HandoffReason::Limit,
                rule: None,
                detail: None,
                evidence: Private(joined(&self.claimed.waiting)),
            },
            false => Decision::Limit,
            true => Decision::Suppress(Suppression::Limit),
        };
        self.log(of, is_told);
        self.refused = Some(of);
        Ok(Some(decision))
    }

    /// Tells whose limit kept the turn from asking the model, if one did.
    pub(super) fn refused(&self) -> Option<LimitOf> {
        self.refused
    }

    async fn before(&mut self) -> Result<SpentToday, StoreError> {
        if let Some(before) = self.before {
            return Ok(before);
        }
        let conversation = self.claimed.conversation.id;
        let before = self.store.spent(conversation, self.day).await?;
        self.before = Some(before);
        Ok(before)
    }

    fn log(&self, of: LimitOf, is_told: bool) {
        let Self { assistant, day, .. } = self;
        let (name, day) = (&assistant.name, day.date);
        match of {
            LimitOf::Assistant if assistant.noticed.is_first(day) => {
                tracing::warn!(assistant = name, %day, "the assistant's limit of the day is reached");
            }
            LimitOf::Customer if !is_told => {
                let conversation = self.claimed.conversation.id;
                tracing::warn!(assistant = name, %conversation, %day, "the customer's limit of the day is reached");
            }
            LimitOf::Assistant | LimitOf::Customer => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const fn spent(input_tokens: u64, output_tokens: u64, nanos: u64) -> Spending {
        Spending {
            calls: 1,
            untold: 0,
            input_tokens,
            output_tokens,
            cost: Money::from_nanos(nanos),
        }
    }

    const TOKENS: Limit = Limit {
        tokens: Some(100),
        cost: None,
    };
    const COST: Limit = Limit {
        tokens: None,
        cost: Some(Money::from_nanos(5)),
    };
    const NONE: Limit = Limit {
        tokens: None,
        cost: None,
    };

    #[rstest]
    #[case(NONE, spent(u64::MAX, u64::MAX, u64::MAX), false)]
    #[case(TOKENS, spent(60, 39, 9), false)]
    #[case(TOKENS, spent(60, 40, 0), true)]
    #[case(COST, spent(999, 999, 4), false)]
    #[case(COST, spent(0, 0, 5), true)]
    fn a_limit_is_reached_when_as_much_is_spent(
        #[case] limit: Limit,
        #[case] spent: Spending,
        #[case] is_reached: bool,
    ) {
        assert_eq!(limit.is_reached(&spent), is_reached);
        let limits = Limits {
            customer: limit,
            ..Limits::default()
        };
        let today = SpentToday {
            customer: spent,
            ..SpentToday::default()
        };
        let reached = limits.reached(&today);
        assert_eq!(reached, is_reached.then_some(LimitOf::Customer));
    }

    #[test]
    fn the_assistants_limit_is_told_before_the_customers() {
        let limits = Limits {
            customer: TOKENS,
            assistant: COST,
            at_limit: AtLimit::Reply,
        };
        let today = SpentToday {
            customer: spent(100, 0, 0),
            assistant: spent(0, 0, 5),
            is_told: false,
        };
        assert_eq!(limits.reached(&today), Some(LimitOf::Assistant));
    }

    #[test]
    fn a_day_is_noticed_once() {
        let noticed = Noticed::default();
        let (today, tomorrow) = (Date::constant(2026, 3, 2), Date::constant(2026, 3, 3));
        let days = [today, today, tomorrow, tomorrow];
        assert_eq!(
            days.map(|day| noticed.is_first(day)),
            [true, false, true, false]
        );
    }
}
