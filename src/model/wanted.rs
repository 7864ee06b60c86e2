//! What an answer can hold besides the usual: one of the assistant's sends in place of plain words, and values that are to be
//! learnt of the customer. What comes back is a model's reading of a customer's words: it is taken only where it is exactly
//! what was asked for.

use std::fmt::Write;

use serde_json::{Map, Value, json};

/// What is asked for besides the usual; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The sends that the model may pick from.
    pub sends: Vec<Offer>,
    /// The values to be learnt.
    pub values: Vec<Field>,
}

/// A send that the model may pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// When to pick it.
    pub description: String,
    /// The values that it shows.
    pub fields: Vec<Field>,
}

/// A value that the model is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it means.
    pub description: String,
    /// What it may be.
    pub kind: FieldKind,
    /// Whether there must be one.
    pub is_required: bool,
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A text of at most so many characters.
    Text(usize),
    /// One of these texts.
    OneOf(Vec<String>),
    /// A whole number.
    Whole,
    /// Any number.
    Number,
    /// True or false.
    Flag,
}

impl Wanted {
    /// Tells whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.values.is_empty()
    }

    /// Adds what is asked for to the schema of the answer. A strict schema has every field required; one that may be missing
    /// may be null.
    pub(super) fn extend(&self, schema: &mut Value) {
        let mut add = |name: &str, of: Value| {
            schema["properties"][name] = of;
            if let Some(required) = schema["required"].as_array_mut() {
                required.push(name.into());
            }
        };
        if !self.sends.is_empty() {
            let offers = self.sends.iter().map(Offer::schema);
            let choices: Vec<_> = offers.chain([json!({ "type": "null" })]).collect();
            add("send", json!({ "anyOf": choices }));
        }
        if !self.values.is_empty() {
            add("learnt", object(&self.values));
        }
    }

    /// Writes down what is asked for, for models that see no schema.
    pub(super) fn instruct(&self, text: &mut String) {
        // Writing to a string cannot fail.
        if !self.sends.is_empty() {
            text.push_str(SENDS);
            for offer in &self.sends {
                let _ = writeln!(text, "- `{}`: {}", offer.name, offer.description);
                describe(text, "  ", &offer.fields);
            }
        }
        if !self.values.is_empty() {
            text.push_str(VALUES);
            describe(text, "", &self.values);
        }
    }
}

const SENDS: &str = "
The object has one more field, `send`: null, or a prepared message that is sent in place of the reply. Use one only where it \
clearly fits what the customer wants now and you know the values that it needs from this conversation; else null. It is an \
object with `name`, one of the list below, and `properties`, an object with exactly the values listed there. Write `reply` \
all the same.

Prepared messages:
";

const VALUES: &str = "
The object has one more field, `learnt`: an object with what the customer himself has said about the following, each null \
where he has not:
";

fn describe(text: &mut String, indent: &str, fields: &[Field]) {
    for field in fields {
        let Field {
            name,
            description,
            kind,
            ..
        } = field;
        let kind = match kind {
            FieldKind::Text(most) => format!("text, up to {most} characters"),
            FieldKind::OneOf(names) => format!("one of {}", names.join(", ")),
            FieldKind::Whole => "whole number".to_owned(),
            FieldKind::Number => "number".to_owned(),
            FieldKind::Flag => "true or false".to_owned(),
        };
        let null = if field.is_required { "" } else { ", or null" };
        let _ = writeln!(text, "{indent}- `{name}` ({kind}{null}): {description}");
    }
}

impl Offer {
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name", "properties"],
            "properties": {
                "name": { "type": "string", "enum": [self.name] },
                "properties": object(&self.fields),
            },
        })
    }

    /// Reads the values for this send; nothing where they are not exactly what it needs.
    pub fn read(&self, properties: &Value) -> Option<Map<String, Value>> {
        let given = match properties {
            Value::Object(given) => given.clone(),
            Value::Null => Map::new(),
            _ => return None,
        };
        let is_known = |name: &String| self.fields.iter().any(|field| field.name == *name);
        if !given.keys().all(is_known) {
            return None;
        }
        let mut values = Map::new();
        for field in &self.fields {
            match given.get(&field.name).filter(|value| !value.is_null()) {
                Some(value) => drop(values.insert(field.name.clone(), field.read(value)?)),
                None if field.is_required => return None,
                None => {}
            }
        }
        Some(values)
    }
}

