//! What each fault of a call tells about the target's health.

use super::*;

const LONG: Duration = Duration::from_secs(8);

fn target() -> (Target, Clock) {
    let clock = clock();
    let config = toml::from_str("base_url = 'http://127.0.0.1:1'\nmodel = 'm'").unwrap();
    (Target::new("main", &config, clock.clone()).unwrap(), clock)
}

/// A call ends with this fault, after so much time was allowed.
fn ends(target: &Target, fault: &Fault, limit: Duration) {
    target.note(target.pass().unwrap(), Some(fault), limit);
}

fn fails(target: &Target, times: u32) {
    for _ in 0..times {
        ends(target, &FaultKind::Overloaded.into(), LONG);
    }
}

/// What a fault does to the count of failures.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Count,
    Begin,
    Nothing,
    Open,
}

#[rstest]
#[case(FaultKind::RateLimited, LONG, Does::Count)]
#[case(FaultKind::Overloaded, LONG, Does::Count)]
#[case(FaultKind::Quota, LONG, Does::Open)]
#[case(FaultKind::Auth, LONG, Does::Open)]
#[case(FaultKind::BadRequest, LONG, Does::Begin)]
#[case(FaultKind::ContextLength, LONG, Does::Begin)]
#[case(FaultKind::Filtered, LONG, Does::Begin)]
#[case(FaultKind::Refused, LONG, Does::Begin)]
#[case(FaultKind::Empty, LONG, Does::Begin)]
#[case(FaultKind::Truncated, LONG, Does::Begin)]
#[case(FaultKind::Timeout, LONG, Does::Count)]
#[case(FaultKind::Timeout, LONG / 2, Does::Nothing)]
#[case(FaultKind::Connect, LONG / 2, Does::Count)]
#[case(FaultKind::BadResponse, LONG, Does::Count)]
fn each_kind_tells_something_about_the_target(
    #[case] kind: FaultKind,
    #[case] limit: Duration,
    #[case] expected: Does,
) {
    let (target, _clock) = target();
    fails(&target, 3);
    ends(&target, &kind.into(), limit);
    let does = if target.state() == BreakerState::Open {
        Does::Open
    } else {
        let more = (1..9).find(|_| {
            fails(&target, 1);
            target.state() == BreakerState::Open
        });
        match more {
            Some(1) => Does::Count,
            Some(2) => Does::Nothing,
            _ => Does::Begin,
        }
    };
    assert_eq!(does, expected);
    let rest = if does == Does::Open { 60 } else { 5 };
    assert_eq!(target.rests(), Some(Duration::from_secs(rest)));
}

#[test]
fn a_target_that_asks_to_be_left_alone_is_left_alone_for_so_long() {
    let (target, clock) = target();
    let fault = Fault {
        retry_after: Some(Duration::from_secs(20)),
        ..FaultKind::RateLimited.into()
    };
    ends(&target, &fault, LONG);
    assert_eq!(target.rests(), Some(Duration::from_secs(20)));
    clock.advance(Duration::from_secs(20));
    target.note(target.pass().unwrap(), None, LONG);
    assert_eq!(target.state(), BreakerState::HalfOpen);
}
