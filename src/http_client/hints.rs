//! How long a server asks to be left alone, by its headers.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// The longest wait that a server is believed to mean: more is a mistake, or a quota that a person has to look into.
const WAIT_MAX: Duration = Duration::from_mins(10);

/// Gives the first sensible wait that the headers name. Zero and negative ones, which some servers send, say nothing.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
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
    .find_map(|seconds| Duration::try_from_secs_f64(seconds.min(WAIT_MAX.as_secs_f64())).ok())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

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
    #[case(&[], None)]
    fn hints(#[case] sent: &[(&'static str, &str)], #[case] wait_ms: Option<u64>) {
        let headers = sent
            .iter()
            .map(|(name, value)| {
                let name = reqwest::header::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            })
            .collect();
        let now = Timestamp::from_second(10).unwrap();
        assert_eq!(
            retry_after(&headers, now),
            wait_ms.map(Duration::from_millis)
        );
    }
}
