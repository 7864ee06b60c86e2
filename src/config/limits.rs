//! What an assistant may spend a day: `[assistants.NAME.limits]`.

use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::domain::Money;
use crate::problem::Problem;
use crate::turn::{AtLimit, Limit, Limits};

/// A limit below one token would never let an answer be written; above a trillion it would limit nothing.
const TOKENS_RANGE: RangeInclusive<u64> = 1..=1_000_000_000_000;

/// A limit below a millionth is a slip of the decimal point, and so is one above a million.
const COST_RANGE: RangeInclusive<f64> = 0.000_001..=1_000_000.0;

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
        let wrong = tokens.chain(costs);
        wrong
            .map(|problem| problem.help("leave it out for no limit"))
            .collect()
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
