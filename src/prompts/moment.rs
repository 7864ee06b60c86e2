//! A moment to come, as people say it in a chat: "tomorrow at 9:00 am".

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::domain::Language;

/// How many days ahead the name of the day tells which one is meant.
const BY_WEEKDAY: i32 = 6;

/// How a language says it. `{time}`, `{day}` and `{month}` are filled in.
struct Manner {
    code: &'static str,
    /// Said of today and tomorrow.
    near: [&'static str; 2],
    /// From Monday on, with what stands before the name.
    weekdays: [&'static str; 7],
    months: [&'static str; 12],
    /// Said of a date.
    date: &'static str,
    /// The time, from its hour and minute.
    time: fn(i8, i8) -> String,
    /// What stands between the day and the time.
    between: &'static str,
}

const MANNERS: [Manner; 6] = [
    Manner {
        code: "en",
        near: ["today", "tomorrow"],
        weekdays: [
            "on Monday",
            "on Tuesday",
            "on Wednesday",
            "on Thursday",
            "on Friday",
            "on Saturday",
            "on Sunday",
        ],
        months: [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        date: "on {day} {month}",
        time: |hour, minute| {
            let half = if hour < 12 { "am" } else { "pm" };
            let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
            format!("at {hour}:{minute:02} {half}")
        },
        between: " ",
    },
    Manner {
        code: "es",
        near: ["hoy", "mañana"],
        weekdays: [
            "el lunes",
            "el martes",
            "el miércoles",
            "el jueves",
            "el viernes",
            "el sábado",
            "el domingo",
        ],
        months: [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
        date: "el {day} de {month}",
        time: |hour, minute| {
            let article = if hour == 1 { "la" } else { "las" };
            format!("a {article} {hour}:{minute:02}")
        },
        between: " ",
    },
    Manner {
        code: "pt",
        near: ["hoje", "amanhã"],
        weekdays: [
            "na segunda-feira",
            "na terça-feira",
            "na quarta-feira",
            "na quinta-feira",
            "na sexta-feira",
            "no sábado",
            "no domingo",
        ],
        months: [
            "janeiro",
            "fevereiro",
            "março",
            "abril",
            "maio",
            "junho",
            "julho",
            "agosto",
            "setembro",
            "outubro",
            "novembro",
            "dezembro",
        ],
        date: "em {day} de {month}",
        time: |hour, minute| {
            let article = if hour == 1 { "à" } else { "às" };
            match minute {
                0 => format!("{article} {hour}h"),
                _ => format!("{article} {hour}h{minute:02}"),
            }
        },
        between: " ",
    },
    Manner {
        code: "fr",
        near: ["aujourd’hui", "demain"],
        weekdays: [
            "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
        ],
        months: [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        date: "le {day} {month}",
        time: |hour, minute| match minute {
            0 => format!("à {hour} h"),
            _ => format!("à {hour} h {minute:02}"),
        },
        between: " ",
    },
    Manner {
        code: "de",
        near: ["heute", "morgen"],
        weekdays: [
            "am Montag",
            "am Dienstag",
            "am Mittwoch",
            "am Donnerstag",
            "am Freitag",
            "am Samstag",
            "am Sonntag",
        ],
        months: [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        date: "am {day}. {month}",
        time: |hour, minute| match minute {
            0 => format!("um {hour} Uhr"),
            _ => format!("um {hour}:{minute:02} Uhr"),
        },
        between: " ",
    },
    Manner {
        code: "ja",
        near: ["本日", "明日"],
        weekdays: [
            "月曜日",
            "火曜日",
            "水曜日",
            "木曜日",
            "金曜日",
            "土曜日",
            "日曜日",
        ],
        months: [
            "1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月",
        ],
        date: "{month}{day}日",
        time: |hour, minute| match minute {
            0 => format!("{hour}時"),
            _ => format!("{hour}時{minute:02}分"),
        },
        between: "の",
    },
];

/// Says when `at` is, in words that fit behind "we are back": from where and when it is read.
pub(super) fn say(language: Language, now: Timestamp, at: Timestamp, zone: &TimeZone) -> String {
    let (here, then) = (now.to_zoned(zone.clone()), at.to_zoned(zone.clone()));
    let manners = MANNERS.iter();
    let Some(manner) = manners
        .into_iter()
        .find(|manner| manner.code == language.code())
    else {
        return then.strftime("%Y-%m-%d %H:%M").to_string();
    };
    let day = day(manner, here.date(), &then);
    let time = (manner.time)(then.hour(), then.minute());
    let between = match (manner.code, days(here.date(), then.date())) {
        // Japanese joins a near day and its time without a word.
        ("ja", 0 | 1) => "",
        _ => manner.between,
    };
    [day.as_str(), between, time.as_str()].concat()
}

fn day(manner: &Manner, today: Date, then: &Zoned) -> String {
    match days(today, then.date()) {
        0 => manner.near[0].to_owned(),
        1 => manner.near[1].to_owned(),
        2..=BY_WEEKDAY => manner.weekdays[from_monday(then.weekday())].to_owned(),
        _ => {
            let day = match (manner.code, then.day()) {
                ("fr", 1) => "1er".to_owned(),
                (_, day) => day.to_string(),
            };
            let month = usize::try_from(then.month() - 1).unwrap_or_default();
            let date = manner.date.replace("{day}", &day);
            date.replace("{month}", manner.months[month])
        }
    }
}

fn from_monday(weekday: Weekday) -> usize {
    usize::try_from(weekday.to_monday_zero_offset()).unwrap_or_default()
}

fn days(from: Date, to: Date) -> i32 {
    from.until(to).map_or(i32::MAX, |span| span.get_days())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("en", "2026-03-02T13:30:00Z", "today at 2:30 pm")]
    #[case("en", "2026-03-02T23:30:00Z", "tomorrow at 12:30 am")]
    #[case("en", "2026-03-03T11:00:00Z", "tomorrow at 12:00 pm")]
    #[case("en", "2026-03-06T08:00:00Z", "on Friday at 9:00 am")]
    #[case("en", "2026-03-09T08:00:00Z", "on 9 March at 9:00 am")]
    #[case("en", "2026-12-28T08:00:00Z", "on 28 December at 9:00 am")]
    #[case("es", "2026-03-03T08:00:00Z", "mañana a las 9:00")]
    #[case("es", "2026-03-03T00:05:00Z", "mañana a la 1:05")]
    #[case("es", "2026-04-01T07:00:00Z", "el 1 de abril a las 9:00")]
    #[case("pt", "2026-03-07T08:00:00Z", "no sábado às 9h")]
    #[case("pt", "2026-03-02T13:30:00Z", "hoje às 14h30")]
    #[case("fr", "2026-03-02T13:00:00Z", "aujourd’hui à 14 h")]
    #[case("fr", "2026-04-01T07:30:00Z", "le 1er avril à 9 h 30")]
    #[case("de", "2026-03-04T08:00:00Z", "am Mittwoch um 9 Uhr")]
    #[case("de", "2026-03-16T08:30:00Z", "am 16. März um 9:30 Uhr")]
    #[case("ja", "2026-03-03T08:00:00Z", "明日9時")]
    #[case("ja", "2026-03-05T08:30:00Z", "木曜日の9時30分")]
    #[case("ja", "2026-03-16T08:00:00Z", "3月16日の9時")]
    #[case("it", "2026-03-03T08:00:00Z", "2026-03-03 09:00")]
    fn people_hear_when_in_their_language(
        #[case] language: &str,
        #[case] at: &str,
        #[case] said: &str,
    ) {
        let zone = TimeZone::get("Europe/Madrid").unwrap();
        let now = "2026-03-02T11:00:00Z".parse().unwrap();
        let language = language.parse().unwrap();
        assert_eq!(say(language, now, at.parse().unwrap(), &zone), said);
    }
}
