//! Sends in place of plain words: which one a rule or a model means, and with what values.

use serde_json::{Map, Value};

use crate::domain::Payload;
use crate::model::{Field, Offer};
use crate::redact::Private;
use crate::reply;

use super::judge::Asked;

/// One of an assistant's sends, as a turn chooses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// Its name.
    pub name: String,
    /// How the model is told of it, where it may pick it.
    pub offer: Option<Offer>,
    /// The values that are always the same.
    pub fixed: Map<String, Value>,
    /// The rules that it answers.
    pub rules: Vec<String>,
    /// What it says, where that is known here.
    pub said: Option<String>,
}

impl Send {
    /// Gives the send that answers a rule.
    pub(super) fn answering<'a>(sends: &'a [Self], rule: Option<&str>) -> Option<&'a Self> {
        let rule = rule?;
        sends
            .iter()
            .find(|send| send.rules.iter().any(|name| name == rule))
    }

    /// Gives the send that a model picked, with the values that it gave. Nothing where it is none of the assistant's, or the
    /// values are not exactly what it needs: then the reply is said in plain words.
    pub(super) fn picked<'a>(
        sends: &'a [Self],
        picked: &Value,
    ) -> Option<(&'a Self, Map<String, Value>)> {
        let name = picked.get("name")?.as_str()?;
        let send = sends.iter().find(|send| send.name == name)?;
        let values = send.offer.as_ref()?.read(picked.get("properties")?)?;
        let values = values.into_iter();
        let values = values.map(|(name, value)| (name, harmless(value)));
        Some((send, values.collect()))
    }

    /// Gives what leaves.
    pub(super) fn payload(&self, values: Map<String, Value>) -> Payload {
        let mut properties = values;
        properties.extend(self.fixed.clone());
        Payload::Send {
            name: self.name.clone(),
            said: Private(self.in_words(&properties)),
            properties: Private(properties),
        }
    }

    /// Gives what the history remembers.
    fn in_words(&self, properties: &Map<String, Value>) -> String {
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        if let Some(said) = &self.said {
            return said.clone();
        }
        let mut shown = format!("[sent: {}", self.name);
        for (name, value) in properties {
            shown.extend([", ", name, ": ", &plain(value)]);
        }
        shown + "]"
    }
}

/// Gives what a model has learnt, as far as it is what was asked for.
pub(super) fn learnt(fields: &[Field], asked: &Asked) -> Private<Map<String, Value>> {
    let told = asked.answer.as_ref().ok();
    let told = told.and_then(|answer| answer.learnt.as_ref());
    let value = |field: &Field| {
        let value = field.read(told?.get(&field.name)?)?;
        Some((field.name.clone(), harmless(value)))
    };
    Private(fields.iter().filter_map(value).collect())
}

/// Takes out of a model's words, which may be the customer's, what Braze's Liquid could take for a tag.
fn harmless(value: Value) -> Value {
    match value {
        Value::String(text) => reply::break_liquid(&text).into(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::FieldKind;

    fn sends() -> Vec<Send> {
        let order = Field {
            name: "order".to_owned(),
            description: "its number".to_owned(),
            kind: FieldKind::Text(20),
            is_required: true,
        };
        let offer = Offer {
            name: "order_status".to_owned(),
            description: "where an order is".to_owned(),
            fields: vec![order],
        };
        let fixed = Map::from_iter([("shop".to_owned(), json!("Acme"))]);
        vec![
            Send {
                name: "order_status".to_owned(),
                offer: Some(offer),
                fixed,
                rules: Vec::new(),
                said: None,
            },
            Send {
                name: "menu".to_owned(),
                offer: None,
                fixed: Map::new(),
                rules: vec!["help".to_owned()],
                said: Some("What is it about?".to_owned()),
            },
        ]
    }

    #[test]
    fn what_a_model_gives_is_made_harmless_and_joined_to_what_is_fixed() {
        let sends = sends();
        let picked = json!({"name": "order_status", "properties": {"order": "{{campaign}}"}});
        let (send, values) = Send::picked(&sends, &picked).unwrap();
        let Payload::Send {
            properties, said, ..
        } = send.payload(values)
        else {
            panic!("no send")
        };
        let expected = json!({"order": "{ {campaign} }", "shop": "Acme"});
        assert_eq!(Value::Object(properties.0), expected);
        assert_eq!(
            said.0,
            "[sent: order_status, order: { {campaign} }, shop: Acme]"
        );
    }

    #[test]
    fn a_model_picks_from_what_it_was_offered_alone() {
        for picked in [
            json!({"name": "menu", "properties": {}}),
            json!({"name": "unheard of", "properties": {"order": "A-1"}}),
            json!({"name": "order_status", "properties": {"order": "A-1", "shop": "Mine"}}),
            json!({"name": "order_status", "properties": {}}),
            json!({"name": "order_status"}),
            json!({}),
        ] {
            assert_eq!(Send::picked(&sends(), &picked), None, "{picked}");
        }
    }

    #[test]
    fn a_rule_has_the_send_that_answers_it() {
        let sends = sends();
        let answering = |rule| Send::answering(&sends, rule).map(|send| send.name.as_str());
        assert_eq!(answering(Some("help")), Some("menu"));
        assert_eq!((answering(Some("hours")), answering(None)), (None, None));
    }
}
