//! Personal data that a server is not to see: masked in what goes to it, put back in what comes.
//!
//! Each value gets a name in brackets, `[card-1]`, the same one wherever it stands in one request. Only where that very name
//! stands in the answer does the value come back. The names are made anew for each attempt at a target, since the next one
//! may be trusted; nothing of them is kept.

use std::collections::HashMap;

use serde_json::Value;

use super::{Answer, Turn};
use crate::pii::{self, Kind};
use crate::redact::Private;

/// What the model is told where something was masked.
pub(super) const NOTE: &str = "\
Some personal data is replaced by names in brackets, such as `[card-1]` or `[email-1]`. Where you mean the data, write the \
name exactly as it stands, brackets included; never guess what it stands for, and never ask for it because of that.\n";

/// What was masked in one request. Not printable.
#[derive(Default)]
pub(super) struct Mask {
    /// Names by kind and value, as it is compared.
    names: HashMap<(Kind, String), String>,
    /// Names and what stood there first, in order.
    values: Vec<(String, Private<String>)>,
}

impl Mask {
    /// Masks what the turns of a conversation hold. What the prompt itself says is the business's own and stays.
    pub(super) fn over(turns: &mut [Turn], prompt: &str) -> Self {
        let mut mask = Self::default();
        let own = found(prompt).map(|(kind, value)| (kind, compared(kind, value)));
        let own: Vec<_> = own.collect();
        let taken: Vec<String> = turns
            .iter()
            .flat_map(|turn| bracketed(&turn.text))
            .collect();
        for turn in turns {
            let masked = mask.masked(&turn.text, &own, &taken);
            if let Some(masked) = masked {
                turn.text = Private(masked);
            }
        }
        mask
    }

    /// Tells whether nothing was masked.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Puts back what was masked, in all that an answer says.
    pub(super) fn lift(&self, answer: Answer) -> Answer {
        Answer {
            reply: Private(self.lifted(answer.reply.0)),
            reason: answer.reason.map(|reason| Private(self.lifted(reason.0))),
            send: answer.send.map(|send| Private(self.lifted_all(send.0))),
            learnt: answer
                .learnt
                .map(|learnt| Private(self.lifted_all(learnt.0))),
            ..answer
        }
    }

    /// Puts back what was masked in a text: once, so that nothing in a value is taken for a name.
    pub(super) fn lifted(&self, text: String) -> String {
        if self.is_empty() || !text.contains('[') {
            return text;
        }
        let mut lifted = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(open) = rest.find('[') {
            let (before, from) = rest.split_at(open);
            lifted.push_str(before);
            let here = self
                .values
                .iter()
                .find(|(name, _)| from.starts_with(name.as_str()));
            let (put, read) = here.map_or(("[", 1), |(name, value)| (value.as_str(), name.len()));
            lifted.push_str(put);
            rest = &from[read..];
        }
        lifted + rest
    }

    /// Puts back what was masked in all texts of a value.
    fn lifted_all(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.lifted(text)),
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.lifted_all(item))
                .collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                let lifted = fields.map(|(name, value)| (name, self.lifted_all(value)));
                Value::Object(lifted.collect())
            }
            other => other,
        }
    }

    fn masked(&mut self, text: &str, own: &[(Kind, String)], taken: &[String]) -> Option<String> {
        let mut masked = String::new();
        let mut from = 0;
        for found in pii::find(text) {
            let value = text.get(found.range.clone())?;
            let key = (found.kind, compared(found.kind, value));
            if own.contains(&key) {
                continue;
            }
            masked.push_str(text.get(from..found.range.start)?);
            masked.push_str(self.name(key, value, taken));
            from = found.range.end;
        }
        (from > 0).then(|| masked + text.get(from..).unwrap_or_default())
    }

    fn name(&mut self, key: (Kind, String), value: &str, taken: &[String]) -> &str {
        let kind = key.0;
        let Self { names, values } = self;
        names.entry(key).or_insert_with(|| {
            let before = values.iter().map(|(name, _)| name).chain(taken);
            let before: Vec<&String> = before.collect();
            // One more than are taken is free.
            let name = (1..=before.len() + 1)
                .map(|number| format!("[{}-{number}]", kind.as_str()))
                .find(|name| !before.contains(&name))
                .unwrap_or_default();
            values.push((name.clone(), Private(value.to_owned())));
            name
        })
    }
}

