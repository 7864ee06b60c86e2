//! Bodies as Braze renders them, as people write their templates, and as customers would like them to be read.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The guide's body, unescaped, in the layouts that people give it. The first is the guide's own.
const GUIDES: [&str; 6] = [
    "{\n  \"user_id\": \"USER\",\n  \"phone_number\": \"PHONE\",\n  \"message\": \"TEXT\"\n}",
    "{\r\n\t\"user_id\" : \"USER\",\r\n\t\"phone_number\" : \"PHONE\",\r\n\t\"message\" : \"TEXT\"\r\n}\r\n",
    "{\"user_id\": \"USER\",\n\"phone_number\": \"PHONE\",\n\"message\": \"TEXT\"}",
    "{\"user_id\": \"USER\", \"phone_number\": \"PHONE\", \"message\": \"TEXT\"}",
    "{\"user_id\":\"USER\",\"phone_number\":\"PHONE\",\"message\":\"TEXT\"}",
    "\u{feff}  { \"user_id\": \"USER\" , \"phone_number\": \"PHONE\" , \"message\": \"TEXT\" }  ",
];

fn guide(layout: &str, user: &str, text: &str) -> String {
    layout
        .replace("USER", user)
        .replace("PHONE", "+1 555 0100")
        .replace("TEXT", text)
}

fn with(escaping: Escaping) -> InboundLimits {
    InboundLimits {
        escaping,
        ..InboundLimits::default()
    }
}

fn read(body: &str) -> Result<Inbound, InboundError> {
    parse(body.as_bytes(), "support", &InboundLimits::default())
}

fn text_of(body: &str) -> Result<String, InboundError> {
    read(body).map(|inbound| inbound.text.0)
}

fn customer(user: &str, braze: &str, phone: &str) -> Customer {
    Customer::new(Some(user.into()), Some(braze.into()), Some(phone.into())).unwrap()
}

/// The longer, escaped body, with every field.
fn long(text: &str) -> Value {
    json!({
        "user_id": "u-1", "braze_id": "b-1", "phone_number": "+1 555 0100", "message": text,
        "profile_name": "Ana \"La\" \\ Ruiz", "media_urls": "https://m.example/1", "language": "pt-BR",
        "dispatch_id": "d-1", "campaign_id": "c-1", "channel": "whatsapp-main", "tier": "gold",
    })
}

#[test]
fn the_guides_body_is_read_as_typed() {
    let texts = [
        "",
        "hello",
        "say \"hi\"",
        r"C:\new\table",
        r"\",
        r"\\",
        r#"\""#,
        r#"\"; drop"#,
        r"\u0041",
        "two\nlines\r\n\tand a tab\u{1}",
        "\"}",
        "\"}\n}",
        "{\"a\": \"b\"}",
        "{{ }} {% %} ${x}",
        "ends in a brace }",
        " \u{a0}spaces round ",
        "日本語 🎉 \u{2028}",
        r#"x", "user_id": "u-2"#,
        r#"x", "phone_number": "+9", "message": "y"#,
        r#"x", "user\u005fid": "u-2"#,
        r#"a "b", "braze_id": "b-2"#,
        r#"a "b", "dispatch_id": "d-2"#,
        r#"a "b", "tier": "gold"#,
    ];
    for layout in GUIDES {
        for text in texts {
            let inbound = read(&guide(layout, "u-1", text)).expect(text);
            assert_eq!(inbound.text.0, text, "{layout}");
            assert_eq!(inbound.customer, customer("u-1", "", "+1 555 0100"));
            assert!(inbound.profile.is_empty(), "{text}");
        }
    }
}

#[test]
fn only_words_that_no_keyboard_writes_make_a_body_of_three_fields_json() {
    let one_line = |text| text_of(&guide(GUIDES[3], "u-1", text));
    assert_eq!(one_line(r"ol\u00e1 \u30aa\n"), Ok("olá オ\n".to_owned()));
    // The guide's own layout is always read as typed, and so is a body whose ids would change with the reading.
    assert_eq!(
        text_of(&guide(GUIDES[0], "u-1", r"ol\u00e1")),
        Ok(r"ol\u00e1".to_owned())
    );
    let inbound = read(&guide(GUIDES[3], r"DOM\new", r"ol\u00e1")).unwrap();
    assert_eq!(
        inbound.customer.external_id(),
        Some(&Private::from(r"DOM\new"))
    );
    assert_eq!(inbound.text.0, r"ol\u00e1");
}

