//! What an assistant may spend a day, and how much its customers may write: `[assistants.NAME.limits]`.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::Money;
use crate::problem::Problem;
use crate::turn::{AtLimit, BrakeTerms, FlowTerms, Limit, Limits};

/// A limit below one token would never let an answer be written; above a trillion it would limit nothing.
const TOKENS_RANGE: RangeInclusive<u64> = 1..=1_000_000_000_000;

/// A limit below a millionth is a slip of the decimal point, and so is one above a million.
const COST_RANGE: RangeInclusive<f64> = 0.000_001..=1_000_000.0;

/// A limit of messages below one would answer nothing; above a million it would limit nothing.
const MESSAGES_RANGE: RangeInclusive<u32> = 1..=1_000_000;

/// Fewer turns in three minutes are a quick typist's; more than two hundred do not fit into them.
const TURNS_RANGE: RangeInclusive<usize> = 10..=200;

/// One text proves nothing, two can be chance; a hundred are a loop to anybody.
const REPEATS_RANGE: RangeInclusive<u32> = 3..=100;

/// One text that looks automatic may be a person's who is away, so that it must not be enough.
const AUTOMATIC_RANGE: RangeInclusive<u32> = 2..=100;

/// A shorter pause ends no loop; after a day nothing could be answered any more.
const PAUSE_RANGE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24);

/// Billionths in one unit of money.
const NANOS: f64 = 1_000_000_000.0;

/// What an assistant may spend on a calendar day of its time zone. Each limit is none by default.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Tokens read and written for one customer, 1 to a trillion.
    pub customer_tokens_a_day: Option<u64>,
    /// What is spent on one customer, in the currency of the prices, 0.000001 to 1,000,000.
    pub customer_cost_a_day: Option<f64>,
    /// Tokens read and written for all customers, 1 to a trillion.
    pub assistant_tokens_a_day: Option<u64>,
    /// What is spent on all customers, in the currency of the prices, 0.000001 to 1,000,000.
    pub assistant_cost_a_day: Option<f64>,
    /// What becomes of messages at a limit that no rule answers: `reply` (default) tells the customer so, once a day;
    /// `hand_off` asks the desk to take over.
    pub at_limit: LimitPolicy,
    /// Messages that one customer may write a minute, 1 to 1,000,000; who writes more is told so once, and nothing more is
    /// answered until a minute passes in which he keeps to it.
    pub customer_messages_a_minute: Option<u32>,
    /// Messages that one customer may write in 24 hours, 1 to 1,000,000; who writes more is told so once, and nothing more
    /// is answered until the next day of the assistant's time zone, and for an hour at least.
    pub customer_messages_a_day: Option<u32>,
    /// What ends a loop of two machines that write to each other.
    pub brake: BrakeConfig,
}

/// What looks like a machine that answers our answers, and what is done then: `[assistants.NAME.limits.brake]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrakeConfig {
    /// Turns of one conversation within three minutes, 10 to 200. Default 30: a person does not keep up ten a minute.
    pub turns: usize,
    /// Texts one after another, each within a minute, that are nearly the same, 3 to 100; of texts below four words twice
    /// as many. Default 5.
    pub repeats: u32,
    /// Texts one after another that look automatic by the phrases in `rules.toml`, 2 to 100. Default 3.
    pub automatic: u32,
    /// How long nothing is answered then but what a rule decides, 1 min to 24 h; `0s` for no brake. Default 30 min: the other
    /// machine has given up by then, and a person who was taken for one is not lost for the day.
    #[serde(with = "crate::duration")]
    pub pause: Duration,
}

impl Default for BrakeConfig {
    fn default() -> Self {
        Self {
            turns: 30,
            repeats: 5,
            automatic: 3,
            pause: Duration::from_mins(30),
        }
    }
}

impl BrakeConfig {
    fn check(&self) -> Vec<Problem> {
        let wrong = [
            (
                "turns",
                TURNS_RANGE.contains(&self.turns),
                "expected 10 to 200 turns in three minutes",
            ),
            (
                "repeats",
                REPEATS_RANGE.contains(&self.repeats),
                "expected 3 to 100 texts",
            ),
            (
                "automatic",
                AUTOMATIC_RANGE.contains(&self.automatic),
                "expected 2 to 100 texts: one alone can be a person's",
            ),
            (
                "pause",
                self.pause.is_zero() || PAUSE_RANGE.contains(&self.pause),
                "expected 1 min to 24 h, or `0s` for no brake",
            ),
        ];
        let wrong = wrong.into_iter().filter(|(_, is_right, _)| !is_right);
        wrong
            .map(|(key, _, what)| Problem::new(format!("brake.{key}"), what))
            .collect()
    }

    fn terms(self) -> Option<BrakeTerms> {
        let terms = BrakeTerms {
            turns: self.turns,
            repeats: self.repeats,
            automatic: self.automatic,
            pause: self.pause,
        };
        (!self.pause.is_zero()).then_some(terms)
    }
}

/// What becomes of messages at a limit, as the file spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitPolicy {
    /// Tell the customer.
    #[default]
    Reply,
    /// Ask people to take over.
    HandOff,
}

