//! How a server says how long to wait: by headers of several sorts, in its words, wrongly, or not at all.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::later;

/// One way of saying how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// `Retry-After` in seconds.
    Seconds,
    /// `Retry-After` as a date.
    Date,
    /// `retry-after-ms`.
    Millis,
    /// `x-ms-retry-after-ms`.
    AzureMillis,
    /// `x-ratelimit-reset-requests` and `-tokens` as spans: `6m0s`.
    ResetSpans,
    /// `x-ratelimit-reset` in seconds.
    ResetSeconds,
    /// `x-ratelimit-reset` as milliseconds since 1970.
    ResetEpoch,
    /// In the message: "try again in 7.6s".
    Text,
    /// `Retry-After: -1` and `retry-after-ms: 0`, which say nothing.
    Useless,
    /// Not at all.
    Nothing,
}

impl Hint {
    /// Gives the headers that say to wait for `wait` from `now`.
    pub(super) fn headers(self, wait: Duration, now: Timestamp) -> Vec<(String, String)> {
        let millis = wait.as_millis().to_string();
        let whole = whole_seconds(wait).to_string();
        let headers = match self {
            Self::Seconds => vec![("retry-after", whole)],
            Self::Date => vec![("retry-after", date(now, wait))],
            Self::Millis => vec![("retry-after-ms", millis)],
            Self::AzureMillis => vec![("x-ms-retry-after-ms", millis)],
            Self::ResetSpans => vec![
                ("x-ratelimit-reset-requests", span(wait)),
                ("x-ratelimit-reset-tokens", span(wait)),
            ],
            Self::ResetSeconds => vec![("x-ratelimit-reset", whole)],
            Self::ResetEpoch => {
                let reset = later(now, wait).as_millisecond().to_string();
                vec![
                    ("x-ratelimit-remaining", "0".to_owned()),
                    ("x-ratelimit-reset", reset),
                ]
            }
            Self::Useless => vec![
                ("retry-after", "-1".to_owned()),
                ("retry-after-ms", "0".to_owned()),
            ],
            Self::Text | Self::Nothing => Vec::new(),
        };
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        headers.into_iter().map(owned).collect()
    }

    /// Gives what is added to the message.
    pub(super) fn words(self, wait: Duration) -> Option<String> {
        (self == Self::Text).then(|| format!(" Please try again in {}.", span(wait)))
    }
}

impl FromStr for Hint {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "seconds" => Self::Seconds,
            "date" => Self::Date,
            "ms" => Self::Millis,
            "azure-ms" => Self::AzureMillis,
            "spans" => Self::ResetSpans,
            "reset" => Self::ResetSeconds,
            "epoch" => Self::ResetEpoch,
            "text" => Self::Text,
            "useless" => Self::Useless,
            "none" => Self::Nothing,
            _ => {
                return Err(
                    "expected a hint: `seconds`, `date`, `ms`, `azure-ms`, `spans`, `reset`, `epoch`, `text`, \
                     `useless` or `none`",
                );
            }
        })
    }
}

/// Rounds up, since who comes earlier comes in vain.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn date(now: Timestamp, wait: Duration) -> String {
    let until = later(now, Duration::from_secs(whole_seconds(wait)));
    // A date before the year 0 cannot be written so, and no clock shows one.
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&until)
        .unwrap_or_default()
}

/// Writes a span as Go does, down to a tenth of a second: `6m0s`, `7.6s`.
fn span(wait: Duration) -> String {
    let tenths = wait.as_millis().div_ceil(100);
    let (minutes, tenths) = (tenths / 600, tenths % 600);
    let seconds = match tenths % 10 {
        0 => format!("{}s", tenths / 10),
        tenth => format!("{}.{tenth}s", tenths / 10),
    };
    match minutes {
        0 => seconds,
        _ => format!("{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(7_600, "7.6s")]
    #[case(1_000, "1s")]
    #[case(360_000, "6m0s")]
    #[case(90_050, "1m30.1s")]
    fn spans_are_written_as_go_does(#[case] millis: u64, #[case] written: &str) {
        assert_eq!(span(Duration::from_millis(millis)), written);
    }

    #[rstest]
    #[case("seconds", "retry-after", "8")]
    #[case("date", "retry-after", "Thu, 01 Jan 1970 00:00:08 GMT")]
    #[case("ms", "retry-after-ms", "7600")]
    #[case("azure-ms", "x-ms-retry-after-ms", "7600")]
    #[case("spans", "x-ratelimit-reset-requests", "7.6s")]
    #[case("reset", "x-ratelimit-reset", "8")]
    #[case("epoch", "x-ratelimit-remaining", "0")]
    #[case("useless", "retry-after", "-1")]
    fn hints_are_headers(#[case] hint: &str, #[case] name: &str, #[case] value: &str) {
        let hint: Hint = hint.parse().unwrap();
        let headers = hint.headers(Duration::from_millis(7_600), Timestamp::UNIX_EPOCH);
        assert_eq!(headers[0], (name.to_owned(), value.to_owned()));
    }
}
