use rstest::rstest;
use serde_json::json;

use super::*;
use crate::cli::test::case::File;
use crate::cli::test::read;

fn seen() -> Seen {
    let requested = json!({
        "reason": { "code": "customer_asked", "rule_id": "human_requested", "detail": null },
        "summary": "Ana wants a person.",
    });
    Seen {
        sent: vec!["Hello, Ana.".to_owned(), "How can I help?".to_owned()],
        events: vec![("handoff.requested".to_owned(), requested)],
        prompts: vec!["You are Ada.\nHi".to_owned()],
        outcomes: vec!["replied".to_owned(), "failed(model)".to_owned()],
        rules: vec![None, Some("human_requested".to_owned())],
        texts: vec![("fallback".to_owned(), "es".to_owned())],
        language: Some("es".to_owned()),
        state: "pending".to_owned(),
        took: Duration::from_millis(1_200),
        cost: Money::from_nanos(2_000_000),
        tokens: 900,
    }
}

/// Tells whether an assertion, as it is written, holds for what was seen.
fn holds(written: &str, seen: &Seen) -> bool {
    let text = format!(
        "tests:\n  - description: it\n    turns:\n      - user: hi\n        assert: [{written}]\n"
    );
    let file = File {
        name: "x.yaml".to_owned(),
        text,
    };
    let tests = read::read(&file).unwrap_or_else(|wrong| panic!("{written}: {wrong:#?}"));
    check(&tests[0].turns[0].asserts[0], seen) == Verdict::Passed
}

#[rstest]
#[case("type: equals, value: \"Hello, Ana.\\nHow can I help?\"")]
#[case("type: contains, value: Ana")]
#[case("type: icontains, value: hello")]
#[case("type: contains-any, value: [Bob, Ana]")]
#[case("type: contains-all, value: [Hello, Ana]")]
#[case("type: icontains-any, value: [bob, ANA]")]
#[case("type: icontains-all, value: [HELLO, ana]")]
#[case("type: regex, value: 'H\\w+, Ana'")]
#[case("type: starts-with, value: Hello")]
#[case("type: levenshtein, value: \"Hallo, Anna.\\nHow can I help?\", threshold: 2")]
#[case("type: sends, value: 2")]
#[case("type: latency, threshold: 1200")]
#[case("type: cost, threshold: 0.002")]
#[case("type: handoff")]
#[case("type: handoff, value: {reason.code: customer_asked, reason: {rule_id: human_requested}}")]
#[case("type: handoff, value: {reason.detail: ~}")]
#[case("type: event, value: handoff.requested")]
#[case("type: state, value: pending")]
#[case("type: rule, value: human_requested")]
#[case("type: outcome, value: failed(model)")]
#[case("type: outcome, value: failed")]
#[case("type: text-key, value: fallback")]
#[case("type: language, value: es")]
#[case("type: prompt-contains, value: Ada")]
fn an_assertion_holds_for_what_is_so_and_its_opposite_does_not(#[case] written: &str) {
    assert!(holds(&format!("{{{written}}}"), &seen()), "{written}");
    let opposite = written.replace("type: ", "type: not-");
    assert!(!holds(&format!("{{{opposite}}}"), &seen()), "{opposite}");
}

#[rstest]
#[case("type: equals, value: Hello")]
#[case("type: contains, value: ana")]
#[case("type: contains-all, value: [Hello, Bob]")]
#[case("type: icontains-any, value: [bob, eve]")]
#[case("type: regex, value: '^Ana'")]
#[case("type: levenshtein, value: Hi, threshold: 2")]
#[case("type: sends, value: 1")]
#[case("type: latency, threshold: 1199")]
#[case("type: cost, threshold: 0.001")]
#[case("type: handoff, value: {reason.code: rule}")]
#[case("type: handoff, value: {reason.colour: red}")]
#[case("type: event, value: handoff.ended")]
#[case("type: state, value: human")]
#[case("type: rule")]
#[case("type: outcome, value: replied")]
#[case("type: text-key, value: late")]
#[case("type: language, value: en")]
#[case("type: prompt-contains, value: Bob")]
fn an_assertion_fails_for_what_is_not_so_and_its_opposite_holds(#[case] written: &str) {
    assert!(!holds(&format!("{{{written}}}"), &seen()), "{written}");
    let opposite = written.replace("type: ", "type: not-");
    assert!(holds(&format!("{{{opposite}}}"), &seen()), "{opposite}");
}

#[test]
fn where_nothing_happened_nothing_is_found() {
    let nothing = Seen::default();
    for written in [
        "type: contains, value: Ana",
        "type: handoff",
        "type: rule",
        "type: outcome, value: failed",
        "type: prompt-contains, value: Ada",
    ] {
        assert!(!holds(&format!("{{{written}}}"), &nothing), "{written}");
    }
    assert!(holds("{type: sends, value: 0}", &nothing));
}

#[rstest]
#[case("", "", 0)]
#[case("abc", "", 3)]
#[case("", "abc", 3)]
#[case("kitten", "sitting", 3)]
#[case("日本語", "日本人", 1)]
#[case("same", "same", 0)]
fn letters_are_counted(#[case] one: &str, #[case] other: &str, #[case] count: usize) {
    assert_eq!(distance(one, other), count);
}
