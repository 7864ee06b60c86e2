//! Plans: how they are read, and how they are used up.

use super::*;

fn read(json: &str) -> Result<Plan, String> {
    serde_json::from_str::<PlanJson>(json)
        .map_err(|error| error.to_string())?
        .plan()
        .map_err(str::to_owned)
}

#[test]
fn plans_are_read_from_json() {
    assert_eq!(
        read(r#"{"status":503,"times":3}"#),
        Ok(Plan::status(503).times(3))
    );
    assert_eq!(
        read(r#"{"delay_ms":2000}"#),
        Ok(Plan::delay(Duration::from_secs(2)))
    );
    assert_eq!(
        read(r#"{"hang":true,"when":"x"}"#),
        Ok(Plan::hang().when("x"))
    );
    assert_eq!(read(r#"{"garbage":true}"#), Ok(Plan::garbage()));
    assert_eq!(read(r#"{"drip":true}"#), Ok(Plan::drip()));
    assert_eq!(read(r#"{"stall":true}"#), Ok(Plan::stall()));
    assert_eq!(read(r#"{"cut":true}"#), Ok(Plan::cut()));
    assert_eq!(
        read(r#"{"reset":true,"taken":true}"#),
        Ok(Plan::reset().taken())
    );
    assert_eq!(
        read(r#"{"headers":{"retry-after":"2"}}"#),
        Ok(Plan::default().header("retry-after", "2"))
    );
    assert_eq!(
        read(r#"{"status":429,"reset_in_s":9}"#),
        Ok(Plan::rate_limited(9))
    );
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    for json in [
        "{}",
        r#"{"hang":false}"#,
        r#"{"status":99}"#,
        r#"{"status":600}"#,
        r#"{"status":503,"hang":true}"#,
        r#"{"statsu":503}"#,
        r#"{"headers":{"a b":"1"}}"#,
        r#"{"headers":{"a":"\n"}}"#,
        "[]",
    ] {
        assert!(read(json).is_err(), "{json}");
    }
}

#[test]
fn plans_are_used_in_order_and_used_up() {
    let faults = Faults::default();
    faults.add(Plan::status(500).when("one"));
    faults.add(Plan::status(501).times(2));
    let taken = |body: &str| faults.take(body.as_bytes()).and_then(|plan| plan.fault);
    assert_eq!(taken("two"), Some(Fault::Status(501)));
    assert_eq!(taken("number one"), Some(Fault::Status(500)));
    assert_eq!(taken("two"), Some(Fault::Status(501)));
    assert_eq!(taken("two"), None);
    assert_eq!(taken("one"), Some(Fault::Status(500)));
    faults.clear();
    assert_eq!((taken("one"), faults.count()), (None, 0));
}

#[tokio::test]
async fn the_door_opens_when_the_last_hold_is_dropped() {
    let faults = Faults::default();
    let (first, second) = (faults.hold(), faults.hold());
    let passing = faults.pass();
    tokio::pin!(passing);
    drop(first);
    assert!(futures_util::poll!(&mut passing).is_pending());
    drop(second);
    passing.await;
}
