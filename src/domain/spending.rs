//! What asking models takes: calls, tokens, money, and on which day.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Billionths in one unit of money.
const NANOS: u64 = 1_000_000_000;

/// An amount of money, exact to a billionth of a unit. Which currency the unit is, who writes the prices knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Makes an amount of so many billionths of a unit.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Gives the amount in billionths of a unit.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Gives the amount in units, as near as a floating point number comes.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to nine million units, and near enough beyond"
    )]
    pub const fn units(self) -> f64 {
        self.0 as f64 / NANOS as f64
    }

    /// Gives the sum, or the largest amount there is.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Money {
    /// Writes units with at least two decimals, and as many more as the amount has, up to six: `0.0315`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.saturating_add(NANOS / 2_000_000) / 1_000;
        let (units, rest) = (micros / 1_000_000, format!("{:06}", micros % 1_000_000));
        let shown = rest.trim_end_matches('0');
        write!(f, "{units}.{shown:0<2}")
    }
}

/// What asking models took, as far as their servers told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Calls that were made, also those that failed or were cut short.
    pub calls: u32,
    /// Those of them that may have taken tokens of which nobody told.
    pub untold: u32,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written, reasoning included.
    pub output_tokens: u64,
    /// What that costs by the configured prices; zero where there are none.
    pub cost: Money,
}

impl Spending {
    /// Gives both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            untold: self.untold.saturating_add(other.untold),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost: self.cost.plus(other.cost),
        }
    }

    /// Gives the tokens read and written.
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// A calendar day where the business is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its date.
    pub date: Date,
    /// Its first moment, which is not midnight where a clock is put forward then.
    pub begins: Timestamp,
}

impl Day {
    /// Gives the day that it is at a moment.
    pub fn of(now: Timestamp, zone: &TimeZone) -> Self {
        let here = now.to_zoned(zone.clone());
        let begins = here.start_of_day();
        Self {
            date: here.date(),
            begins: begins.map_or(now, |begins| begins.timestamp()),
        }
    }
}

/// What a turn took, and the day that it is written down for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The day on which the turn ended, where the business is.
    pub day: Date,
    /// What its calls took.
    pub spending: Spending,
}

/// What was spent on one day, as a turn has to know it before it spends more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpentToday {
    /// By the turns of the conversation.
    pub customer: Spending,
    /// By all turns of its assistant.
    pub assistant: Spending,
    /// Whether the customer was told on that day that a limit is reached.
    pub is_told: bool,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0.00")]
    #[case(31_500_000, "0.0315")]
    #[case(1_200_000_000, "1.20")]
    #[case(75, "0.00")]
    #[case(1_500, "0.000002")]
    #[case(999_999_999, "1.00")]
    #[case(u64::MAX, "18446744073.709551")]
    fn money_is_written_in_units(#[case] nanos: u64, #[case] text: &str) {
        assert_eq!(Money::from_nanos(nanos).to_string(), text);
    }

    #[rstest]
    #[case(
        "2026-03-02T22:59:59Z",
        "Europe/Madrid",
        "2026-03-02",
        "2026-03-01T23:00:00Z"
    )]
    #[case(
        "2026-03-02T23:00:00Z",
        "Europe/Madrid",
        "2026-03-03",
        "2026-03-02T23:00:00Z"
    )]
    // The night in which the clocks of Madrid are put forward, and the day after it.
    #[case(
        "2026-03-29T21:59:59Z",
        "Europe/Madrid",
        "2026-03-29",
        "2026-03-28T23:00:00Z"
    )]
    #[case(
        "2026-03-29T22:00:00Z",
        "Europe/Madrid",
        "2026-03-30",
        "2026-03-29T22:00:00Z"
    )]
    // In Beirut they are put forward at midnight, so the day begins at one.
    #[case(
        "2026-03-29T12:00:00Z",
        "Asia/Beirut",
        "2026-03-29",
        "2026-03-28T22:00:00Z"
    )]
    fn a_day_begins_where_the_business_is(
        #[case] now: &str,
        #[case] zone: &str,
        #[case] date: &str,
        #[case] begins: &str,
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let day = Day::of(now.parse().unwrap(), &zone);
        assert_eq!(day.date.to_string(), date);
        assert_eq!(day.begins.to_string(), begins);
    }
}
