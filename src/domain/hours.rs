//! When people are at work: hours by weekday, holidays, and reckoning in the time that they are there.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// How far ahead an open hour is looked for, in days: a year and a month, so that even who opens for one week of the year
/// is found.
const DAYS_AHEAD: u32 = 400;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// A stretch of a day in which people are there, such as `09:00-13:00`. One that ends at or before its beginning, such as
/// `22:00-06:00`, goes on into the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    from: u16,
    to: u16,
}

/// A day on which nobody is there, once (`2026-12-25`) or every year (`12-25`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holiday {
    /// On this date.
    Once(Date),
    /// On this day of each year.
    Yearly {
        /// The month, from 1.
        month: i8,
        /// The day, from 1.
        day: i8,
    },
}

/// Says that a text is no stretch of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected hours such as `09:00-17:30`; `24:00` ends a day, and `22:00-06:00` goes into the next"
)]
pub struct NoRange;

/// Says that a text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a day such as `2026-12-25`, or `12-25` for every year")]
pub struct NoHoliday;

/// When people are there, in the time zone of the business.
#[derive(Clone, Debug)]
pub struct Hours {
    zone: TimeZone,
    /// Nothing where somebody is there at any time.
    week: Option<Week>,
}

#[derive(Clone, Debug)]
struct Week {
    /// From Monday on, each day's in order.
    days: [Vec<Range>; 7],
    holidays: BTreeSet<Holiday>,
}

impl Hours {
    /// Gives the hours of a business where somebody is there at any time.
    pub fn always(zone: TimeZone) -> Self {
        Self { zone, week: None }
    }

    /// Gives the hours of a week, from Monday on, but for the holidays.
    pub fn of(zone: TimeZone, mut days: [Vec<Range>; 7], holidays: BTreeSet<Holiday>) -> Self {
        days.iter_mut().for_each(|day| day.sort_unstable());
        let week = Some(Week { days, holidays });
        Self { zone, week }
    }

    /// Tells where the business is.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Tells whether somebody is there at a moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.week.is_none() || self.opens_next(at) == Some(at)
    }

    /// Gives the first moment from `at` on at which somebody is there: `at` itself while they are. Nothing where nobody
    /// comes within a year.
    pub fn opens_next(&self, at: Timestamp) -> Option<Timestamp> {
        let Some(week) = &self.week else {
            return Some(at);
        };
        self.stretches(week, at).next().map(|(from, _)| from)
    }

    /// Gives the moment at which, counted from `at`, people have been there for `time`. Nothing where that takes more than
    /// a year.
    pub fn after_open_time(&self, at: Timestamp, time: Duration) -> Option<Timestamp> {
        let Some(week) = &self.week else {
            return at.checked_add(time).ok();
        };
        if time.is_zero() {
            return Some(at);
        }
        let mut left = time;
        for (from, to) in self.stretches(week, at) {
            let length = Duration::try_from(to.duration_since(from)).unwrap_or_default();
            if left <= length {
                return from.checked_add(left).ok();
            }
            left -= length;
        }
        None
    }

    /// Gives the stretches of open time from `at` on, in order and without overlap; the first may begin at `at`.
    fn stretches<'a>(
        &'a self,
        week: &'a Week,
        at: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + 'a {
        let today = self.zone.to_datetime(at).date();
        // What began yesterday may go on.
        let first = today.yesterday().unwrap_or(today);
        let mut until = at;
        first
            .series(jiff::Span::new().days(1))
            .take(usize::try_from(DAYS_AHEAD).unwrap_or(usize::MAX))
            .flat_map(|date| week.on(date).iter().map(move |range| (date, *range)))
            .filter_map(move |(date, range)| {
                let (from, to) = (
                    self.moment(date, range.from)?,
                    self.moment(date, range.end())?,
                );
                let from = from.max(until);
                until = until.max(to);
                (from < to).then_some((from, to))
            })
    }

    /// Gives the moment at which so many minutes of a day have passed by the clock on the wall. Where that shows a time
    /// twice or never, it is the first, or the one after the jump.
    fn moment(&self, date: Date, minutes: u16) -> Option<Timestamp> {
        let (date, minutes) = match minutes.checked_sub(DAY_MINUTES) {
            Some(rest) => (date.tomorrow().ok()?, rest),
            None => (date, minutes),
        };
        let here = DateTime::from_parts(date, clock_time(minutes)?);
        self.zone.to_timestamp(here).ok()
    }
}

impl Week {
    /// Gives what begins on a date.
    fn on(&self, date: Date) -> &[Range] {
        let yearly = Holiday::Yearly {
            month: date.month(),
            day: date.day(),
        };
        let is_holiday =
            self.holidays.contains(&Holiday::Once(date)) || self.holidays.contains(&yearly);
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
        match is_holiday {
            true => &[],
            false => &self.days[day],
        }
    }
}

impl Range {
    /// Tells whether two stretches of one day have a minute in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.end() && other.from < self.end()
    }

    /// Gives the end in minutes of the day that it begins on.
    fn end(self) -> u16 {
        match self.to > self.from {
            true => self.to,
            false => self.to + DAY_MINUTES,
        }
    }
}

fn clock_time(minutes: u16) -> Option<Time> {
    let hour = i8::try_from(minutes / 60).ok()?;
    let minute = i8::try_from(minutes % 60).ok()?;
    Time::new(hour, minute, 0, 0).ok()
}

/// Reads `HH:MM` as minutes of a day; `24:00` is its end.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let is_plain = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_plain(hour, 1..=2) || !is_plain(minute, 2..=2) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= DAY_MINUTES).then_some(minutes)
}

impl FromStr for Range {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (from, to) = text.split_once(['-', '–']).ok_or(NoRange)?;
        let (from, to) = minutes(from).zip(minutes(to)).ok_or(NoRange)?;
        // Midnight as an end is the end of the same day; the whole day is `00:00-24:00`.
        match from == to || from == DAY_MINUTES {
            true => Err(NoRange),
            false => Ok(Self { from, to }),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        let parts = [from / 60, from % 60, to / 60, to % 60];
        let [from_hour, from_minute, to_hour, to_minute] = parts;
        write!(
            f,
            "{from_hour:02}:{from_minute:02}-{to_hour:02}:{to_minute:02}"
        )
    }
}

impl FromStr for Holiday {
    type Err = NoHoliday;

    fn from_str(text: &str) -> Result<Self, NoHoliday> {
        let text = text.trim();
        if text.len() != "12-25".len() {
            return text.parse().map(Self::Once).map_err(|_| NoHoliday);
        }
        // A leap year, so that the 29th of February is a day.
        let date: Date = format!("2024-{text}").parse().map_err(|_| NoHoliday)?;
        Ok(Self::Yearly {
            month: date.month(),
            day: date.day(),
        })
    }
}

#[cfg(test)]
mod tests;
