//! Answers of models that nobody would want to pay for.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::complaint::Complaint;
use super::lenient::open;
use super::object::answer;
use super::think::{has_tag, strip};
use super::*;
use crate::fuzz;

/// Stands in all that a model thinks, and in nothing that it says.
const THOUGHT: &str = "XQZ";

const NAMES: [&str; 18] = [
    "choices",
    "message",
    "content",
    "reply",
    "action",
    "rule",
    "reason",
    "language",
    "error",
    "finish_reason",
    "refusal",
    "usage",
    "prompt_tokens",
    "text",
    "type",
    "code",
    "model",
    "x",
];

fn tag() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("<think>", "</think>"),
        ("<THINK>", "</Think>"),
        ("<thinking>", "</thinking>"),
        ("<thought>", "</thought>"),
        ("<reasoning>", "</reasoning>"),
        ("[THINK]", "[/THINK]"),
        ("◁think▷", "◁/think▷"),
        (
            "<|channel|>analysis<|message|>",
            "<|channel|>final<|message|>",
        ),
    ])
}

/// Words that are neither JSON nor tags.
fn words() -> impl Strategy<Value = String> {
    "[a-z][a-z é日,.!?\n]{0,16}"
}

/// What a model thinks: anything but a tag that ends it, drafts of the answer above all.
fn thought() -> impl Strategy<Value = String> {
    let draft = prop::sample::select(vec![
        format!("{{\"reply\":\"{THOUGHT}\",\"action\":\"escalate\"}}"),
        format!("```json\n{{\"reply\":\"{THOUGHT}\"}}\n```"),
        format!("<think>{THOUGHT}"),
        format!("\"reply\": \"{THOUGHT}"),
        format!("< {{[ {THOUGHT} \\"),
    ]);
    prop_oneof![words().prop_map(|words| format!("{words}{THOUGHT}")), draft]
}

/// What a model says, thoughts between its words, and what of it is for the customer.
fn thinking() -> impl Strategy<Value = (String, String)> {
    let part = prop_oneof![
        words().prop_map(|words| (words.clone(), words)),
        (tag(), thought()).prop_map(|((open, close), thought)| (
            format!("{open}{thought}{close}"),
            String::new()
        )),
    ]
    .boxed();
    let begun = prop::option::of((prop::collection::vec(part.clone(), 0..3), tag(), thought()));
    let unended = prop::option::of((tag(), thought()));
    (begun, prop::collection::vec(part, 0..5), unended).prop_map(|(begun, parts, unended)| {
        let begun = begun
            .map(|(before, (_, close), thought)| {
                let before: String = before.into_iter().map(|(written, _)| written).collect();
                // What ends no tag was thought from the beginning, words and all.
                format!("{before}{}{close}", thought.replace("<think>", ""))
            })
            .unwrap_or_default();
        let unended = unended
            .map(|((open, _), thought)| format!("{open}{thought}"))
            .unwrap_or_default();
        let (written, said): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (
            format!("{begun}{}{unended}", written.concat()),
            said.concat(),
        )
    })
}

/// Tags in the middle of tags, so that taking out the inner ones makes others, as often as that.
fn trick(depth: usize) -> String {
    let split = |tag: &str, inner: &str| format!("{}{inner}{}", &tag[..4], &tag[4..]);
    (0..depth).fold(String::new(), |inner, _| {
        split("<think>", &inner) + "a" + &split("</think>", &inner)
    })
}

/// The ways in which an answer is wrapped by those who write it.
fn wrapped(kind: usize, object: &Value) -> String {
    match kind {
        0 => object.to_string(),
        1 => format!("{object:#}"),
        2 => format!("```json\n{object:#}\n```"),
        3 => format!("Here it is:\n\n{object}\n\nAnything else?"),
        4 => format!("<think>{THOUGHT} {{\"reply\":\"{THOUGHT}\"}}</think>\n{object}"),
        5 => json!([object]).to_string(),
        6 => json!({"response": object}).to_string(),
        7 => Value::from(object.to_string()).to_string(),
        8 => object.to_string().replace('<', "\\u003c"),
        _ => format!("{{\"reply\":\"{THOUGHT} draft\"}}\n{object}"),
    }
}

/// The places in which servers put a text, and their own reasoning beside it.
fn envelope(kind: usize, text: &str) -> Value {
    let message = match kind {
        0 => json!({"content": text}),
        1 => json!({"content": text, "reasoning_content": THOUGHT, "reasoning": THOUGHT}),
        2 => json!({"content": [{"type": "text", "text": text}]}),
        3 => {
            json!({"content": [{"type": "thinking", "text": THOUGHT}, {"type": "output_text", "text": text}]})
        }
        4 => {
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, text]})
        }
        _ => json!({"content": {"text": text, "reasoning": THOUGHT}}),
    };
    json!({"choices": [{"message": message, "finish_reason": "stop"}]})
}

/// Answers in good order and cut off anywhere, wrapped or not, with fields and rules that were not asked for.
fn half() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec!["reply", "action", "answer", "text"]);
    let rule = prop::sample::select(vec!["refund", "Refund", "opt_out"]);
    let reply = prop_oneof![
        words(),
        (words(), 0..10_usize).prop_map(|(words, kind)| {
            wrapped(kind, &json!({"reply": words, "action": "answer"}))
        })
    ];
    let object = (field, rule, reply, 0..10_usize, any::<bool>()).prop_map(
        |(field, rule, reply, kind, quoted)| {
            let text = wrapped(kind, &json!({field: reply, "rule": rule}));
            let single = text.replace('"', "'");
            if quoted { text } else { single }
        },
    );
    (object, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(text, at, is_cut)| {
        let end = text.floor_char_boundary(at.index(text.len() + 1));
        if is_cut { text[..end].to_owned() } else { text }
    })
}

