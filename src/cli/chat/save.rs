//! A conversation as a test file: what was said, what the model answered, and what came of it.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::test::case::{Answer, Fault, User};
use crate::cli::test::checks::Seen;
use crate::cli::test::run::in_words;

/// Something that a person did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Recorded {
    /// The customer wrote these words, with this link.
    Says(String, String),
    /// Time went by.
    Advance(Duration),
    /// An agent gave the conversation back.
    Release,
}

/// What happened so far.
pub(super) struct Record {
    began: Timestamp,
    steps: Vec<(Recorded, Seen)>,
    answers: Vec<Answer>,
    summary: Option<String>,
}

impl Record {
    /// Begins with nothing.
    pub(super) fn new(began: Timestamp) -> Self {
        Self {
            began,
            steps: Vec::new(),
            answers: Vec::new(),
            summary: None,
        }
    }

    /// Adds a step, what it brought about, and what models answered to each question meanwhile. Of several answers the last
    /// one counted.
    pub(super) fn add(&mut self, step: Recorded, seen: Seen, answers: Vec<Answer>) {
        let mut events = seen.events.iter().rev();
        let summary = events.find_map(|(_, body)| body["summary"].as_str());
        if let Some(summary) = summary {
            self.summary = Some(summary.to_owned());
        }
        self.answers.extend(answers.into_iter().next_back());
        self.steps.push((step, seen));
    }

    /// Tells whether a model was asked in the last step.
    pub(super) fn was_asked(&self) -> bool {
        let last = self.steps.last();
        last.is_some_and(|(_, seen)| !seen.prompts.is_empty())
    }

    /// Writes a test file that plays the same again.
    pub(super) fn yaml(&self, user: &User) -> String {
        let first = self.steps.iter().find_map(|(step, _)| match step {
            Recorded::Says(text, _) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        });
        let about = format!("as it was tried out: {}", first.unwrap_or("a conversation"));
        let mut text = String::from(
            "# Saved by `frontdesk chat`. Say in the description what has to go right, and keep the assertions that say so.\n",
        );
        let mut put = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        put("tests:".to_owned());
        put(format!("  - description: {}", Value::from(about)));
        put(format!("    user: {}", self::user(user)));
        put(format!("    clock: {}", self.began));
        if let Some(summary) = &self.summary {
            put(format!("    summary: {}", Value::from(summary.as_str())));
        }
        match self.answers.is_empty() {
            true => put("    model: []".to_owned()),
            false => put("    model:".to_owned()),
        }
        for answer in &self.answers {
            put(format!("      - {}", self::answer(answer)));
        }
        put("    turns:".to_owned());
        for (step, seen) in &self.steps {
            put(format!("      - {}", self::step(step)));
            let asserts = asserts(step, seen);
            if !asserts.is_empty() {
                put("        assert:".to_owned());
            }
            for assert in asserts {
                put(format!("          - {assert}"));
            }
        }
        text
    }
}

fn user(user: &User) -> Value {
    let mut known = Map::new();
    known.insert("external_id".to_owned(), user.external_id.clone().into());
    if let Some(language) = &user.language {
        known.insert("language".to_owned(), language.clone().into());
    }
    if !user.attributes.is_empty() {
        known.insert("attributes".to_owned(), user.attributes.clone().into());
    }
    Value::Object(known)
}

fn answer(answer: &Answer) -> Value {
    match answer {
        Answer::Text(text) => text.as_str().into(),
        Answer::Object(object) => Value::Object(object.clone()),
        Answer::Fault(fault) => {
            let name = Fault::ALL.iter().find(|(_, known)| known == fault);
            json!({ "error": name.map_or("overloaded", |(name, _)| *name) })
        }
    }
}

fn step(step: &Recorded) -> String {
    match step {
        Recorded::Says(text, link) if link.is_empty() => {
            format!("user: {}", Value::from(text.as_str()))
        }
        Recorded::Says(text, link) => {
            let (text, link) = (Value::from(text.as_str()), Value::from(link.as_str()));
            format!("user: {text}\n        media: {link}")
        }
        Recorded::Advance(time) => format!("advance: {}", in_words(*time)),
        Recorded::Release => "agent: { release: true }".to_owned(),
    }
}

/// Gives what came of a step, as far as it is worth asserting: the model's own words are the script's.
fn asserts(step: &Recorded, seen: &Seen) -> Vec<String> {
    let mut asserts = vec![format!("{{ type: sends, value: {} }}", seen.sent.len())];
    if matches!(step, Recorded::Says(..)) {
        if let Some(outcome) = seen.outcomes.last() {
            asserts.push(format!("{{ type: outcome, value: {outcome} }}"));
        }
        match seen.rules.last().cloned().flatten() {
            Some(rule) => asserts.push(format!("{{ type: rule, value: {} }}", Value::from(rule))),
            None => asserts.push("{ type: rule }".to_owned()),
        }
    }
    for (key, _) in &seen.texts {
        let mut line = String::new();
        // Writing to a text cannot fail.
        let _ = write!(
            line,
            "{{ type: text-key, value: {} }}",
            Value::from(key.as_str())
        );
        asserts.push(line);
    }
    for (name, body) in &seen.events {
        match body["reason"]["code"].as_str() {
            Some(code) if name == "handoff.requested" => {
                asserts.push(format!(
                    "{{ type: handoff, value: {{ reason.code: {code} }} }}"
                ));
            }
            _ => asserts.push(format!("{{ type: event, value: {name} }}")),
        }
    }
    asserts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_can_be_played_again_whatever_it_holds() {
        let mut record = Record::new("2026-03-02T09:00:00Z".parse().unwrap());
        let seen = Seen {
            sent: vec!["Hi.".to_owned()],
            outcomes: vec!["replied".to_owned()],
            rules: vec![None],
            prompts: vec!["asked".to_owned()],
            ..Seen::default()
        };
        let tricky = "a \"b\": [c] # d\n- e 'f' \u{1f600} \u{7}";
        let answers = vec![
            Answer::Fault(Fault::Overloaded),
            Answer::Text(tricky.to_owned()),
        ];
        record.add(
            Recorded::Says(tricky.to_owned(), String::new()),
            seen,
            answers,
        );
        assert!(record.was_asked());
        record.add(
            Recorded::Advance(Duration::from_mins(90)),
            Seen::default(),
            Vec::new(),
        );
        record.add(Recorded::Release, Seen::default(), Vec::new());
        let user = User {
            external_id: "a".to_owned(),
            ..User::default()
        };
        let text = record.yaml(&user);
        let tests = crate::cli::test::parsed(&text);
        assert_eq!(tests, 1, "{text}");
        let node = crate::cli::test::as_json(&text);
        assert_eq!(node["tests"][0]["turns"][0]["user"], tricky);
        assert_eq!(node["tests"][0]["model"], json!([tricky]));
        assert_eq!(node["tests"][0]["turns"][1]["advance"], "1h 30m");
    }
}
