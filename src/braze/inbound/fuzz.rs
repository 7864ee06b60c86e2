//! Bodies that nobody wrote on purpose, and bodies that somebody did.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::reading::{Fields, read};
use super::repair::{Tail, as_typed, head};
use super::*;
use crate::fuzz;

const ALL: [Escaping; 3] = [Escaping::Auto, Escaping::None, Escaping::JsonEscape];

const IDS: [&str; 3] = ["user_id", "braze_id", "phone_number"];

/// Small enough that generated bodies pass each of them.
fn narrow(escaping: Escaping) -> InboundLimits {
    InboundLimits {
        escaping,
        text_bytes: 40,
        id_bytes: 12,
        fields: 6,
        name_bytes: 12,
        value_bytes: 10,
        nested_bytes: 16,
        media: 2,
        media_bytes: 20,
        ..InboundLimits::default()
    }
}

fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "user_id",
        "phone_number",
        "message",
        "braze_id",
        "profile_name",
        "media_urls",
        "language",
        "dispatch_id",
        "campaign_id",
        "channel",
        "tier",
        "Message",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => fuzz::text()]
}

/// What stands after a colon: JSON, nearly JSON, and what a template makes that escapes nothing.
fn value() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "1e400",
        "-1e400",
        "18446744073709551616",
        "0.10",
        "01",
        "nul",
        "'x'",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"",
        "[\"http://a\",\"http://b\",\"http://c\"]",
        "{\"user_id\":\"u-2\"}",
        "",
    ]);
    let deep = (0..400_usize, any::<bool>()).prop_map(|(depth, closed)| {
        "[".repeat(depth) + &"]".repeat(if closed { depth } else { 0 })
    });
    prop_oneof![
        4 => fuzz::text().prop_map(|text| format!("\"{text}\"")),
        4 => fuzz::text().prop_map(|text| Value::from(text).to_string()),
        2 => "[a-z0-9+]{1,9}".prop_map(|text| format!("\"{text}\"")),
        1 => fuzz::json(&["a", "user_id", "message"]).prop_map(|value| value.to_string()),
        2 => odd.prop_map(str::to_owned),
        1 => deep,
    ]
}

/// Whole bodies, fields doubled and commas lost among them.
fn body() -> impl Strategy<Value = String> {
    let comma = prop::sample::select(vec![",", ", ", ",\n  ", "\t,\r\n", ",", "", ",,"]);
    let field = (name(), value(), comma);
    let ends = prop::sample::select(vec![
        ("{", "}"),
        ("{\n  ", "\n}"),
        ("\u{feff} {", "} \n"),
        ("{", ""),
        ("", "}"),
    ]);
    (prop::collection::vec(field, 0..9), ends).prop_map(|(fields, (open, close))| {
        let mut body = open.to_owned();
        let last = fields.len().saturating_sub(1);
        for (index, (name, value, comma)) in fields.into_iter().enumerate() {
            let comma = if index == last { "" } else { comma };
            write!(body, "\"{name}\": {value}{comma}").unwrap();
        }
        body + close
    })
}

/// What a customer types who knows the body and means harm, and what anybody types.
fn typed() -> impl Strategy<Value = String> {
    let field = (
        prop::sample::select(vec![", ", ",", "\n,"]),
        name(),
        value(),
    );
    let forged = field.prop_map(|(comma, name, value)| {
        format!("\"{comma}\"{name}\": {}", value.trim_end_matches('"'))
    });
    let piece = prop_oneof![forged, fuzz::text(), Just("\"}".to_owned())];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat().replace('\0', ""))
}

/// The fields of a template before its message, in some order: all three ids or some, and a profile field.
fn before() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let all = vec![
        ("user_id", "u-1"),
        ("phone_number", "+1555"),
        ("braze_id", "b-1"),
        ("tier", "gold"),
    ];
    (Just(all).prop_shuffle(), 0..=4_usize).prop_map(|(mut fields, kept)| {
        fields.truncate(kept);
        fields
    })
}

