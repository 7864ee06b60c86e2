//! Whether what was seen is what was to be: pure, over what one step brought about.

use std::time::Duration;

use serde_json::Value;

use super::case::{Assert, Check, Words};
use crate::domain::Money;

/// Letters of a text that a failure shows: enough to see what came instead.
const SHOWN_CHARS: usize = 300;

/// Letters of texts that are compared letter by letter: the work grows with their product.
const COMPARED_CHARS: usize = 4_096;

/// What one step brought about.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Seen {
    /// What the customer got, in order.
    pub(in crate::cli) sent: Vec<String>,
    /// What the desk got: names and bodies.
    pub(in crate::cli) events: Vec<(String, Value)>,
    /// What the model was shown when it was asked for an answer.
    pub(in crate::cli) prompts: Vec<String>,
    /// What became of the customer's messages.
    pub(in crate::cli) outcomes: Vec<String>,
    /// The rules that decided about them.
    pub(in crate::cli) rules: Vec<Option<String>>,
    /// The fixed texts that were sent: key and language.
    pub(in crate::cli) texts: Vec<(String, String)>,
    /// The language that the customer is spoken to in, where it can be told.
    pub(in crate::cli) language: Option<String>,
    /// Who has the conversation; empty before there is one.
    pub(in crate::cli) state: String,
    /// How long it took.
    pub(in crate::cli) took: Duration,
    /// What it cost.
    pub(in crate::cli) cost: Money,
    /// The tokens that it took.
    pub(in crate::cli) tokens: u64,
}

/// What came of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is so.
    Passed,
    /// It is not, and this is what is.
    Failed(String),
}

/// Looks whether an assertion holds. A rubric is not for this: a model judges by it.
pub(super) fn check(assert: &Assert, seen: &Seen) -> Verdict {
    let (is_so, expected, found) = look(&assert.check, seen);
    if is_so != assert.is_negated {
        return Verdict::Passed;
    }
    let not = if assert.is_negated { "not " } else { "" };
    Verdict::Failed(format!("expected {not}{expected}; {found}"))
}

/// Gives whether it is so, what was expected, and what there is.
fn look(check: &Check, seen: &Seen) -> (bool, String, String) {
    match check {
        Check::Words(words) => {
            let said = seen.sent.join("\n");
            let (is_so, expected) = compare(words, &said);
            (is_so, expected, heard(seen))
        }
        Check::Sends(count) => {
            let sent = u64::try_from(seen.sent.len()).unwrap_or(u64::MAX);
            let expected = format!("{count} messages for the customer");
            (sent == *count, expected, heard(seen))
        }
        Check::Latency(most) => {
            let expected = format!("at most {} ms", most.as_millis());
            let found = format!("it took {} ms", seen.took.as_millis());
            (seen.took <= *most, expected, found)
        }
        Check::Cost(most) => {
            let found = format!("it cost {}", seen.cost);
            (
                seen.cost.units() <= *most,
                format!("a cost of at most {most}"),
                found,
            )
        }
        Check::Handoff(wanted) => handoff(wanted.as_ref(), seen),
        Check::Event(name) => {
            let is_so = seen.events.iter().any(|(event, _)| event == name);
            (is_so, format!("the event `{name}`"), told(seen))
        }
        Check::State(state) => {
            let expected = format!("the conversation to be with `{state}`");
            (
                seen.state == *state,
                expected,
                format!("it is with `{}`", seen.state),
            )
        }
        Check::Rule(rule) => rules(rule.as_deref(), seen),
        Check::Outcome(outcome) => outcomes(outcome, seen),
        Check::TextKey(key) => {
            let is_so = seen.texts.iter().any(|(sent, _)| sent == key);
            (is_so, format!("the text `{key}`"), texts(seen))
        }
        Check::Language(language) => {
            let spoken = seen.language.as_deref();
            let found = match spoken {
                Some(spoken) => format!("it is `{spoken}`"),
                None => "it cannot be told".to_owned(),
            };
            let is_so = spoken == Some(language);
            (is_so, format!("the language `{language}`"), found)
        }
        Check::Prompt(text) => {
            let is_so = seen.prompts.iter().any(|prompt| prompt.contains(text));
            let found = match seen.prompts.last() {
                Some(last) => format!("the model was shown: {}", tail(last)),
                None => "the model was not asked".to_owned(),
            };
            (is_so, format!("{} in the prompt", quoted(text)), found)
        }
        Check::Rubric { rubric, .. } => (false, quoted(rubric), "nobody judged it".to_owned()),
    }
}

