//! What has to be so: promptfoo's names for words, ours for the rest.

use std::time::Duration;

use regex::RegexBuilder;

use super::line;
use crate::cli::test::case::{Assert, Check, File, Words};
use crate::cli::test::table::{Field, Findings, Table};
use crate::cli::test::yaml::Kind;

/// The letters that may be otherwise where `levenshtein` names no number: promptfoo's default.
const LETTERS: u64 = 5;

/// The memory that a pattern may take, in bytes: a thousand times what a readable one needs.
const PATTERN_BYTES: usize = 1024 * 1024;

/// Every type, with what its value is. Each may stand with `not-` before it.
const TYPES: [(&str, &str); 22] = [
    ("contains", "a text"),
    ("contains-all", "a list of texts"),
    ("contains-any", "a list of texts"),
    ("cost", "`threshold`: the most that the step may cost"),
    ("equals", "a text"),
    ("event", "the name of an event for the desk"),
    ("handoff", "what stands in the event, or nothing"),
    ("icontains", "a text"),
    ("icontains-all", "a list of texts"),
    ("icontains-any", "a list of texts"),
    ("language", "a code such as `es`"),
    ("latency", "`threshold`: milliseconds"),
    ("levenshtein", "a text, and a `threshold`"),
    ("llm-rubric", "what has to be so, in words"),
    ("outcome", "such as `replied` or `failed(model)`"),
    ("prompt-contains", "a text"),
    ("regex", "a pattern"),
    ("rule", "the name of a rule, or nothing for none"),
    ("sends", "how many messages the customer gets"),
    ("starts-with", "a text"),
    ("state", "`assistant`, `pending` or `human`"),
    ("text-key", "the key of a text in texts/*.toml"),
];

/// Who can have a conversation.
const STATES: [(&str, &str); 3] = [
    ("assistant", "assistant"),
    ("pending", "pending"),
    ("human", "human"),
];

/// Reads a list of assertions.
pub(super) fn read(file: &File, field: &Field<'_>, findings: &mut Findings) -> Vec<Assert> {
    let items = field.list(findings);
    let asserts = items.iter().filter_map(|item| assert(file, item, findings));
    asserts.collect()
}

fn assert(file: &File, field: &Field<'_>, findings: &mut Findings) -> Option<Assert> {
    let mut table = Table::of(field, findings)?;
    let line = line(&file.text, table.span.start);
    let Some(kind) = table.take("type") else {
        let help = "such as `{type: contains, value: …}`";
        findings.add(&table.key("type"), &table.span, "is missing", help);
        return None;
    };
    let written = kind.text(findings)?;
    let (is_negated, name) = match written.strip_prefix("not-") {
        Some(name) => (true, name),
        None => (false, written.as_str()),
    };
    if !TYPES.iter().any(|(known, _)| *known == name) {
        let known: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
        let help = format!("there are, each also with `not-`: {}", known.join(", "));
        kind.cured(&format!("`{written}` is no assertion"), &help, findings);
        return None;
    }
    let value = table.take_any("value");
    let threshold = table.take("threshold");
    let check = Reading {
        name,
        value,
        threshold,
        table: &table,
    }
    .check(findings);
    table.finish(findings);
    Some(Assert {
        name: written.clone(),
        is_negated,
        line,
        check: check?,
    })
}

/// One assertion while it is read.
struct Reading<'t, 'a> {
    name: &'t str,
    value: Option<Field<'a>>,
    threshold: Option<Field<'a>>,
    table: &'t Table<'a>,
}