fn written(fields: &[(&str, &str)]) -> String {
    let mut all = String::new();
    for (name, value) in fields {
        write!(all, "\"{name}\": \"{value}\", ").unwrap();
    }
    all
}

fn who(fields: &[(&str, &str)]) -> Option<Customer> {
    let id = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    };
    Customer::new(id("user_id"), id("braze_id"), id("phone_number")).ok()
}

fn ids(fields: &Fields) -> Fields {
    let all = fields.iter();
    all.filter(|(name, _)| IDS.contains(&name.as_str()))
        .cloned()
        .collect()
}

/// Checks that what was read keeps to what the limits promise.
fn check(inbound: &Inbound, limits: &InboundLimits) -> Result<(), TestCaseError> {
    prop_assert!(inbound.text.len() <= limits.text_bytes);
    let customer = &inbound.customer;
    let known = [
        customer.external_id(),
        customer.braze_id(),
        customer.phone(),
    ];
    for id in known.into_iter().flatten() {
        prop_assert!(id.len() <= limits.id_bytes && !id.trim().is_empty() && !id.contains("{{"));
    }
    prop_assert!(
        customer
            .key()
            .split_once(':')
            .is_some_and(|(_, id)| !id.is_empty())
    );
    prop_assert!(inbound.media.len() <= limits.media);
    prop_assert!(
        inbound
            .media
            .iter()
            .all(|link| link.len() <= limits.media_bytes)
    );
    prop_assert!(inbound.profile.len() <= limits.fields);
    for (name, value) in inbound.profile.iter() {
        prop_assert!(name.len() <= limits.name_bytes);
        prop_assert!(
            !["message", "media_urls", "campaign_id"].contains(&name.as_str())
                && !IDS.contains(&name.as_str())
        );
        match value {
            Value::String(text) => prop_assert!(text.len() <= limits.value_bytes),
            Value::Null => prop_assert!(false, "an empty field is kept"),
            value => prop_assert!(value.to_string().len() <= limits.nested_bytes.max(24)),
        }
    }
    // Written as JSON, U+0000 shows; a backslash that somebody typed is not its.
    let profile = Value::from(inbound.profile.0.clone()).to_string();
    prop_assert!(!profile.replace("\\\\", "").contains("\\u0000"));
    prop_assert!(!inbound.text.contains('\0') && !customer.key().contains('\0'));
    Ok(())
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn whatever_comes_is_refused_or_read_within_the_limits(
        body in prop_oneof![
            4 => fuzz::spoilt(body().prop_map(String::into_bytes)),
            2 => body().prop_map(String::into_bytes),
            1 => any::<Vec<u8>>(),
        ],
    ) {
        for limits in ALL.map(narrow).into_iter().chain(ALL.map(|escaping| InboundLimits { escaping, ..InboundLimits::default() })) {
            if let Ok(inbound) = parse(&body, "support", &limits) {
                check(&inbound, &limits)?;
                prop_assert_eq!(parse(&body, "support", &limits).unwrap(), inbound);
            }
        }
    }

    #[test]
    fn ids_come_from_before_the_message_alone(
        fields in before(), text in typed(), other in typed(), tail in any::<bool>(),
        end in prop_oneof![Just(String::new()), typed()],
    ) {
        let tail = if tail { Tail::Never } else { Tail::UnlessGuide };
        let start = format!("{{{}\"message\": \"", written(&fields));
        let body = format!("{start}{text}{end}\"}}");
        let Ok(read) = as_typed(&body, tail) else {
            // Only where nobody is named, if the message is known to come last.
            prop_assert!(tail == Tail::UnlessGuide || who(&fields).is_none() && !written(&fields).contains("_id"));
            return Ok(());
        };
        let (before, rest) = head(&body).unwrap();
        prop_assert_eq!(body.len() - rest.len(), start.len());
        prop_assert_eq!(ids(&read), ids(&before));
        let message = read.iter().find(|(name, _)| name == "message").unwrap();
        prop_assert!(rest.starts_with(message.1.as_str().unwrap()), "words that nobody wrote");
        if let Ok(other) = as_typed(&format!("{start}{other}\"}}"), tail) {
            prop_assert_eq!(ids(&other), ids(&read));
        }
    }

    #[test]
    fn no_text_in_any_template_makes_it_another_customers(
        fields in before(), text in typed(),
        tail in prop::sample::select(vec!["", ", \"language\": \"es\"", ", \"profile_name\": \"A\", \"channel\": \"c\""]),
    ) {
        let written = written(&fields);
        let us = who(&fields);
        let body = format!("{{{written}\"message\": \"{text}\"}}");
        let none = InboundLimits { escaping: Escaping::None, ..InboundLimits::default() };
        match (parse(body.as_bytes(), "support", &none), us.clone()) {
            (Ok(inbound), Some(us)) => {
                prop_assert_eq!(inbound.customer, us);
                prop_assert_eq!(inbound.text.0, text.clone());
            }
            (Ok(inbound), None) => prop_assert!(false, "read as {:?}", inbound.customer.key().0),
            (Err(error), Some(_)) => prop_assert!(matches!(error, InboundError::TooLong { .. }), "{error}"),
            (Err(_), None) => {}
        }
        // A field that the template does not have can be typed; one that it has cannot.
        if IDS.iter().all(|id| written.contains(id)) {
            let body = format!("{{{written}\"message\": \"{text}\"{tail}}}");
            if let Ok(inbound) = parse(body.as_bytes(), "support", &InboundLimits::default()) {
                prop_assert_eq!(Some(inbound.customer), us);
            }
        }
    }

    #[test]
    fn what_needs_no_repair_is_not_changed_by_it(
        fields in before(), text in "[^\"\\\\\\x00-\\x1f]{0,40}",
    ) {
        let body = format!("{{{}\"message\": \"{text}\"}}", written(&fields));
        if let Ok(repaired) = as_typed(&body, Tail::Never) {
            prop_assert_eq!(Ok(repaired), read(&body, Escaping::JsonEscape));
        }
    }

    #[test]
    fn what_was_repaired_once_is_read_again_as_the_same(body in prop_oneof![body(), (before(), typed()).prop_map(
        |(fields, text)| format!("{{{}\"message\": \"{text}\"}}", written(&fields))
    )]) {
        let body = reading::trim(body.trim_start_matches('\u{feff}'));
        for escaping in [Escaping::Auto, Escaping::None] {
            if let Ok(fields) = read(body, escaping) {
                let whole: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
                    .collect();
                prop_assert_eq!(read(&format!("{{{}}}", whole.join(",")), Escaping::JsonEscape), Ok(fields));
            }
        }
    }
}

