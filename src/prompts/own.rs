//! What is the business's own in a folder, for the guards of what leaves: addresses and numbers that may be sent, and
//! instructions that may not.

use serde_json::Value;

use super::Business;
use super::source::Files;
use super::template::Template;
use crate::model;
use crate::reply::{Allowed, Canary, Instructions, bare_number};
use crate::rules::Rules;

/// What guards know of a folder.
pub(super) struct Own {
    pub(super) links: Allowed,
    pub(super) instructions: Instructions,
    pub(super) canary: Canary,
    /// Everything that may be said, as numbers are compared.
    numbers: String,
}

impl Own {
    /// Looks through the system prompt, the rules that the model is told of, the fixed texts and the facts.
    pub(super) fn new<'a>(
        files: &Files,
        rules: &Rules,
        texts: impl Iterator<Item = &'a str>,
        business: &Business,
    ) -> Self {
        let texts: Vec<&str> = texts.collect();
        let mut facts = Vec::new();
        business
            .values()
            .for_each(|value| collect(value, &mut facts));
        let system = files.get(Template::System.file());
        let prompt = system.map_or("", |file| &file.text);
        let pieces = literal(prompt);
        let mut links = Allowed::default();
        let open = || {
            texts
                .iter()
                .copied()
                .chain(facts.iter().map(String::as_str))
        };
        open()
            .chain(pieces.iter().copied())
            .for_each(|text| links.learn(text));
        let described = rules.iter().filter_map(|rule| rule.description.as_deref());
        let secret = pieces
            .iter()
            .copied()
            .chain(described)
            .chain([model::INSTRUCTIONS]);
        let numbers: Vec<String> = open().chain([prompt]).map(bare_number).collect();
        Self {
            links,
            instructions: Instructions::new(secret, open()),
            canary: Canary::new(),
            numbers: numbers.join(" "),
        }
    }

    /// Tells whether a number of letters and digits stands in what may be said.
    pub(super) fn publishes(&self, number: &str) -> bool {
        self.numbers.contains(number)
    }
}

/// Gives the texts and numbers of a fact, however deep they stand.
fn collect(value: &Value, facts: &mut Vec<String>) {
    match value {
        Value::String(text) => facts.push(text.clone()),
        Value::Number(number) => facts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, facts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, facts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Gives what stands in a template outside of its tags: facts that it prints are not its own words.
fn literal(template: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(open) = rest
        .find("{{")
        .into_iter()
        .chain(rest.find("{%"))
        .chain(rest.find("{#"))
        .min()
    {
        pieces.push(&rest[..open]);
        let close = match rest.as_bytes().get(open + 1) {
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => "}}",
        };
        rest = match rest[open + 2..].split_once(close) {
            Some((_, after)) => after,
            None => "",
        };
    }
    pieces.push(rest);
    pieces
}
