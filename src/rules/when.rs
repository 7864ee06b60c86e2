//! Conditions of a rule: on what is known of the customer, on what the conversation has come to, on the hour.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::fold::fold;
use crate::domain::{Offer, Profile};
use crate::problem::Problem;

/// The most conditions of one rule on the profile: more are a program, and nobody sees what it does.
const CONDITIONS_MAX: usize = 16;

/// The most values of a list.
const VALUES_MAX: usize = 100;

/// What stands around a message, as far as rules may depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// What Braze knows of the customer.
    pub profile: &'a Profile,
    /// Turns running that did not help, the one under way included where that is known of it.
    pub failed_attempts: u32,
    /// Whether a person was offered.
    pub offer: Offer,
    /// Whether people are there.
    pub is_open: bool,
}

/// The conditions of one rule: all of them have to hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct When {
    profile: Vec<(String, Test)>,
    failed_attempts: Option<Test>,
    after_offer: Option<bool>,
    is_open: Option<bool>,
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    OneOf(Vec<Fixed>),
    NoneOf(Vec<Fixed>),
    Number(Comparison, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    Not,
    AtLeast,
    More,
}

/// A value that is compared for equality.
#[derive(Clone, Debug, PartialEq)]
enum Fixed {
    /// Folded, as phrases are.
    Text(String),
    Number(f64),
    Flag(bool),
}

/// `[rule.when]`, as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WhenTable {
    profile: BTreeMap<String, Spanned<toml::Value>>,
    failed_attempts: Option<Spanned<toml::Value>>,
    after_offer: Option<bool>,
    hours: Option<Spanned<String>>,
}

impl When {
    /// Tells whether all conditions hold.
    pub(super) fn holds(&self, now: &Circumstances<'_>) -> bool {
        let attempts = || Value::from(now.failed_attempts);
        let is_after = matches!(now.offer, Offer::Open);
        let of_profile = |(field, test): &(String, Test)| {
            now.profile.get(field).is_some_and(|value| test.fits(value))
        };
        self.profile.iter().all(of_profile)
            && self
                .failed_attempts
                .as_ref()
                .is_none_or(|test| test.fits(&attempts()))
            && self.after_offer.is_none_or(|wanted| wanted == is_after)
            && self.is_open.is_none_or(|wanted| wanted == now.is_open)
    }

    /// Tells whether there is no condition.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether it depends on how many turns did not help.
    pub(super) fn counts_attempts(&self) -> bool {
        self.failed_attempts.is_some()
    }
}

impl Test {
    /// Tells whether a value is what it has to be. One that is missing or empty never is.
    fn fits(&self, value: &Value) -> bool {
        match self {
            _ if is_blank(value) => false,
            Self::OneOf(all) => all.iter().any(|one| one.equals(value)),
            Self::NoneOf(all) => !all.iter().any(|one| one.equals(value)),
            Self::Number(comparison, than) => {
                number(value).is_some_and(|value| comparison.holds(value, *than))
            }
        }
    }
}

impl Comparison {
    /// Those that two characters write come first, so that none is taken for a shorter one.
    const SIGNS: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("!=", Self::Not),
        ("<", Self::Less),
        (">", Self::More),
        ("=", Self::Equal),
    ];

    fn holds(self, value: f64, than: f64) -> bool {
        let is_same = is_same(value, than);
        match self {
            Self::Less => value < than && !is_same,
            Self::AtMost => value < than || is_same,
            Self::Equal => is_same,
            Self::Not => !is_same,
            Self::AtLeast => value > than || is_same,
            Self::More => value > than && !is_same,
        }
    }
}

/// Tells whether two numbers are the same but for what reckoning in binary fractions leaves.
fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() <= f64::EPSILON * one.abs().max(other.abs())
}