fn rules() -> Vec<(String, String)> {
    vec![("refund".to_owned(), "Wants money back.".to_owned())]
}

/// A reply that is no riddle of its own: no JSON, no tag.
fn reply() -> impl Strategy<Value = String> {
    let plain = |text: &String| {
        let text = text.trim();
        !text.is_empty() && !has_tag(text) && !text.starts_with(['{', '"', '[', '`'])
    };
    prop_oneof![words(), fuzz::text()].prop_filter("plain words", plain)
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn no_thought_is_ever_said((written, said) in thinking(), wrap in 0..10_usize, place in 0..6_usize, whole: bool) {
        prop_assert_eq!(strip(&written), said.as_str());
        let object = json!({"reply": written, "action": "answer", "reason": written});
        let text = if whole { written } else { wrapped(wrap, &object) };
        let opened = open(&envelope(place, &text)).said.unwrap();
        match answer(&opened.text, false, &[]) {
            Ok(answer) => {
                prop_assert!(!answer.reply.contains(THOUGHT), "{}", answer.reply.0);
                let reason = answer.reason.unwrap_or_default();
                prop_assert!(!reason.contains(THOUGHT), "{}", reason.0);
                prop_assert_eq!(answer.reply.as_str(), said.trim());
            }
            Err(fault) => prop_assert!(fault == FaultKind::Empty && said.trim().is_empty(), "{fault:?}"),
        }
    }

    #[test]
    fn stripping_adds_nothing_and_ends(parts in prop::collection::vec(
        prop_oneof![tag().prop_map(|tag| tag.0.to_owned()), tag().prop_map(|tag| tag.1.to_owned()), fuzz::text(),
            "[<>/thinkTHOUG|◁▷\\[\\]]{0,9}", (1..7_usize).prop_map(trick)], 0..16,
    )) {
        let text = parts.concat();
        let once = strip(&text);
        prop_assert!(!has_tag(&once));
        let mut left = text.chars();
        prop_assert!(once.chars().all(|letter| left.any(|other| other == letter)), "{once:?} is not of {text:?}");
        prop_assert_eq!(strip(&once), once);
    }

    #[test]
    fn a_trick_ends_with_the_words_or_with_nothing(depth in 1..7_usize, words in words()) {
        let left = strip(&format!("{}{words}", trick(depth)));
        // Each pass takes one round of tags, and four are made.
        prop_assert_eq!(left, if depth <= 4 { words } else { String::new() });
    }

    #[test]
    fn an_answer_comes_out_as_it_was_written(
        reply in reply(), action in 0..3_usize, rule: bool, reason in reply(), wrap in 0..10_usize, place in 0..6_usize,
    ) {
        let action = Action::ALL[action];
        let object = json!({
            "reply": reply, "action": action.as_str(), "rule": rule.then_some("refund"), "reason": reason, "language": "pt",
        });
        let opened = open(&envelope(place, &wrapped(wrap, &object))).said.unwrap();
        let read = answer(&opened.text, false, &rules()).unwrap();
        prop_assert_eq!(read.reply.as_str(), reply.trim());
        prop_assert_eq!((read.action, read.rule.is_some()), (action, rule));
        let reason: String = reason.trim().chars().take(500).collect();
        prop_assert_eq!(read.reason.map(|reason| reason.0), Some(reason));
        prop_assert_eq!(read.language, "pt".parse().ok());
    }

    #[test]
    fn whatever_a_server_answers_is_a_fault_or_words_of_its_own(
        body in fuzz::json(&NAMES), half in half(), place in 0..8_usize, cut: bool, model in ".{0,140}",
    ) {
        let mut body = match place {
            0..6 => envelope(place, &half),
            6 => json!({"choices": [{"message": {"content": body}}]}),
            _ => body,
        };
        if let Some(fields) = body.as_object_mut() {
            fields.entry("model").or_insert(model.into());
        }
        let envelope = open(&body);
        prop_assert!(envelope.model.is_none_or(|model| model.chars().count() <= 100));
        let Ok(opened) = envelope.said else {
            return Ok(());
        };
        // A number can be longer than it was written: `1e15` has 16 digits.
        let most = body.to_string().len() + 32;
        prop_assert!(opened.text.len() <= most);
        if let Ok(answer) = answer(&opened.text, cut, &rules()) {
            prop_assert!(answer.reply.len() <= most, "{}", answer.reply.0);
            prop_assert!(!answer.reply.starts_with("{\""), "{}", answer.reply.0);
            prop_assert!(!answer.reply.contains("\"reply\":") && !answer.reply.contains("'action':"), "{}", answer.reply.0);
            prop_assert!(!answer.reply.is_empty() || answer.action == Action::Escalate);
            prop_assert!(answer.rule.is_none_or(|rule| rule == "refund"));
        }
    }

    #[test]
    fn a_complaint_repeats_nobodys_words(
        words in "[a-zé]{1,9}( [a-zé]{1,9}){1,5}", error in fuzz::json(&["error", "code", "type", "status", "message", "innererror"]),
        bytes in any::<Vec<u8>>(), status in 0..1_000_u16,
    ) {
        let said = json!({"error": {"message": words, "code": words, "type": [words], "param": error}}).to_string();
        for body in [said.into_bytes(), json!({"error": error}).to_string().into_bytes(), words.clone().into_bytes(), bytes] {
            let complaint = Complaint::from_body(&body);
            complaint.kind(status);
            if let Some(code) = complaint.code() {
                prop_assert!(code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_graphic()), "{code}");
                prop_assert!(!code.contains(&words), "{code}");
            }
        }
    }
}
