//! How long a server asks to be left alone, by its headers.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// Gives the first sensible wait that the headers name, `most` at most. Zero and negative ones, which some servers send,
/// say nothing.
pub fn retry_after(headers: &HeaderMap, now: Timestamp, most: Duration) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let millis = |name: &str| Some(number(name)? / 1_000.0);
    let until = |date: &str| {
        let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        Some(date.duration_since(now).as_secs_f64())
    };
    [
        millis("retry-after-ms"),
        millis("x-ms-retry-after-ms"),
        number("retry-after"),
        text("retry-after").and_then(until),
    ]
    .into_iter()
    .flatten()
    .filter(|seconds| *seconds > 0.0)
    .filter_map(|seconds| Duration::try_from_secs_f64(seconds.min(most.as_secs_f64())).ok())
    .find(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;
    use crate::fuzz;

    const MOST: Duration = Duration::from_mins(10);

    #[rstest]
    #[case(&[("retry-after", "2")], Some(2_000))]
    #[case(&[("retry-after", " 7 ")], Some(7_000))]
    #[case(&[("retry-after", "0.5")], Some(500))]
    #[case(&[("retry-after", "0")], None)]
    #[case(&[("retry-after", "-1")], None)]
    #[case(&[("retry-after", "NaN")], None)]
    #[case(&[("retry-after", "inf")], Some(600_000))]
    #[case(&[("retry-after", "86400")], Some(600_000))]
    #[case(&[("retry-after", "soon")], None)]
    #[case(&[("retry-after", "Thu, 01 Jan 1970 00:00:30 GMT")], Some(20_000))]
    #[case(&[("retry-after", "Thu, 01 Jan 1970 00:00:05 GMT")], None)]
    #[case(&[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")], Some(600_000))]
    #[case(&[("retry-after-ms", "1500"), ("retry-after", "2")], Some(1_500))]
    #[case(&[("x-ms-retry-after-ms", "250")], Some(250))]
    #[case(&[("retry-after-ms", "0"), ("retry-after", "3")], Some(3_000))]
    #[case(&[("retry-after-ms", "1e-9"), ("retry-after", "4")], Some(4_000))]
    #[case(&[], None)]
    fn hints(#[case] sent: &[(&'static str, &str)], #[case] wait_ms: Option<u64>) {
        let headers = sent
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, value.parse().unwrap())
            })
            .collect();
        let now = Timestamp::from_second(10).unwrap();
        assert_eq!(
            retry_after(&headers, now, MOST),
            wait_ms.map(Duration::from_millis)
        );
    }

    /// Numbers, dates, and what looks like them.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let number = prop_oneof![any::<f64>(), -10.0..1e4, 0.0..1e-6].prop_map(|n| n.to_string());
        let date = (
            1..40_u8,
            "[A-Z][a-z]{2}",
            0..9_999_u16,
            0..30_u8,
            "(GMT|\\+[0-9]{4}|UT|-0000)",
        );
        let date = date.prop_map(|(day, month, year, hour, zone)| {
            format!("{day} {month} {year} {hour}:59:60 {zone}")
        });
        let known = any::<i32>().prop_map(|second| {
            let time = Timestamp::from_second(second.into()).unwrap();
            jiff::fmt::rfc2822::to_string(&time.to_zoned(jiff::tz::TimeZone::UTC)).unwrap()
        });
        prop_oneof![
            prop_oneof![
                number,
                date,
                known,
                fuzz::naughty(),
                any::<u64>().prop_map(|n| n.to_string())
            ]
            .prop_map(String::into_bytes),
            any::<Vec<u8>>(),
        ]
    }

    proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn a_wait_is_above_zero_and_has_an_end(
            sent in prop::collection::vec((prop::sample::select(vec!["retry-after-ms", "x-ms-retry-after-ms", "retry-after"]), value()), 0..4),
            now in prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX), any::<i32>().prop_map(|s| Timestamp::from_second(s.into()).unwrap())],
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(HeaderName::from_static(name), value);
                }
            }
            if let Some(wait) = retry_after(&headers, now, MOST) {
                prop_assert!(!wait.is_zero() && wait <= MOST, "{wait:?}");
            }
        }
    }
}