fn found(text: &str) -> impl Iterator<Item = (Kind, &str)> {
    let found = pii::find(text).into_iter();
    found.filter_map(|found| Some((found.kind, text.get(found.range)?)))
}

/// Gives a value as it is compared: written otherwise, it is the same.
fn compared(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Email => value.to_lowercase(),
        Kind::Card | Kind::Iban | Kind::Phone => {
            let letters = value.chars().filter(|letter| letter.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect()
        }
    }
}

/// Gives what a text has in brackets that could be taken for one of our names.
fn bracketed(text: &str) -> Vec<String> {
    let opened = text.split('[').skip(1);
    let closed = opened.filter_map(|from| from.split_once(']'));
    let is_name = |name: &&str| Kind::ALL.iter().any(|kind| name.starts_with(kind.as_str()));
    let names = closed.map(|(name, _)| name).filter(is_name);
    names.map(|name| format!("[{name}]")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Action, Role};

    fn turns(texts: &[&str]) -> Vec<Turn> {
        let turn = |text: &&str| Turn {
            role: Role::User,
            text: (*text).into(),
        };
        texts.iter().map(turn).collect()
    }

    fn texts(turns: &[Turn]) -> Vec<&str> {
        turns.iter().map(|turn| turn.text.as_str()).collect()
    }

    #[test]
    fn each_value_has_one_name_wherever_and_however_it_stands() {
        let mut turns = turns(&[
            "I am Ana@example.com, my card is 4111 1111 1111 1111.",
            "Pay from DE89370400440532013000 or 4111-1111-1111-1111",
            "Call +34 612 345 678, write to ana@example.com or bo@example.com",
            "nothing here",
        ]);
        let mask = Mask::over(&mut turns, "");
        let masked = [
            "I am [email-1], my card is [card-1].",
            "Pay from [iban-1] or [card-1]",
            "Call [phone-1], write to [email-1] or [email-2]",
            "nothing here",
        ];
        assert_eq!(texts(&turns), masked);
        let lifted = mask.lifted("[card-1], [email-2]; [card-2] [ [x] [card-1".to_owned());
        assert_eq!(
            lifted,
            "4111 1111 1111 1111, bo@example.com; [card-2] [ [x] [card-1"
        );
    }

    #[test]
    fn a_name_that_the_customer_wrote_himself_is_not_given_to_a_value() {
        let mut turns = turns(&["what is [card-1]?", "4111 1111 1111 1111"]);
        let mask = Mask::over(&mut turns, "");
        assert_eq!(texts(&turns), ["what is [card-1]?", "[card-2]"]);
        let lifted = mask.lifted("[card-1] is not [card-2]".to_owned());
        assert_eq!(lifted, "[card-1] is not 4111 1111 1111 1111");
    }

    #[test]
    fn what_the_prompt_says_is_the_businesss_own() {
        let mut turns = turns(&["Is it help@acme.dev or +34 900 123 123? I am ana@example.com"]);
        let mask = Mask::over(&mut turns, "Write to help@acme.dev, call +34 900 123 123.");
        let shown = "Is it help@acme.dev or +34 900 123 123? I am [email-1]";
        assert_eq!(texts(&turns), [shown]);
        assert!(!mask.is_empty());
    }

    #[test]
    fn an_answer_is_lifted_in_all_that_it_says() {
        let mask = Mask::over(&mut turns(&["ana@example.com"]), "");
        let answer = Answer {
            reply: "Sent to [email-1].".into(),
            action: Action::Answer,
            rule: None,
            reason: Some("wants it at [email-1]".into()),
            language: None,
            send: Some(Private(json!({"name": "receipt", "to": ["[email-1]", 1]}))),
            learnt: Some(Private(json!({"mail": "[email-1]"}))),
        };
        let lifted = mask.lift(answer);
        let send = json!({"name": "receipt", "to": ["ana@example.com", 1]});
        assert_eq!(lifted.send.unwrap().0, send);
        assert_eq!(lifted.learnt.unwrap().0, json!({"mail": "ana@example.com"}));
        assert_eq!(lifted.reply.0, "Sent to ana@example.com.");
        assert_eq!(lifted.reason.unwrap().0, "wants it at ana@example.com");
    }
}