#[test]
fn three_fields_in_another_order_are_json() {
    let body = r#"{"message":"a\n\"b\"","phone_number":"+1","user_id":"u-1"}"#;
    assert_eq!(text_of(body), Ok("a\n\"b\"".to_owned()));
}

#[test]
fn the_longer_body_is_json_in_any_order() {
    let fields = long("a \"b\"\\\n{c}");
    let expected = read(&fields.to_string()).unwrap();
    assert_eq!(expected.text.0, "a \"b\"\\\n{c}");
    assert_eq!(expected.customer, customer("u-1", "b-1", "+1 555 0100"));
    assert_eq!(expected.media, ["https://m.example/1".into()]);
    assert_eq!(expected.language, "pt".parse().ok());
    let profile =
        json!({"profile_name": "Ana \"La\" \\ Ruiz", "channel": "whatsapp-main", "tier": "gold"});
    assert_eq!(Value::Object(expected.profile.0.clone()), profile);

    let mut pairs: Vec<_> = fields.as_object().unwrap().iter().collect();
    for _ in 0..pairs.len() {
        pairs.rotate_left(1);
        let body = pairs
            .iter()
            .map(|(name, value)| format!("\"{name}\" : {value}"));
        let body = format!("{{\n{}\n}}", body.collect::<Vec<_>>().join(" ,\n "));
        assert_eq!(read(&body), Ok(expected.clone()), "{body}");
    }
}

