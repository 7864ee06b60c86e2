use rstest::rstest;

use super::*;

const OFFICE: [&[&str]; 7] = [
    &["09:00-13:00", "14:00-18:00"],
    &["09:00-13:00", "14:00-18:00"],
    &["09:00-13:00", "14:00-18:00"],
    &["09:00-13:00", "14:00-18:00"],
    &["09:00-13:00"],
    &[],
    &[],
];

fn hours(zone: &str, week: [&[&str]; 7], holidays: &[&str]) -> Hours {
    let day = |ranges: &[&str]| ranges.iter().map(|range| range.parse().unwrap()).collect();
    let holidays = holidays.iter().map(|day| day.parse().unwrap()).collect();
    Hours::of(TimeZone::get(zone).unwrap(), week.map(day), holidays)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Madrid is an hour ahead of UTC in winter, and two in summer.
#[rstest]
#[case::before_the_morning("2026-03-02T07:59:59Z", "2026-03-02T08:00:00Z")]
#[case::at_the_first_moment("2026-03-02T08:00:00Z", "2026-03-02T08:00:00Z")]
#[case::in_the_morning("2026-03-02T10:30:00Z", "2026-03-02T10:30:00Z")]
#[case::the_end_is_no_part("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z")]
#[case::in_the_evening("2026-03-02T20:00:00Z", "2026-03-03T08:00:00Z")]
#[case::on_friday_afternoon("2026-03-06T12:00:00Z", "2026-03-09T08:00:00Z")]
#[case::over_the_change_of_clocks("2026-03-27T13:00:00Z", "2026-03-30T07:00:00Z")]
#[case::before_a_holiday("2026-12-24T18:00:00Z", "2026-12-28T08:00:00Z")]
#[case::before_a_holiday_of_each_year("2027-12-31T18:00:00Z", "2028-01-03T08:00:00Z")]
fn people_come_back_when_they_next_open(#[case] now: &str, #[case] opens: &str) {
    let hours = hours("Europe/Madrid", OFFICE, &["2026-12-25", "01-01"]);
    assert_eq!(hours.opens_next(at(now)), Some(at(opens)));
    assert_eq!(hours.is_open(at(now)), now == opens);
}

#[rstest]
#[case("2026-03-02T08:00:00Z", "30m", "2026-03-02T08:30:00Z")]
#[case::to_the_last_moment("2026-03-02T08:00:00Z", "4h", "2026-03-02T12:00:00Z")]
#[case::over_lunch("2026-03-02T11:45:00Z", "30m", "2026-03-02T13:15:00Z")]
#[case::from_the_night("2026-03-02T02:00:00Z", "30m", "2026-03-02T08:30:00Z")]
#[case::over_the_night("2026-03-02T16:50:00Z", "30m", "2026-03-03T08:20:00Z")]
#[case::over_the_weekend("2026-03-06T11:50:00Z", "30m", "2026-03-09T08:20:00Z")]
#[case::a_week_of_work("2026-03-02T08:00:00Z", "36h", "2026-03-06T12:00:00Z")]
#[case::none("2026-03-02T02:00:00Z", "0s", "2026-03-02T02:00:00Z")]
fn time_passes_only_while_people_are_there(
    #[case] from: &str,
    #[case] time: &str,
    #[case] then: &str,
) {
    let hours = hours("Europe/Madrid", OFFICE, &[]);
    let time = crate::duration::parse(time).unwrap();
    assert_eq!(hours.after_open_time(at(from), time), Some(at(then)));
}

#[test]
fn where_somebody_is_always_there_time_just_passes() {
    let hours = Hours::always(TimeZone::UTC);
    let now = at("2026-03-02T02:00:00Z");
    assert!(hours.is_open(now));
    assert_eq!(hours.opens_next(now), Some(now));
    let hour = Duration::from_hours(1);
    assert_eq!(
        hours.after_open_time(now, hour),
        Some(at("2026-03-02T03:00:00Z"))
    );
}

#[test]
fn a_night_belongs_to_the_day_that_it_begins_on() {
    let nights: [&[&str]; 7] = [&["22:00-06:00"], &["05:00-07:00"], &[], &[], &[], &[], &[]];
    let hours = hours("UTC", nights, &["2026-03-09", "2026-03-17"]);
    for (now, is_open) in [
        ("2026-03-02T21:59:59Z", false),
        ("2026-03-02T22:00:00Z", true),
        ("2026-03-03T05:59:59Z", true),
        ("2026-03-03T06:00:00Z", true),
        ("2026-03-03T07:00:00Z", false),
        ("2026-03-09T23:00:00Z", false),
        ("2026-03-10T04:00:00Z", false),
        ("2026-03-17T04:00:00Z", true),
        ("2026-03-17T06:30:00Z", false),
    ] {
        assert_eq!(hours.is_open(at(now)), is_open, "{now}");
    }
    // From ten to seven it is nine hours, not ten: an hour of two stretches counts once.
    let nine = Duration::from_hours(9);
    let from = at("2026-03-02T20:00:00Z");
    assert_eq!(
        hours.after_open_time(from, nine),
        Some(at("2026-03-03T07:00:00Z"))
    );
}

#[test]
fn a_clock_that_jumps_shortens_the_night_and_one_that_goes_back_makes_it_longer() {
    let all_day: &[&str] = &["00:00-24:00"];
    let hours = hours("Europe/Madrid", [all_day; 7], &[]);
    let day = Duration::from_hours(24);
    let two = day * 2;
    // Whoever is there all day is there without a gap, whatever the clock does.
    for from in ["2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z"] {
        let from = at(from);
        assert_eq!(hours.after_open_time(from, two), from.checked_add(two).ok());
    }
    let night: &[&str] = &["02:15-02:45"];
    let hours = self::hours("Europe/Madrid", [night; 7], &[]);
    // On the 29th of March the clocks show no such time: it is taken an hour later.
    let jump = at("2026-03-29T00:00:00Z");
    assert_eq!(hours.opens_next(jump), Some(at("2026-03-29T01:15:00Z")));
    assert_eq!(
        hours.after_open_time(jump, Duration::from_mins(30)),
        Some(at("2026-03-29T01:45:00Z"))
    );
}

#[test]
fn who_never_comes_is_not_waited_for() {
    let never = hours("UTC", [&[]; 7], &[]);
    let now = at("2026-03-02T09:00:00Z");
    assert_eq!(never.opens_next(now), None);
    assert!(!never.is_open(now));
    let office = hours("UTC", OFFICE, &[]);
    assert_eq!(
        office.after_open_time(now, Duration::from_hours(24 * 365)),
        None
    );
    assert_eq!(
        office.after_open_time(Timestamp::MAX, Duration::from_secs(1)),
        None
    );
    assert_eq!(office.opens_next(Timestamp::MIN).is_some(), true);
}

#[test]
fn hours_and_days_are_read_strictly() {
    for text in [
        "09:00-17:30",
        "0:00-24:00",
        " 22:00 - 06:00 ",
        "18:00–00:00",
    ] {
        let range: Range = text.parse().unwrap();
        assert_eq!(range.to_string().parse(), Ok(range), "{text}");
    }
    for text in [
        "",
        "9-17",
        "09:00",
        "09:00-09:00",
        "24:00-08:00",
        "09:00-24:01",
        "09:60-10:00",
        "+9:00-10:00",
        "09:0-10:00",
        "9am-5pm",
        "09:00-13:00-14:00",
    ] {
        assert_eq!(text.parse::<Range>(), Err(NoRange), "{text}");
    }
    assert_eq!("02-29".parse(), Ok(Holiday::Yearly { month: 2, day: 29 }));
    for text in [
        "",
        "2026-02-29",
        "12-32",
        "25.12.",
        "2026-12-25T00:00:00Z",
        "1225",
    ] {
        assert_eq!(text.parse::<Holiday>(), Err(NoHoliday), "{text}");
    }
}