fn compare(words: &Words, said: &str) -> (bool, String) {
    match words {
        Words::Equals(text) => (said == text, quoted(text)),
        Words::StartsWith(text) => (
            said.starts_with(text.as_str()),
            format!("{} at the beginning", quoted(text)),
        ),
        Words::Regex(pattern) => (pattern.is_match(said), format!("the pattern `{pattern}`")),
        Words::Contains { values, any, exact } => {
            let lower = said.to_lowercase();
            let has = |value: &String| match exact {
                true => said.contains(value.as_str()),
                false => lower.contains(&value.to_lowercase()),
            };
            let is_so = match any {
                true => values.iter().any(has),
                false => values.iter().all(has),
            };
            let between = if *any { " or " } else { " and " };
            let listed: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            (is_so, listed.join(between))
        }
        Words::Levenshtein { value, threshold } => {
            let distance = distance(said, value);
            let expected = format!(
                "{} but for {threshold} letters (there are {distance})",
                quoted(value)
            );
            (distance <= *threshold, expected)
        }
    }
}

/// Counts the letters that have to be put in, taken out or changed to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(COMPARED_CHARS).collect();
    let other: Vec<char> = other.chars().take(COMPARED_CHARS).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut corner = at;
        let mut left = at + 1;
        for (place, above) in other.iter().zip(row.iter_mut().skip(1)) {
            let changed = corner + usize::from(letter != place);
            corner = *above;
            left = changed.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn handoff(wanted: Option<&Value>, seen: &Seen) -> (bool, String, String) {
    let mut asked = seen
        .events
        .iter()
        .filter(|(name, _)| name == "handoff.requested");
    let is_so = asked.any(|(_, body)| wanted.is_none_or(|wanted| has(body, wanted)));
    let expected = match wanted {
        Some(wanted) => format!("a handoff with {wanted}"),
        None => "a handoff".to_owned(),
    };
    let last = seen
        .events
        .iter()
        .rfind(|(name, _)| name == "handoff.requested");
    let found = match (last, wanted) {
        (Some((_, body)), Some(wanted)) => format!("it has {}", narrowed(body, wanted)),
        (Some((_, body)), None) => format!("it has the reason {}", body["reason"]),
        (None, _) => told(seen),
    };
    (is_so, expected, found)
}

/// Tells whether a value has all that another one has; lists have to be the same.
fn has(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            let found = value.get(key);
            found.map_or(wanted.is_null(), |found| has(found, wanted))
        }),
        _ => value == wanted,
    }
}

/// Gives of a value what another one asks about.
fn narrowed(value: &Value, wanted: &Value) -> Value {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => {
            let asked = wanted.iter();
            asked
                .map(|(key, wanted)| {
                    let found = value.get(key).map(|found| narrowed(found, wanted));
                    (key.clone(), found.unwrap_or_default())
                })
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        _ => value.clone(),
    }
}

fn rules(rule: Option<&str>, seen: &Seen) -> (bool, String, String) {
    let last = seen.rules.last().cloned().flatten();
    let expected = match rule {
        Some(rule) => format!("the rule `{rule}`"),
        None => "no rule".to_owned(),
    };
    let found = match (&last, seen.rules.is_empty()) {
        (_, true) => "no message of the customer was dealt with".to_owned(),
        (Some(last), _) => format!("the rule `{last}` decided"),
        (None, _) => "no rule decided".to_owned(),
    };
    (
        !seen.rules.is_empty() && last.as_deref() == rule,
        expected,
        found,
    )
}

/// An outcome may be named with its reason or without: `failed(model)` or `failed`.
fn outcomes(outcome: &str, seen: &Seen) -> (bool, String, String) {
    let last = seen.outcomes.last().map_or("", String::as_str);
    let is_so = last == outcome || last.split('(').next() == Some(outcome) && !last.is_empty();
    let found = match last {
        "" => "no message of the customer was dealt with".to_owned(),
        last => format!("it is `{last}`"),
    };
    (is_so, format!("the outcome `{outcome}`"), found)
}

fn texts(seen: &Seen) -> String {
    match seen.texts.as_slice() {
        [] => format!("no fixed text was sent, but {}", heard(seen)),
        texts => {
            let keys: Vec<_> = texts
                .iter()
                .map(|(key, language)| format!("`{key}` ({language})"))
                .collect();
            format!("sent were {}", keys.join(", "))
        }
    }
}

fn heard(seen: &Seen) -> String {
    match seen.sent.as_slice() {
        [] => "the customer got nothing".to_owned(),
        [one] => format!("the customer got {}", quoted(one)),
        more => {
            let listed: Vec<_> = more.iter().map(|text| quoted(text)).collect();
            format!(
                "the customer got {} messages: {}",
                more.len(),
                listed.join(", ")
            )
        }
    }
}

fn told(seen: &Seen) -> String {
    let names: Vec<_> = seen
        .events
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [] => "the desk got nothing".to_owned(),
        names => format!("the desk got {}", names.join(", ")),
    }
}

/// Puts a text into quotes, cut to what a line bears.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Gives the end of a long text: what was said last stands there.
fn tail(text: &str) -> String {
    let count = text.chars().count();
    let start = text.char_indices().nth(count.saturating_sub(SHOWN_CHARS));
    match start {
        Some((start, _)) if start > 0 => format!("…{:?}", &text[start..]),
        _ => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests;
