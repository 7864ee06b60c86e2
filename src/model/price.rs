//! What a model's tokens cost: `[models.NAME.price]`.

use serde::Deserialize;

use super::Usage;
use crate::domain::Money;
use crate::problem::Problem;

/// No model costs more for a million tokens; a price beyond it is a slip of the decimal point.
const PRICE_RANGE: std::ops::RangeInclusive<f64> = 0.0..=10_000.0;

/// A price per million tokens is as many thousandths of a billionth of a unit per token, times this.
const NANOS_OF_A_THOUSAND_TOKENS: f64 = 1_000_000.0;

/// What a million tokens cost, in the operator's currency.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// Tokens that the model reads, 0 to 10,000.
    pub input: f64,
    /// Tokens that it writes, reasoning included, 0 to 10,000.
    pub output: f64,
    /// Tokens that it reads out of its server's cache, 0 to 10,000. Default: as `input`.
    #[serde(default)]
    pub cached_input: Option<f64>,
}

impl PriceConfig {
    /// Finds what cannot be a price.
    pub fn check(&self) -> Vec<Problem> {
        let prices = [
            ("input", Some(self.input)),
            ("output", Some(self.output)),
            ("cached_input", self.cached_input),
        ];
        let wrong = |(key, price): (&str, Option<f64>)| {
            let is_wrong = price.is_some_and(|price| !PRICE_RANGE.contains(&price));
            is_wrong.then(|| Problem::new(key, "expected 0 to 10,000 per million tokens"))
        };
        prices.into_iter().filter_map(wrong).collect()
    }

    /// Gives the cost of what a server counted; what it did not tell costs nothing.
    pub fn cost(&self, usage: &Usage) -> Money {
        let input = usage.input.unwrap_or_default();
        let cached = usage.cached.unwrap_or_default().min(input);
        let parts = [
            (input - cached, self.input),
            (cached, self.cached_input.unwrap_or(self.input)),
            (usage.output.unwrap_or_default(), self.output),
        ];
        let costs = parts.map(|(tokens, price)| cost(tokens, price));
        costs.into_iter().fold(Money::ZERO, Money::plus)
    }
}

fn cost(tokens: u64, price: f64) -> Money {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a checked price is a small number that is not negative"
    )]
    let nanos_of_a_thousand = (price * NANOS_OF_A_THOUSAND_TOKENS).round() as u64;
    Money::from_nanos(tokens.saturating_mul(nanos_of_a_thousand) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: PriceConfig = PriceConfig {
        input: 0.15,
        output: 0.6,
        cached_input: Some(0.075),
    };

    fn used(input: Option<u64>, cached: Option<u64>, output: Option<u64>) -> Usage {
        Usage {
            input,
            output,
            cached,
            reasoning: None,
        }
    }

    #[test]
    fn cached_tokens_have_their_own_price() {
        let usage = used(Some(1_000), Some(400), Some(100));
        let nanos = 600 * 150 + 400 * 75 + 100 * 600;
        assert_eq!(PRICE.cost(&usage), Money::from_nanos(nanos));
        let same = PriceConfig {
            cached_input: None,
            ..PRICE
        };
        assert_eq!(
            same.cost(&usage),
            Money::from_nanos(1_000 * 150 + 100 * 600)
        );
    }

    #[test]
    fn what_is_not_told_costs_nothing_and_nonsense_stays_within_bounds() {
        assert_eq!(PRICE.cost(&Usage::default()), Money::ZERO);
        let more_cached_than_read = used(Some(10), Some(11), None);
        assert_eq!(
            PRICE.cost(&more_cached_than_read),
            Money::from_nanos(10 * 75)
        );
        let huge = used(Some(u64::MAX), None, Some(u64::MAX));
        assert!(PRICE.cost(&huge) > Money::ZERO);
    }

    #[test]
    fn a_price_out_of_range_is_named() {
        let price = PriceConfig {
            input: -1.0,
            output: f64::NAN,
            cached_input: Some(1e9),
        };
        let keys: Vec<_> = price
            .check()
            .into_iter()
            .map(|problem| problem.key)
            .collect();
        assert_eq!(keys, ["input", "output", "cached_input"]);
        assert!(PRICE.check().is_empty());
    }
}