#[test]
fn absent_empty_and_null_are_one() {
    let bare = read(r#"{"phone_number": "+1 (555)", "message": "hi"}"#).unwrap();
    for nothing in [json!(""), json!(null)] {
        let mut body = json!({"phone_number": "+1 (555)", "message": "hi"});
        for name in [
            "user_id",
            "braze_id",
            "profile_name",
            "media_urls",
            "language",
            "dispatch_id",
            "campaign_id",
            "tier",
        ] {
            body[name] = nothing.clone();
        }
        assert_eq!(read(&body.to_string()), Ok(bare.clone()));
    }
    assert_eq!(bare.customer.key().0, "phone:1555");
}

#[test]
fn an_empty_message_is_one() {
    for body in [
        r#"{"user_id": "u-1", "message": "", "media_urls": "https://m.example/1"}"#,
        r#"{"user_id": "u-1", "message": null, "media_urls": "https://m.example/1"}"#,
    ] {
        let inbound = read(body).unwrap();
        assert_eq!((inbound.text.as_str(), inbound.media.len()), ("", 1));
    }
    assert_eq!(
        text_of(r#"{"user_id": "u-1", "phone_number": "", "message": null}"#),
        Ok(String::new())
    );
}

#[test]
fn ids_without_quotes_are_read() {
    for (id, expected) in [
        ("12345", "12345"),
        ("true", "true"),
        ("-7", "-7"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        for layout in GUIDES {
            for text in ["hi", "say \"hi\""] {
                let body = guide(&layout.replace("\"USER\"", "USER"), id, text);
                let inbound = read(&body).expect(&body);
                assert_eq!(
                    inbound.customer.external_id(),
                    Some(&Private::from(expected))
                );
                assert_eq!(inbound.text.0, text);
            }
        }
    }
    let not_text = |field| Err(InboundError::NotText { field });
    for id in ["1.5", "12345678901234567890123", "[\"u-1\"]", "{}"] {
        let body = format!(r#"{{"user_id": {id}, "phone_number": "+1", "message": "hi"}}"#);
        assert_eq!(text_of(&body), not_text("user_id"), "{id}");
    }
    assert_eq!(
        text_of(r#"{"user_id": "u-1", "message": 7}"#),
        Ok("7".to_owned())
    );
    assert_eq!(
        text_of(r#"{"user_id": "u-1", "message": ["a"]}"#),
        not_text("message")
    );
}

#[test]
fn a_customer_is_known_by_the_best_id() {
    let key = |user: &str, braze: &str, phone: &str| {
        let body =
            json!({"braze_id": braze, "user_id": user, "phone_number": phone, "message": "hi"});
        read(&body.to_string()).map(|inbound| inbound.customer.key().0)
    };
    assert_eq!(key("u-1", "b-1", "+1 555"), Ok("external:u-1".to_owned()));
    assert_eq!(key("", "b-1", "+1 555"), Ok("braze:b-1".to_owned()));
    assert_eq!(key(" ", "\t", "+1 555"), Ok("phone:1555".to_owned()));
    for (user, braze, phone) in [("", "b-1", ""), ("", "", ""), ("", "", "unknown")] {
        assert!(matches!(
            key(user, braze, phone),
            Err(InboundError::NoIdentity(_))
        ));
    }
    let field = "user_id";
    assert_eq!(
        key("{{${user_id}}}", "", "+1"),
        Err(InboundError::NotRendered { field })
    );
}

/// A template with other fields than the guide's, which escapes nothing.
#[test]
fn a_longer_unescaped_body_is_repaired() {
    let body = "{\"user_id\": \"u-1\", \"braze_id\": \"b-1\", \"phone_number\": \"+1\",\n \"message\": \"say \"hi\", C:\\new\n\",\
                \n \"profile_name\": \"Ana\", \"language\": \"es\", \"dispatch_id\": \"d-1\", \"channel\": \"main\" }";
    let inbound = read(body).unwrap();
    assert_eq!(inbound.text.0, "say \"hi\", C:\\new\n");
    assert_eq!(inbound.customer, customer("u-1", "b-1", "+1"));
    assert_eq!(inbound.language, "es".parse().ok());
    assert_eq!(inbound.dedupe.window, Duration::from_hours(168));
    assert_eq!(
        Value::Object(inbound.profile.0),
        json!({"channel": "main", "profile_name": "Ana"})
    );

    // Values before the message may hold quotes too; other types stay what they are.
    let body = r#"{"first_name": "Ana "La" Ruiz", "age": 41, "tags": ["a", {"b": null}], "user_id": "u-1", "message": "a "b""}"#;
    let inbound = read(body).unwrap();
    assert_eq!(inbound.text.0, r#"a "b""#);
    let profile = json!({"first_name": "Ana \"La\" Ruiz", "age": 41, "tags": ["a", {"b": null}]});
    assert_eq!(Value::Object(inbound.profile.0), profile);
}

#[test]
fn in_an_unescaped_body_only_ids_before_the_message_are_believed() {
    // He types a second user_id; a braze_id that the template does not have; a phone number, where the id stands first.
    for (body, text) in [
        (
            r#"{"tier": "a", "user_id": "u-1", "message": "x", "user_id": "u-2"}"#,
            r#"x", "user_id": "u-2"#,
        ),
        (
            r#"{"tier": "a", "user_id": "u-1", "message": "x"", "braze_id": "b-2"}"#,
            r#"x""#,
        ),
        (
            r#"{"tier": "a", "user_id": "u-1", "message": "x"", "phone_number": "+9"}"#,
            r#"x""#,
        ),
    ] {
        let inbound = read(body).unwrap();
        assert_eq!(inbound.customer, customer("u-1", "", ""), "{body}");
        assert_eq!(inbound.text.0, text);
    }
    // With the ids after the message, what he types could pass for them.
    for body in [
        r#"{"message": "x", "user_id": "u-2", "phone_number": "+1", "user_id": "u-1"}"#,
        r#"{"message": "a "b"", "user_id": "u-1", "phone_number": "+1"}"#,
    ] {
        assert_eq!(text_of(body), Err(InboundError::IdAfterMessage));
    }
    let body = r#"{"user_id": "u-1", "user_id": "u-2", "message": "hi"}"#;
    assert_eq!(
        text_of(body),
        Err(InboundError::Repeated { field: "user_id" })
    );
}

#[test]
fn a_braze_id_behind_the_guides_fields_is_not_believed() {
    let inbound = read(&guide(
        GUIDES[0],
        "",
        r#"x", "braze_id": "b-2", "tier": "gold"#,
    ))
    .unwrap();
    assert_eq!(inbound.customer.key().0, "phone:15550100");
}

#[test]
fn an_id_that_would_change_with_the_reading_is_refused() {
    let doubtful = |body: &str| matches!(text_of(body), Err(InboundError::DoubtfulId { .. }));
    assert!(doubtful(
        r#"{"user_id": "D\new", "phone_number": "", "message": "x", "tier": "a"}"#
    ));
    assert!(doubtful(
        r#"{"tier": "a", "user_id": "D\new", "message": "a "b""}"#
    ));
    let limits = with(Escaping::None);
    let body = br#"{"tier": "a", "user_id": "D\new", "message": "a "b""}"#;
    let inbound = parse(body, "support", &limits).unwrap();
    assert_eq!(
        inbound.customer.external_id(),
        Some(&Private::from(r"D\new"))
    );
}

#[test]
fn the_config_can_say_what_the_template_does() {
    let said = |escaping, body: &str| {
        parse(body.as_bytes(), "support", &with(escaping))
            .map(|inbound| (inbound.text.0, inbound.profile.len()))
    };
    let forged = guide(GUIDES[0], "u-1", r#"x", "tier": "gold"#);
    assert_eq!(said(Escaping::Auto, &forged), Ok(("x".to_owned(), 1)));
    assert_eq!(
        said(Escaping::None, &forged),
        Ok((r#"x", "tier": "gold"#.to_owned(), 0))
    );

    let escaped = guide(GUIDES[0], "u-1", r#"a\n\"b\""#);
    assert_eq!(
        said(Escaping::Auto, &escaped),
        Ok((r#"a\n\"b\""#.to_owned(), 0))
    );
    assert_eq!(
        said(Escaping::JsonEscape, &escaped),
        Ok(("a\n\"b\"".to_owned(), 0))
    );
    // A control character that the filter let through.
    let escaped = guide(GUIDES[0], "u-1", "a\n\u{1b}\\\\");
    assert_eq!(
        said(Escaping::JsonEscape, &escaped),
        Ok(("a\n\u{1b}\\".to_owned(), 0))
    );

    let broken = guide(GUIDES[0], "u-1", "a\n \"b\"");
    assert_eq!(
        said(Escaping::JsonEscape, &broken),
        Err(InboundError::NotJson { line: 4 })
    );
    let twice = guide(GUIDES[0], "u-1", r#"x", "user_id": "u-2"#);
    assert_eq!(
        said(Escaping::JsonEscape, &twice),
        Err(InboundError::Repeated { field: "user_id" })
    );
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    use InboundError::{Broken, IdAfterMessage, NoMessage, NotAnObject, NotText, Nul, Unended};
    let deep = format!("{{\"user_id\": \"u\", \"a\": {}", "[".repeat(10_000));
    for (body, error) in [
        ("", NotAnObject),
        ("hello", NotAnObject),
        ("[1]", NotAnObject),
        ("{}", NoMessage),
        (r#"{"user_id": "u", "text": "hi"}"#, NoMessage),
        (r#"{"user_id": "u", "a": "x "y"", "text": "hi"}"#, NoMessage),
        (
            "{",
            Broken {
                field: "the first field",
            },
        ),
        (
            "{user_id: \"u\"}",
            Broken {
                field: "the first field",
            },
        ),
        (
            r#"{"user_id": u-1, "message": "hi"}"#,
            Broken { field: "user_id" },
        ),
        (
            r#"{"user_id": , "message": "hi"}"#,
            Broken { field: "user_id" },
        ),
        (
            r#"{"user_id": "u" "message": "hi"}"#,
            Broken { field: "user_id" },
        ),
        (
            r#"{"user_id": "u" "phone_number": "+1", "message": "hi"}"#,
            Broken { field: "user_id" },
        ),
        (
            r#"{"user_id": "a"b", "phone_number": "+1", "message": "hi"}"#,
            Broken { field: "user_id" },
        ),
        (
            r#"{"user_id": "u", "message": hello}"#,
            NotText { field: "message" },
        ),
        (
            r#"{"user_id": "u", "phone_number": "+1", "message": "hi"#,
            Unended,
        ),
        (
            r#"{"user_id": "u", "phone_number": "+1", "message": "hi",}"#,
            Unended,
        ),
        (
            r#"{"user_id": "u", "a": 1e400, "message": "hi"}"#,
            Broken {
                field: "a profile field",
            },
        ),
        (r#"{"message": "hi \ there"}"#, IdAfterMessage),
        ("{\"user_id\": \"u\", \"message\": \"\0\"}", Nul),
        (r#"{"user_id": "u", "message": "\u0000"}"#, Nul),
        (
            r#"{"user_id": "u", "a": [{"\u0000": 1}], "message": "hi"}"#,
            Nul,
        ),
        (
            &deep,
            Broken {
                field: "a profile field",
            },
        ),
    ] {
        assert_eq!(
            text_of(body),
            Err(error),
            "{}",
            body.chars().take(80).collect::<String>()
        );
    }
    let invalid = parse(
        b"{\"message\": \"\xff\"}",
        "support",
        &InboundLimits::default(),
    );
    assert_eq!(invalid, Err(InboundError::NotUtf8));
    // Typed by hand, an escape is six characters like any others, and half a pair of surrogates harms nobody.
    for text in [r"\u0000", r"\ud800", "\u{feff}"] {
        assert_eq!(text_of(&guide(GUIDES[0], "u-1", text)), Ok(text.to_owned()));
    }
}

#[test]
fn limits_are_named_and_exact() {
    let limits = InboundLimits {
        text_bytes: 4,
        id_bytes: 4,
        fields: 4,
        name_bytes: 4,
        value_bytes: 4,
        nested_bytes: 8,
        media: 2,
        media_bytes: 4,
        ..InboundLimits::default()
    };
    let parsed = |extra: Value| {
        let mut body = json!({"user_id": "1234", "message": "1234"});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        parse(body.to_string().as_bytes(), "support", &limits)
    };
    let fits = json!({"tier": "123é", "tags": [1, 2, 3]});
    let kept = parsed(fits).unwrap().profile.0;
    assert_eq!(
        Value::Object(kept),
        json!({"tier": "123", "tags": [1, 2, 3]})
    );
    assert_eq!(
        parsed(json!({"tags": [1, 2, 345]})).unwrap().profile.len(),
        0
    );
    assert!(parsed(json!({"media_urls": ["1234", "1234"]})).is_ok());

    let long = |field| InboundError::TooLong {
        field,
        bytes: 5,
        limit: 4,
    };
    for (extra, error) in [
        (json!({"message": "12345"}), long("message")),
        (json!({"message": "123é"}), long("message")),
        (json!({"user_id": "12345"}), long("user_id")),
        (json!({"dispatch_id": "12345"}), long("dispatch_id")),
        (json!({"media_urls": "12345"}), long("media_urls")),
        (json!({"tierx": "1"}), long("the name of a field")),
        (
            json!({"a": 1, "b": 2, "c": 3}),
            InboundError::TooMany {
                what: "fields",
                limit: 4,
            },
        ),
        (
            json!({"media_urls": ["1", "2", "3"]}),
            InboundError::TooMany {
                what: "media links",
                limit: 2,
            },
        ),
    ] {
        assert_eq!(parsed(extra), Err(error));
    }
}

#[test]
fn media_come_in_many_forms() {
    let (a, b) = ("https://m.example/a?x=1,2", "https://m.example/b");
    for (rendered, expected) in [
        (json!(""), vec![]),
        (json!(null), vec![]),
        (json!([]), vec![]),
        (json!("[]"), vec![]),
        (json!(" , "), vec![]),
        (json!(a), vec![a]),
        (json!([a, "", b]), vec![a, b]),
        (json!(format!("{a}, {b}")), vec![a, b]),
        (json!(format!("{a} ,\n{b} , ")), vec![a, b]),
        (json!(format!("[\"{a}\", \"{b}\"]")), vec![a, b]),
    ] {
        let body = json!({"user_id": "u-1", "message": "", "media_urls": rendered});
        let media = read(&body.to_string()).unwrap().media;
        let media: Vec<_> = media.iter().map(|link| link.as_str()).collect();
        assert_eq!(media, expected, "{rendered}");
    }
    for rendered in [json!(7), json!({"a": b}), json!([a, 7])] {
        let body = json!({"user_id": "u-1", "message": "", "media_urls": rendered});
        let error = InboundError::NotText {
            field: "media_urls",
        };
        assert_eq!(text_of(&body.to_string()), Err(error));
    }
}

#[test]
fn copies_are_known_by_dispatch_or_else_for_a_short_time_by_words() {
    let dedupe = |assistant: &str, user: &str, dispatch: &str, text: &str, media: Value| {
        let body =
            json!({"user_id": user, "dispatch_id": dispatch, "message": text, "media_urls": media});
        let body = body.to_string();
        parse(body.as_bytes(), assistant, &InboundLimits::default())
            .unwrap()
            .dedupe
    };
    let first = dedupe("support", "u-1", "d-1", "yes", json!(""));
    assert_eq!(first, dedupe("support", "u-1", "d-1", "yes", json!([])));
    assert_eq!(first.window, Duration::from_hours(168));
    let by_words = dedupe("support", "u-1", "", "yes", json!(""));
    assert_eq!(by_words.window, Duration::from_secs(30));
    assert_eq!(
        by_words,
        dedupe("support", "u-1", PREVIEW_DISPATCH, "yes", json!(""))
    );

    let mut keys = vec![
        first.key,
        by_words.key,
        dedupe("sales", "u-1", "d-1", "yes", json!("")).key,
        dedupe("support", "u-2", "d-1", "yes", json!("")).key,
        dedupe("support", "u-1", "d-2", "yes", json!("")).key,
        dedupe("support", "u-1", "d-1", "yes ", json!("")).key,
        dedupe("support", "u-1", "d-1", "yes", json!(["https://a"])).key,
        dedupe(
            "support",
            "u-1",
            "d-1",
            "yes",
            json!(["https://a", "https://b"]),
        )
        .key,
        dedupe("support", "u-1", "d-1yes", "", json!("")).key,
    ];
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 9);
}

#[test]
fn errors_hold_nothing_that_the_customer_wrote() {
    let secret = "4111 1111";
    for body in [
        format!(r#"{{"user_id": "u", "{secret}": 1e400, "message": "hi"}}"#),
        format!(r#"{{"user_id": "u", "{secret}": "1", "{secret}": "2", "message": "hi"}}"#),
        format!(r#"{{"user_id": {secret}, "message": "{secret}"}}"#),
        format!(r#"{{"user_id": "u", "phone_number": "+1", "message": "{secret}"#),
        format!("{secret} {{"),
    ] {
        for escaping in [Escaping::Auto, Escaping::None, Escaping::JsonEscape] {
            let error = parse(body.as_bytes(), "support", &with(escaping)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
    }
}

#[test]
fn errors_say_what_to_change() {
    assert_eq!(
        text_of(r#"{"user_id": "u"}"#).unwrap_err().to_string(),
        r#"the field `message` is missing: add `"message": "{{whats_app.${inbound_message_body} | json_escape}}"`"#
    );
    assert_eq!(
        text_of(r#"{"message": "hi"}"#).unwrap_err().to_string(),
        "neither `user_id` nor `phone_number` names the customer, so no answer could reach him: \
         render `${user_id}` and `${phone_number}` into the body"
    );
}

#[test]
fn the_config_slice_has_defaults_and_refuses_other_keys() {
    let limits: InboundLimits =
        toml::from_str("escaping = \"json_escape\"\ntext_bytes = 10").unwrap();
    assert_eq!(
        (limits.escaping, limits.text_bytes, limits.id_bytes),
        (Escaping::JsonEscape, 10, 987)
    );
    assert!(toml::from_str::<InboundLimits>("text = 10").is_err());
}

/// What a customer types, pieces of JSON above all; none is a whole field.
fn typed() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\"", "\\", "\\\\", "\\\"", "\\n", "\\u0041", "\\u00e9", "\\ud83d", "\n", "\r\n", "\t",
        "\u{1}", "\u{7f}", "{", "}", "\"}", "\"\n}", ",", ":", "[", "user_id", "message", "é",
        "オ", "🎉", " ", "\u{2028}", "\u{feff}", "hi", "{{", "%}",
    ]);
    let pieces = prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat());
    let any = any::<String>().prop_map(|text| text.replace('\0', ""));
    prop_oneof![pieces, any]
}

/// What a customer types who knows the body and means harm.
fn forged() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        r#"", "user_id": "u-2"#,
        r#"","user_id":"u-2"#,
        r#"", "phone_number": "+9"#,
        r#"", "braze_id": "b-2"#,
        r#"", "user\u005fid": "u-2"#,
        r#"", "message": "y"#,
        r#"", "tier": "gold"#,
        r#"", "dispatch_id": "d-2"#,
        r#"", "user_id": 7, "a": ""#,
        r#"", "braze_id": null, "media_urls": ""#,
        "\"}",
        "\"}{\"user_id\": \"u-2\"",
    ]);
    prop::collection::vec(prop_oneof![field.prop_map(str::to_owned), typed()], 1..6)
        .prop_map(|parts| parts.concat())
}

/// A body on one line, ASCII through and through, is read as JSON for words that only a library writes so.
fn looks_like_a_library(body: &str) -> bool {
    let body = body.trim_matches(['\u{feff}', ' ']);
    let decoded = serde_json::from_str::<Value>(body).unwrap_or_default();
    let words = decoded["message"].as_str().unwrap_or_default();
    body.is_ascii() && !body.contains(['\n', '\r']) && !words.is_ascii()
}

proptest! {
    #![proptest_config(crate::fuzz::config())]

    #[test]
    fn any_text_comes_out_of_the_guides_body_as_typed(text in typed(), layout in 0..GUIDES.len(), user in "([a-z0-9@\\\\]{0,9})") {
        let body = guide(GUIDES[layout], &user, &text);
        let inbound = parse(body.as_bytes(), "support", &with(Escaping::None)).unwrap();
        prop_assert_eq!(&inbound.text.0, &text);
        prop_assume!(!looks_like_a_library(&body));
        prop_assert_eq!(text_of(&body), Ok(text));
    }

    #[test]
    fn any_text_comes_out_of_the_longer_body_as_typed(text in typed(), pretty: bool) {
        let body = long(&text);
        let rendered = if pretty { format!("{body:#}") } else { body.to_string() };
        prop_assert_eq!(read(&rendered).unwrap().text.0, text.as_str());
        let strict = parse(rendered.as_bytes(), "support", &with(Escaping::JsonEscape)).unwrap();
        prop_assert_eq!(strict.text.0, text);
    }

    #[test]
    fn no_text_changes_who_the_customer_is(text in forged(), layout in 0..GUIDES.len(), user in "(u-1|)") {
        let body = guide(GUIDES[layout], &user, &text);
        let us = customer(&user, "", "+1 555 0100");
        // He may get his own message refused, never read as another's.
        if let Ok(inbound) = read(&body) {
            prop_assert_eq!(inbound.customer, us.clone());
        }
        let inbound = parse(body.as_bytes(), "support", &with(Escaping::None)).unwrap();
        prop_assert_eq!(inbound.customer, us);
        prop_assert_eq!(inbound.text.0, text);
        prop_assert!(inbound.profile.is_empty());
    }

    #[test]
    fn no_text_of_a_longer_unescaped_body_changes_who_the_customer_is(text in forged(), last: bool) {
        let tail = if last { "" } else { ", \"language\": \"es\"" };
        let body = format!(r#"{{"tier": "a", "user_id": "u-1", "phone_number": "", "message": "{text}"{tail}}}"#);
        if let Ok(inbound) = read(&body) {
            prop_assert_eq!(inbound.customer.key().0, "external:u-1");
            prop_assert_eq!(inbound.customer.phone(), None);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>, text in forged()) {
        for escaping in [Escaping::Auto, Escaping::None, Escaping::JsonEscape] {
            let _ = parse(&body, "support", &with(escaping));
            for start in ["{", "{\"user_id\":\"u\",", "{\"user_id\":\"u\",\"message\":"] {
                let _ = parse(format!("{start}{text}").as_bytes(), "support", &with(escaping));
            }
        }
    }
}