impl Field {
    /// Takes a value that is what was asked for; texts without white space around them.
    pub fn read(&self, value: &Value) -> Option<Value> {
        match &self.kind {
            FieldKind::Text(most) => {
                let text = value.as_str()?.trim();
                let fits = !text.is_empty() && text.chars().count() <= *most;
                fits.then(|| text.into())
            }
            FieldKind::OneOf(names) => {
                let text = value.as_str()?.trim();
                names.iter().any(|name| name == text).then(|| text.into())
            }
            FieldKind::Whole => value.as_i64().map(Value::from),
            FieldKind::Number => value.as_f64().map(|_| value.clone()),
            FieldKind::Flag => value.as_bool().map(Value::from),
        }
    }

    fn schema(&self) -> Value {
        let mut schema = match &self.kind {
            FieldKind::Text(_) => json!({ "type": "string" }),
            FieldKind::OneOf(names) => json!({ "type": "string", "enum": names }),
            FieldKind::Whole => json!({ "type": "integer" }),
            FieldKind::Number => json!({ "type": "number" }),
            FieldKind::Flag => json!({ "type": "boolean" }),
        };
        if !self.is_required {
            schema["type"] = json!([schema["type"], "null"]);
            if let Some(names) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                names.push(Value::Null);
            }
        }
        schema["description"] = self.description.as_str().into();
        schema
    }
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| (field.name.clone(), field.schema()))
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": properties.keys().collect::<Vec<_>>(),
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn field(name: &str, kind: FieldKind, is_required: bool) -> Field {
        Field {
            name: name.to_owned(),
            description: format!("the {name}"),
            kind,
            is_required,
        }
    }

    fn offer() -> Offer {
        Offer {
            name: "order_status".to_owned(),
            description: "where an order is".to_owned(),
            fields: vec![
                field("order", FieldKind::Text(8), true),
                field("express", FieldKind::Flag, false),
                field(
                    "kind",
                    FieldKind::OneOf(vec!["home".to_owned(), "shop".to_owned()]),
                    false,
                ),
                field("items", FieldKind::Whole, false),
            ],
        }
    }

    #[rstest]
    #[case::all(json!({"order": " A-1 ", "express": true, "kind": "shop", "items": 2}),
        Some(json!({"order": "A-1", "express": true, "kind": "shop", "items": 2})))]
    #[case::nulls_are_nothing(json!({"order": "A-1", "express": null, "kind": null}), Some(json!({"order": "A-1"})))]
    #[case::lacks_one(json!({"express": true}), None)]
    #[case::null_for_one(json!({"order": null}), None)]
    #[case::blank(json!({"order": "  "}), None)]
    #[case::too_long(json!({"order": "123456789"}), None)]
    #[case::another_type(json!({"order": 1}), None)]
    #[case::no_flag(json!({"order": "A-1", "express": "true"}), None)]
    #[case::not_in_the_list(json!({"order": "A-1", "kind": "moon"}), None)]
    #[case::no_whole_number(json!({"order": "A-1", "items": 1.5}), None)]
    #[case::unheard_of(json!({"order": "A-1", "broadcast": true}), None)]
    #[case::no_object(json!("A-1"), None)]
    #[case::nothing(Value::Null, None)]
    fn values_are_taken_where_they_are_exactly_what_was_asked_for(
        #[case] given: Value,
        #[case] taken: Option<Value>,
    ) {
        assert_eq!(offer().read(&given).map(Value::Object), taken);
    }

    #[test]
    fn the_schema_is_strict_and_what_may_lack_may_be_null() {
        let wanted = Wanted {
            sends: vec![offer()],
            values: vec![field("size", FieldKind::Text(20), false)],
        };
        let mut schema = json!({ "required": ["reply"], "properties": { "reply": {} } });
        wanted.extend(&mut schema);
        assert_eq!(schema["required"], json!(["reply", "send", "learnt"]));
        let [send, null] = schema["properties"]["send"]["anyOf"]
            .as_array()
            .unwrap()
            .as_slice()
        else {
            panic!("{schema}")
        };
        assert_eq!(null["type"], "null");
        assert_eq!(send["properties"]["name"]["enum"], json!(["order_status"]));
        let of = &send["properties"]["properties"];
        assert_eq!(of["required"].as_array().unwrap().len(), 4);
        assert_eq!(of["properties"]["order"]["type"], "string");
        assert_eq!(of["properties"]["kind"]["type"], json!(["string", "null"]));
        assert_eq!(
            of["properties"]["kind"]["enum"],
            json!(["home", "shop", null])
        );
        let mut text = String::new();
        wanted.instruct(&mut text);
        assert!(text.contains("- `order_status`: where an order is\n  - `order` (text, up to 8 characters): the order\n"), "{text}");
        assert!(
            text.ends_with("- `size` (text, up to 20 characters, or null): the size\n"),
            "{text}"
        );
    }
}