#[test]
fn a_long_body_of_anything_is_read_in_no_time() {
    const BYTES: usize = 128 * 1_024;
    let begun = Instant::now();
    let guide = "{\"user_id\":\"u\",\"phone_number\":\"1\",\"message\":\"";
    for piece in [
        "\"",
        "\" ",
        "\" \"",
        "\\",
        "{",
        "[",
        ",",
        ":",
        "\",\"",
        "\":\"",
        "\"a\":\"b\",",
        "\"a\":\"b\" ",
        "\"a\":1,",
        "\", \"language\": \"es",
        "\"}",
        " ",
        "\n",
        "\u{1}",
        "\"user_id\":\"u\",",
        "{\"a\":",
        "\"message\":\"",
        "é",
    ] {
        for start in [
            "{",
            guide,
            "{\"tier\":\"",
            "{\"user_id\":\"u\",\"tier\":\"",
            "{\"user_id\":\"u\",\"message\":\"",
        ] {
            let body = format!("{start}{}\"}}", piece.repeat(BYTES / piece.len()));
            for escaping in ALL {
                let limits = InboundLimits {
                    escaping,
                    ..InboundLimits::default()
                };
                drop(parse(body.as_bytes(), "support", &limits));
            }
        }
    }
    // A pass over it takes milliseconds; one that goes over it again and again would take hours.
    assert!(
        begun.elapsed() < Duration::from_mins(1),
        "{:?}",
        begun.elapsed()
    );
}
