//! Headers that no server should send.

use futures_util::FutureExt;
use proptest::prelude::*;
use reqwest::header::{HeaderName, HeaderValue};

use super::standing::{SHUT_AT_LEAST, SHUT_AT_MOST};
use super::*;
use crate::fuzz;

const NAMES: [&str; 5] = [
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-retry-after",
    "retry-after",
    "x-ratelimit-limit",
];

/// Any value that HTTP lets through, above all numbers and what looks like them.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => (0..100_i64).prop_map(|n| n.to_string().into_bytes()),
        2 => (1_999_990_000..2_000_010_000_i64).prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => (0..100_i64).prop_map(|n| format!(" +{n}\t").into_bytes()),
        2 => fuzz::naughty().prop_map(String::into_bytes),
        2 => any::<Vec<u8>>(),
        1 => Just(b"0".to_vec()),
    ]
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec((prop::sample::select(&NAMES[..]), value()), 0..5).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        headers
    })
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(429_u16), 2 => Just(201_u16), 1 => any::<u16>()]
}

fn now() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => Just(Timestamp::from_second(2_000_000_000).unwrap()),
        1 => Just(Timestamp::MIN),
        1 => Just(Timestamp::MAX),
        1 => (-9_999_999_999..9_999_999_999_i64).prop_map(|second| Timestamp::from_second(second).unwrap()),
    ]
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn no_header_shuts_the_gate_in_the_past_or_for_long(headers in headers(), status in status(), now in now()) {
        let until = reopening(status, &headers, now);
        if let Some(until) = until {
            prop_assert!(until <= later(now, SHUT_AT_MOST), "{until}");
            prop_assert!(until > now || now == Timestamp::MAX, "{until}");
        }
        if status == 429 {
            prop_assert!(until.is_some_and(|until| until >= later(now, SHUT_AT_LEAST)), "{until:?}");
        } else if headers.get(NAMES[0]).is_none_or(|left| left != "0" && !left.as_bytes().contains(&b'0')) {
            prop_assert_eq!(until, None, "there was something left");
        }
    }

    #[test]
    fn nothing_passes_a_shut_gate_or_faster_than_agreed(
        rate in 1..50_u32, burst in 1..20_u32,
        steps in prop::collection::vec((0..3_000_u64, prop::option::of((status(), headers()))), 1..60),
    ) {
        let start = Timestamp::from_second(2_000_000_000).unwrap();
        let clock = Clock::manual(start);
        let some = |n| NonZeroU32::new(n).unwrap();
        let gate = Gate::new(some(rate), some(burst), clock.clone());
        let mut shut = start;
        let mut passed: Vec<u64> = Vec::new();
        for (wait_ms, answer) in steps {
            clock.advance(Duration::from_millis(wait_ms));
            if let Some((status, headers)) = answer {
                gate.heard(status, &headers);
                shut = shut.max(reopening(status, &headers, clock.now()).unwrap_or(start));
            }
            for _ in 0..=burst {
                if gate.pass(Priority::Assistant).now_or_never().is_some() {
                    prop_assert!(clock.now() >= shut, "it was shut until {shut}");
                    passed.push(u64::try_from(clock.elapsed().as_millis()).unwrap());
                }
            }
            prop_assert_eq!(gate.shut_until(), Some(shut).filter(|until| *until > clock.now()));
        }
        for (index, first) in passed.iter().enumerate() {
            for (count, last) in (1..).zip(&passed[index..]) {
                let most = u64::from(burst) * 1_000 + (last - first) * u64::from(rate) + 1_000;
                prop_assert!(count * 1_000 <= most, "{count} in {} ms", last - first);
            }
        }
    }
}
