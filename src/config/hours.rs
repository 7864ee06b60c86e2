//! When people are there: `[assistants.NAME.hours]`.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::domain::{Holiday, Hours, Range};
use crate::problem::Problem;
use crate::turn::WhenClosed;

/// The most stretches of a day: more than a timetable at a door has.
const RANGES_PER_DAY_MAX: usize = 12;

/// The most holidays: a year of them, beside those of each year.
const HOLIDAYS_MAX: usize = 400;

/// When people are there, in the assistant's time zone. A day that is left out is a day off.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoursConfig {
    /// Stretches of Monday, such as `["09:00-13:00", "14:00-18:00"]`; `22:00-06:00` goes on into Tuesday.
    pub monday: Vec<String>,
    /// Stretches of Tuesday.
    pub tuesday: Vec<String>,
    /// Stretches of Wednesday.
    pub wednesday: Vec<String>,
    /// Stretches of Thursday.
    pub thursday: Vec<String>,
    /// Stretches of Friday.
    pub friday: Vec<String>,
    /// Stretches of Saturday.
    pub saturday: Vec<String>,
    /// Stretches of Sunday.
    pub sunday: Vec<String>,
    /// Days on which nobody is there, such as `2026-12-25`, or `12-25` for every year.
    pub holidays: Vec<String>,
    /// What becomes of a handoff while nobody is there: `queue` (default) hands over and says when people are back;
    /// `message` tells the desk of it and says so, and the assistant goes on answering.
    pub closed: ClosedPolicy,
}

/// What becomes of a handoff while nobody is there, as the file spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedPolicy {
    /// People find the conversation when they come.
    #[default]
    Queue,
    /// People find a message when they come; the assistant goes on.
    Message,
}

impl From<ClosedPolicy> for WhenClosed {
    fn from(policy: ClosedPolicy) -> Self {
        match policy {
            ClosedPolicy::Queue => Self::Queue,
            ClosedPolicy::Message => Self::TakeMessage,
        }
    }
}

impl HoursConfig {
    /// Finds what cannot work.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, ranges) in self.week() {
            check_day(name, ranges, &mut problems);
        }
        if self.week().iter().all(|(_, ranges)| ranges.is_empty()) {
            problems.push(
                Problem::new("", "says of no day when somebody is there")
                    .help("add a line such as `monday = [\"09:00-17:00\"]`, or leave the table out for always"),
            );
        }
        if self.holidays.len() > HOLIDAYS_MAX {
            problems.push(
                Problem::new("holidays", format!("has more than {HOLIDAYS_MAX} days"))
                    .help("write `12-25` for a day of every year, and drop those that are over"),
            );
        }
        for (index, day) in self.holidays.iter().enumerate() {
            if let Err(error) = day.parse::<Holiday>() {
                let message = format!("`{day}` is no day");
                let problem = Problem::new(format!("holidays[{index}]"), message);
                problems.push(problem.help(error.to_string()));
            }
        }
        problems
    }

    /// Gives the hours; a checked configuration has nothing that is left out here.
    pub(super) fn hours(&self, zone: TimeZone) -> Hours {
        let read = |(_, ranges): (&str, &Vec<String>)| -> Vec<Range> {
            ranges
                .iter()
                .filter_map(|range| range.parse().ok())
                .collect()
        };
        let holidays = self.holidays.iter().filter_map(|day| day.parse().ok());
        Hours::of(
            zone,
            self.week().map(read),
            holidays.collect::<BTreeSet<_>>(),
        )
    }

    fn week(&self) -> [(&'static str, &Vec<String>); 7] {
        [
            ("monday", &self.monday),
            ("tuesday", &self.tuesday),
            ("wednesday", &self.wednesday),
            ("thursday", &self.thursday),
            ("friday", &self.friday),
            ("saturday", &self.saturday),
            ("sunday", &self.sunday),
        ]
    }
}

fn check_day(name: &str, ranges: &[String], problems: &mut Vec<Problem>) {
    if ranges.len() > RANGES_PER_DAY_MAX {
        problems.push(
            Problem::new(
                name,
                format!("has more than {RANGES_PER_DAY_MAX} stretches"),
            )
            .help("write stretches that follow one another as one"),
        );
    }
    let mut known: Vec<Range> = Vec::new();
    for (index, text) in ranges.iter().enumerate() {
        let key = format!("{name}[{index}]");
        match text.parse::<Range>() {
            Err(error) => {
                let problem = Problem::new(key, format!("`{text}` is no stretch of a day"));
                problems.push(problem.help(error.to_string()));
            }
            Ok(range) => {
                if let Some(other) = known.iter().find(|other| other.overlaps(range)) {
                    let message = format!("`{text}` overlaps `{other}`");
                    problems.push(Problem::new(key, message).help("write the two as one"));
                }
                known.push(range);
            }
        }
    }
}
