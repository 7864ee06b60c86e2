//! Latencies, failures and windows: how they are read, and what they come to.

use rstest::rstest;

use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[rstest]
#[case(0, 100)]
#[case(2_500, 150)]
#[case(5_000, 200)]
#[case(7_000, 500)]
#[case(9_000, 800)]
#[case(9_500, 1_500)]
#[case(9_900, 4_000)]
#[case(9_999, 4_000)]
fn a_latency_lies_between_its_percentiles(#[case] share: u64, #[case] late: u64) {
    let latency: Latency = "200:800:1500:4000".parse().unwrap();
    assert_eq!(latency.at(share), millis(late));
    let constant: Latency = "70".parse().unwrap();
    assert_eq!(constant.at(share), millis(70));
}

#[test]
fn a_seed_decides_alike_and_keeps_to_the_shares() {
    let latency: Latency = "200:800:1500:4000".parse().unwrap();
    let failing: Failing = "10".parse().unwrap();
    let drawn = |seed| {
        (0..10_000).map(move |number| {
            let lot = Lot::draw(seed, number);
            (lot.latency(latency), lot.fails(failing))
        })
    };
    assert!(drawn(7).eq(drawn(7)));
    assert!(!drawn(7).eq(drawn(8)));
    let mut latencies: Vec<_> = drawn(7).map(|(latency, _)| latency).collect();
    latencies.sort();
    assert!((millis(190)..millis(215)).contains(&latencies[5_000]));
    assert!((millis(750)..millis(880)).contains(&latencies[9_000]));
    assert_eq!(latencies[9_999], millis(4_000));
    let failed = drawn(7).filter(|(_, fails)| *fails).count();
    assert!((900..1_100).contains(&failed), "{failed}");
}

#[rstest]
#[case("0", 0)]
#[case("100", 10_000)]
fn none_and_all_are_exact(#[case] percent: &str, #[case] count: usize) {
    let failing: Failing = percent.parse().unwrap();
    let lots = (0..10_000).map(|number| Lot::draw(1, number));
    assert_eq!(lots.filter(|lot| lot.fails(failing)).count(), count);
}

#[test]
fn a_window_is_open_from_its_first_moment_and_shut_at_its_last() {
    let window: Window = "10:60".parse().unwrap();
    assert_eq!((window.status, window.hint), (429, None));
    let left = |seconds| {
        window
            .left(Duration::from_secs(seconds))
            .map(|left| left.as_secs())
    };
    assert_eq!([9, 10, 69, 70].map(left), [None, Some(60), Some(1), None]);
    let window: Window = "0:5:503:date".parse().unwrap();
    assert_eq!((window.status, window.hint), (503, Some(Hint::Date)));
}

#[rstest]
#[case("")]
#[case("1:2")]
#[case("5:4:6:7")]
#[case("1:2:3:x")]
fn a_latency_that_makes_no_sense_is_refused(#[case] text: &str) {
    text.parse::<Latency>().unwrap_err();
}

#[rstest]
#[case("5")]
#[case("5:x")]
#[case("5:5:200")]
#[case("5:5:429:soon")]
#[case("5:5:429:date:1")]
fn a_window_that_makes_no_sense_is_refused(#[case] text: &str) {
    text.parse::<Window>().unwrap_err();
}

#[rstest]
#[case("101")]
#[case("-1")]
#[case("5:200")]
fn a_failure_that_makes_no_sense_is_refused(#[case] text: &str) {
    text.parse::<Failing>().unwrap_err();
}