impl Reading<'_, '_> {
    fn check(mut self, findings: &mut Findings) -> Option<Check> {
        let contains =
            |values, any, exact| Some(Check::Words(Words::Contains { values, any, exact }));
        let check = match self.name {
            "equals" => Some(Check::Words(Words::Equals(self.text(findings)?))),
            "starts-with" => Some(Check::Words(Words::StartsWith(self.text(findings)?))),
            "contains" => contains(vec![self.text(findings)?], false, true),
            "icontains" => contains(vec![self.text(findings)?], false, false),
            "contains-any" => contains(self.texts(findings)?, true, true),
            "contains-all" => contains(self.texts(findings)?, false, true),
            "icontains-any" => contains(self.texts(findings)?, true, false),
            "icontains-all" => contains(self.texts(findings)?, false, false),
            "regex" => self.regex(findings),
            "levenshtein" => self.levenshtein(findings),
            "sends" => Some(Check::Sends(self.value(findings)?.whole(findings)?)),
            "latency" => {
                let most = self.most(findings)?.whole(findings)?;
                Some(Check::Latency(Duration::from_millis(most)))
            }
            "cost" => Some(Check::Cost(self.most(findings)?.number(findings)?)),
            "handoff" => self.handoff(findings),
            "state" => {
                let state = self.value(findings)?.one_of(&STATES, findings)?;
                Some(Check::State(state.to_owned()))
            }
            "event" => Some(Check::Event(self.text(findings)?)),
            "rule" => self.rule(findings),
            "text-key" => Some(Check::TextKey(self.text(findings)?)),
            "language" => Some(Check::Language(self.text(findings)?)),
            "prompt-contains" => Some(Check::Prompt(self.text(findings)?)),
            "outcome" => Some(Check::Outcome(self.text(findings)?)),
            _ => self.rubric(findings),
        };
        if let Some(left) = self.threshold.filter(|_| check.is_some()) {
            left.wrong("means nothing to this assertion", findings);
        }
        check
    }

    fn value(&self, findings: &mut Findings) -> Option<Field<'_>> {
        let value = self.value.as_ref().filter(|value| !value.node.is_null());
        if value.is_none() {
            let what = TYPES.iter().find(|(name, _)| *name == self.name);
            let help = what.map_or("", |(_, what)| *what);
            let key = self.table.key("value");
            findings.add(&key, &self.table.span, "is missing", help);
        }
        value.cloned()
    }

    fn text(&self, findings: &mut Findings) -> Option<String> {
        self.value(findings)?.text(findings)
    }

    fn texts(&self, findings: &mut Findings) -> Option<Vec<String>> {
        let texts = self.value(findings)?.texts(findings);
        (!texts.is_empty()).then_some(texts)
    }

    /// Gives what may be said as `threshold`, as promptfoo has it, or as `value`.
    fn most(&mut self, findings: &mut Findings) -> Option<Field<'_>> {
        match self.threshold.take() {
            Some(threshold) => Some(threshold),
            None => self.value(findings),
        }
    }

    fn regex(&self, findings: &mut Findings) -> Option<Check> {
        let value = self.value(findings)?;
        let pattern = value.text(findings)?;
        let built = RegexBuilder::new(&pattern)
            .size_limit(PATTERN_BYTES)
            .build();
        match built {
            Ok(regex) => Some(Check::Words(Words::Regex(regex))),
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default();
                let message = format!("is no pattern: {}", last.trim_start_matches("error: "));
                value.cured(&message, "put it into single quotes", findings);
                None
            }
        }
    }

    fn levenshtein(&mut self, findings: &mut Findings) -> Option<Check> {
        let threshold = match self.threshold.take() {
            Some(threshold) => threshold.whole(findings)?,
            None => LETTERS,
        };
        Some(Check::Words(Words::Levenshtein {
            value: self.text(findings)?,
            threshold: usize::try_from(threshold).unwrap_or(usize::MAX),
        }))
    }

    fn handoff(&self, findings: &mut Findings) -> Option<Check> {
        let Some(value) = self.value.as_ref().filter(|value| !value.node.is_null()) else {
            return Some(Check::Handoff(None));
        };
        if !matches!(value.node.kind, Kind::Table(_)) {
            let help = "such as `value: {reason.code: customer_asked}`";
            value.cured("expected keys with values", help, findings);
            return None;
        }
        Some(Check::Handoff(Some(value.node.json())))
    }

    fn rule(&self, findings: &mut Findings) -> Option<Check> {
        match &self.value {
            Some(value) if !value.node.is_null() => {
                let name = value.text(findings)?;
                Some(Check::Rule((name != "none").then_some(name)))
            }
            _ => Some(Check::Rule(None)),
        }
    }

    fn rubric(&mut self, findings: &mut Findings) -> Option<Check> {
        let threshold = match self.threshold.take() {
            Some(threshold) => Some(threshold.number(findings)?),
            None => None,
        };
        Some(Check::Rubric {
            rubric: self.text(findings)?,
            threshold,
        })
    }
}
