//! What each fault of a call tells about the target's health.

use super::*;

fn target() -> (Target, Clock) {
    let clock = clock();
    let config = toml::from_str("base_url = 'http://127.0.0.1:1'\nmodel = 'm'").unwrap();
    (Target::new("main", &config, clock.clone()).unwrap(), clock)
}

/// A call ends with this fault, though it had about the usual time.
fn ends(target: &Target, fault: &Fault) {
    target.note(target.pass().unwrap(), Some(fault), true);
}

fn fails(target: &Target, times: u32) {
    for _ in 0..times {
        ends(target, &FaultKind::Overloaded.into());
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
#[case(FaultKind::RateLimited, true, Does::Count)]
#[case(FaultKind::Overloaded, true, Does::Count)]
#[case(FaultKind::Quota, true, Does::Open)]
#[case(FaultKind::Auth, true, Does::Open)]
#[case(FaultKind::BadRequest, true, Does::Begin)]
#[case(FaultKind::ContextLength, true, Does::Begin)]
#[case(FaultKind::Filtered, true, Does::Begin)]
#[case(FaultKind::Refused, true, Does::Begin)]
#[case(FaultKind::Empty, true, Does::Begin)]
#[case(FaultKind::Truncated, true, Does::Begin)]
#[case(FaultKind::Timeout, true, Does::Count)]
#[case(FaultKind::Timeout, false, Does::Nothing)]
#[case(FaultKind::Connect, false, Does::Count)]
#[case(FaultKind::BadResponse, true, Does::Count)]
fn each_kind_tells_something_about_the_target(
    #[case] kind: FaultKind,
    #[case] is_fair: bool,
    #[case] expected: Does,
) {
    let (target, _clock) = target();
    fails(&target, 3);
    target.note(target.pass().unwrap(), Some(&kind.into()), is_fair);
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
    ends(&target, &fault);
    assert_eq!(target.rests(), Some(Duration::from_secs(20)));
    clock.advance(Duration::from_secs(20));
    assert_eq!(target.state(), BreakerState::Closed);
}