impl Fixed {
    /// Tells whether a value is the same. Braze renders all as text, so `"true"` is true and `"3"` is three.
    fn equals(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => as_text(value).is_some_and(|value| fold(value.trim()) == *text),
            Self::Number(wanted) => number(value).is_some_and(|value| is_same(value, *wanted)),
            Self::Flag(wanted) => flag(value) == Some(*wanted),
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

impl WhenTable {
    /// Tells whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.profile.is_empty()
            && self.failed_attempts.is_none()
            && self.after_offer.is_none()
            && self.hours.is_none()
    }

    /// Reads the conditions of a rule; what is wrong with one goes to `problems`.
    pub(super) fn read(&self, key: &str, problems: &mut Vec<Problem>) -> When {
        if self.profile.len() > CONDITIONS_MAX {
            let key = format!("{key}.profile");
            let problem = Problem::new(key, format!("has more than {CONDITIONS_MAX} conditions"));
            problems.push(problem.help("make several rules, or one attribute in Braze of them"));
        }
        let profile = self.profile.iter().filter_map(|(field, value)| {
            let key = format!("{key}.profile.{field}");
            Some((field.clone(), read(&key, value, problems)?))
        });
        let profile = profile.collect();
        let attempts = format!("{key}.failed_attempts");
        let failed_attempts = self.failed_attempts.as_ref().and_then(|value| {
            let test = read(&attempts, value, problems)?;
            let is_number = match &test {
                Test::Number(..) => true,
                Test::OneOf(all) | Test::NoneOf(all) => {
                    all.iter().all(|one| matches!(one, Fixed::Number(_)))
                }
            };
            if !is_number {
                let problem =
                    Problem::new(&attempts, "counts, and is compared with something else");
                let problem = problem.help("write a number, such as `failed_attempts = \">=3\"`");
                problems.push(problem.at(Some(value.span())));
            }
            Some(test)
        });
        When {
            profile,
            failed_attempts,
            after_offer: self.after_offer,
            is_open: self
                .hours
                .as_ref()
                .and_then(|hours| match hours.get_ref().as_str() {
                    "open" => Some(true),
                    "closed" => Some(false),
                    other => {
                        let message = format!("people are not `{other}`");
                        let problem = Problem::new(format!("{key}.hours"), message);
                        let problem = problem.help("write `open` or `closed`");
                        problems.push(problem.at(Some(hours.span())));
                        None
                    }
                }),
        }
    }
}

/// Reads one condition.
fn read(key: &str, value: &Spanned<toml::Value>, problems: &mut Vec<Problem>) -> Option<Test> {
    match test(value.get_ref()) {
        Ok(test) => Some(test),
        Err(why) => {
            let help = "write a text, a number, true or false, a list of them, or a comparison such as `\">=3\"`";
            problems.push(Problem::new(key, why).help(help).at(Some(value.span())));
            None
        }
    }
}

fn test(value: &toml::Value) -> Result<Test, String> {
    if let toml::Value::Array(values) = value {
        return match values.len() {
            0 => Err("is one of none".to_owned()),
            VALUES_MAX.. => Err(format!("is one of more than {VALUES_MAX} values")),
            _ => Ok(Test::OneOf(
                values.iter().map(fixed).collect::<Result<_, _>>()?,
            )),
        };
    }
    let sign = value.as_str().and_then(|text| {
        let signs = Comparison::SIGNS.into_iter();
        let mut found = signs.filter_map(|(sign, is)| Some((is, text.trim().strip_prefix(sign)?)));
        found.next()
    });
    let Some((comparison, rest)) = sign else {
        return Ok(Test::OneOf(vec![fixed(value)?]));
    };
    let rest = rest.trim();
    match (rest.parse::<f64>(), comparison) {
        (Ok(number), _) if number.is_finite() => Ok(Test::Number(comparison, number)),
        (_, Comparison::Not) if !rest.is_empty() => Ok(Test::NoneOf(vec![fixed(
            &toml::Value::String(rest.to_owned()),
        )?])),
        _ => Err(format!("compares with `{rest}`, which is no number")),
    }
}

fn fixed(value: &toml::Value) -> Result<Fixed, String> {
    Ok(match value {
        toml::Value::String(text) if text.trim().is_empty() => {
            return Err("is empty, and what is empty meets no condition".to_owned());
        }
        toml::Value::String(text) => Fixed::Text(fold(text.trim())),
        #[expect(clippy::cast_precision_loss, reason = "exact up to nine quadrillions")]
        toml::Value::Integer(number) => Fixed::Number(*number as f64),
        toml::Value::Float(number) if number.is_finite() => Fixed::Number(*number),
        toml::Value::Boolean(flag) => Fixed::Flag(*flag),
        other => return Err(format!("is {}", Kind(other))),
    })
}

/// What a value is, in words.
struct Kind<'a>(&'a toml::Value);

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            toml::Value::Table(_) => "a table",
            toml::Value::Array(_) => "a list in a list",
            toml::Value::Datetime(_) => "a date",
            _ => "no value to compare with",
        })
    }
}