impl LimitsConfig {
    /// Finds what cannot work.
    pub(super) fn check(&self) -> Vec<Problem> {
        let tokens = [
            ("customer_tokens_a_day", self.customer_tokens_a_day),
            ("assistant_tokens_a_day", self.assistant_tokens_a_day),
        ];
        let tokens = tokens.into_iter().filter_map(|(key, limit)| {
            let is_wrong = limit.is_some_and(|limit| !TOKENS_RANGE.contains(&limit));
            is_wrong.then(|| Problem::new(key, "expected 1 to 1,000,000,000,000 tokens"))
        });
        let costs = self.costs().into_iter().filter_map(|(key, limit)| {
            let is_wrong = limit.is_some_and(|limit| !COST_RANGE.contains(&limit));
            is_wrong.then(|| Problem::new(key, "expected 0.000001 to 1,000,000"))
        });
        let messages = [
            (
                "customer_messages_a_minute",
                self.customer_messages_a_minute,
            ),
            ("customer_messages_a_day", self.customer_messages_a_day),
        ];
        let messages = messages.into_iter().filter_map(|(key, limit)| {
            let is_wrong = limit.is_some_and(|limit| !MESSAGES_RANGE.contains(&limit));
            is_wrong.then(|| Problem::new(key, "expected 1 to 1,000,000 messages"))
        });
        let wrong = tokens.chain(costs).chain(messages);
        let wrong = wrong.map(|problem| problem.help("leave it out for no limit"));
        wrong.chain(self.brake.check()).collect()
    }

    /// Gives how much a customer may write.
    pub fn flow(&self) -> FlowTerms {
        FlowTerms {
            a_minute: self.customer_messages_a_minute.and_then(NonZeroU32::new),
            a_day: self.customer_messages_a_day.and_then(NonZeroU32::new),
            brake: self.brake.terms(),
        }
    }

    /// Gives the first limit of money that is set and can be one: it needs prices.
    pub(super) fn first_cost(&self) -> Option<&'static str> {
        let set = |(key, limit): (_, Option<f64>)| {
            limit
                .filter(|limit| COST_RANGE.contains(limit))
                .map(|_| key)
        };
        self.costs().into_iter().find_map(set)
    }

    fn costs(&self) -> [(&'static str, Option<f64>); 2] {
        [
            ("customer_cost_a_day", self.customer_cost_a_day),
            ("assistant_cost_a_day", self.assistant_cost_a_day),
        ]
    }
}

impl From<LimitsConfig> for Limits {
    fn from(config: LimitsConfig) -> Self {
        let limit = |tokens, cost: Option<f64>| Limit {
            tokens,
            cost: cost.map(money),
        };
        Self {
            customer: limit(config.customer_tokens_a_day, config.customer_cost_a_day),
            assistant: limit(config.assistant_tokens_a_day, config.assistant_cost_a_day),
            at_limit: match config.at_limit {
                LimitPolicy::Reply => AtLimit::Reply,
                LimitPolicy::HandOff => AtLimit::HandOff,
            },
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a checked limit is a small number that is not negative"
)]
fn money(units: f64) -> Money {
    Money::from_nanos((units * NANOS).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(toml: &str) -> Vec<String> {
        let config: LimitsConfig = toml::from_str(toml).unwrap();
        let problems = config.check().into_iter();
        problems.map(|problem| problem.key).collect()
    }

    #[test]
    fn nothing_is_limited_where_nothing_is_said() {
        let config: LimitsConfig = toml::from_str("").unwrap();
        assert!(config.check().is_empty() && config.first_cost().is_none());
        assert_eq!(Limits::from(config), Limits::default());
        let flow = config.flow();
        assert_eq!((flow.a_minute, flow.a_day), (None, None));
        assert!(flow.brake.is_some(), "two machines do not write for ever");
    }

    #[test]
    fn a_limit_of_nothing_and_one_beyond_all_bounds_are_named() {
        let all = [
            "customer_tokens_a_day",
            "assistant_tokens_a_day",
            "customer_cost_a_day",
            "assistant_cost_a_day",
        ];
        for (tokens, cost) in [("0", "0.0"), ("1_000_000_000_001", "-1.0"), ("0", "nan")] {
            let toml = format!(
                "customer_tokens_a_day = {tokens}\nassistant_tokens_a_day = {tokens}\n\
                 customer_cost_a_day = {cost}\nassistant_cost_a_day = {cost}"
            );
            assert_eq!(keys(&toml), all, "{tokens} {cost}");
        }
        assert!(toml::from_str::<LimitsConfig>("customer_tokens_a_day = -1").is_err());
        assert!(toml::from_str::<LimitsConfig>("at_limit = 'stop'").is_err());
    }

    #[test]
    fn limits_of_messages_and_the_brake_have_their_bounds() {
        let toml = "customer_messages_a_minute = 0\ncustomer_messages_a_day = 1_000_001\n\
                    brake = { turns = 9, repeats = 2, automatic = 1, pause = '59s' }";
        let all = [
            "customer_messages_a_minute",
            "customer_messages_a_day",
            "brake.turns",
            "brake.repeats",
            "brake.automatic",
            "brake.pause",
        ];
        assert_eq!(keys(toml), all);
        let toml =
            "customer_messages_a_minute = 20\ncustomer_messages_a_day = 200\nbrake.pause = '0s'";
        assert_eq!(keys(toml), [""; 0]);
        let config: LimitsConfig = toml::from_str(toml).unwrap();
        let flow = config.flow();
        let limits = [flow.a_minute, flow.a_day].map(|limit| limit.map(NonZeroU32::get));
        assert_eq!(limits, [Some(20), Some(200)]);
        assert_eq!(flow.brake, None);
    }

    #[test]
    fn money_is_counted_in_billionths() {
        let config: LimitsConfig =
            toml::from_str("customer_cost_a_day = 0.25\nassistant_cost_a_day = 40").unwrap();
        let limits = Limits::from(config);
        assert_eq!(limits.customer.cost, Some(Money::from_nanos(250_000_000)));
        assert_eq!(
            limits.assistant.cost,
            Some(Money::from_nanos(40_000_000_000))
        );
    }
}
