//! How long a model's server asks to be left alone: by a header, or in the words of its refusal.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::http_client::retry_after;

/// The longest wait that a server is believed to mean: more is a mistake, or a quota that a person has to look into.
const WAIT_MAX: Duration = Duration::from_mins(10);

/// What the limits are on, each with headers of its own; the bare pair stands for all.
const LIMITS: [&str; 3] = ["-requests", "-tokens", ""];

/// What stands before the time in the words of a refusal.
const WORDS: [&str; 3] = ["try again in ", "retry after ", "retry in "];

/// Numbers above this are times of day and not waits, in seconds since 1970: no wait is three years long.
const EPOCH_SECONDS_MIN: f64 = 1e8;

/// Numbers above this are such times in milliseconds.
const EPOCH_MILLIS_MIN: f64 = 1e11;

/// Gives the first sensible wait: by the headers that mean just that, by the words of the refusal, by when the limit that
/// is used up begins anew.
pub(super) fn wait(headers: &HeaderMap, message: &str, now: Timestamp) -> Option<Duration> {
    retry_after(headers, now, WAIT_MAX)
        .or_else(|| by_words(message))
        .or_else(|| by_reset(headers, now))
        .map(|wait| wait.min(WAIT_MAX))
}

fn by_words(message: &str) -> Option<Duration> {
    let found = WORDS.iter().find_map(|words| message.split_once(words));
    let (_, after) = found?;
    let time = after
        .split_whitespace()
        .next()?
        .trim_end_matches(['.', ',']);
    match time.bytes().all(|byte| byte.is_ascii_digit()) {
        true => positive(time.parse().ok()?),
        false => spelt(time),
    }
}

fn by_reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: String| headers.get(name)?.to_str().ok().map(str::trim);
    let resets = LIMITS.into_iter().filter_map(|limit| {
        let remaining = text(format!("x-ratelimit-remaining{limit}"));
        let used_up = remaining.is_none_or(|left| left.parse() == Ok(0.0));
        let reset = text(format!("x-ratelimit-reset{limit}"))?;
        used_up.then(|| until(reset, now))?
    });
    resets.max()
}

fn until(reset: &str, now: Timestamp) -> Option<Duration> {
    let Ok(number) = reset.parse::<f64>() else {
        return spelt(reset);
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century")]
    let now = now.as_millisecond() as f64 / 1_000.0;
    positive(match number {
        EPOCH_MILLIS_MIN.. => number / 1_000.0 - now,
        EPOCH_SECONDS_MIN.. => number - now,
        _ => number,
    })
}

/// Reads a time with its units: `7.66s`, `6m0s`, `120ms`.
fn spelt(text: &str) -> Option<Duration> {
    let (mut seconds, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit {
            "ms" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    positive(seconds)
}

fn positive(seconds: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    (!wait.is_zero()).then_some(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderName;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[("retry-after", "2")], "try again in 9s", Some(2_000))]
    #[case(&[], "rate limit reached. please try again in 7.66s. visit", Some(7_660))]
    #[case(&[], "please try again in 120ms", Some(120))]
    #[case(&[], "try again in 1m2.5s", Some(62_500))]
    #[case(&[], "please retry after 6 seconds", Some(6_000))]
    #[case(&[], "try again in a moment", None)]
    #[case(&[("x-ratelimit-reset-tokens", "6m0s")], "", Some(360_000))]
    #[case(&[("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6ms")], "", Some(1_000))]
    #[case(&[("x-ratelimit-remaining-requests", "9"), ("x-ratelimit-reset-requests", "60s"),
             ("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "2s")], "", Some(2_000))]
    #[case(&[("x-ratelimit-remaining-requests", "9"), ("x-ratelimit-reset-requests", "60s")], "", None)]
    #[case(&[("x-ratelimit-reset", "12")], "", Some(12_000))]
    #[case(&[("x-ratelimit-reset", "1700000030")], "", Some(30_000))]
    #[case(&[("x-ratelimit-reset", "1700000030000")], "", Some(30_000))]
    #[case(&[("x-ratelimit-reset", "1600000000")], "", None)]
    #[case(&[("x-ratelimit-reset", "tomorrow")], "", None)]
    #[case(&[("x-ratelimit-reset", "3d")], "", Some(600_000))]
    #[case(&[("retry-after", "0")], "", None)]
    #[case(&[("x-ratelimit-reset", "9")], "try again in 2s", Some(2_000))]
    fn hints(
        #[case] sent: &[(&'static str, &str)],
        #[case] message: &str,
        #[case] wait_ms: Option<u64>,
    ) {
        let headers = sent.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let found = wait(&headers.collect(), message, now);
        assert_eq!(found, wait_ms.map(Duration::from_millis));
    }

    proptest! {
        #![proptest_config(crate::fuzz::config())]

        #[test]
        fn no_words_and_no_header_make_it_wait_longer_than_it_may(
            text in "(try again in )?[0-9.]{0,30}(ms|s|m|h|d|x)?[0-9a-z. ]{0,10}",
        ) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = text.parse() {
                headers.insert("x-ratelimit-reset", value);
            }
            let found = wait(&headers, &text, Timestamp::UNIX_EPOCH);
            prop_assert!(found.is_none_or(|wait| wait <= WAIT_MAX && !wait.is_zero()));
        }
    }
}
