use super::*;
use rstest::rstest;

fn read_text(text: &str) -> Result<Vec<Test>, Vec<Problem>> {
    read(&File {
        name: "a.yaml".to_owned(),
        text: text.to_owned(),
    })
}

const WHOLE: &str = r#"
settings: { assistant.language: es }
tests:
  - description: a refund goes to a person
    user: { external_id: u1, phone: +15550199, language: es, attributes: { first_name: Ana, vip: false } }
    clock: 2026-03-02T10:00:00+01:00
    live: never
    settings: { assistant.limits.customer_tokens_a_day: 100 }
    summary: She wants a refund.
    model:
      - Plain words.
      - { reply: "Hi.", action: offer_human, rule: refund, reason: why, language: es }
      - { error: timeout }
    turns:
      - user: [hola, 12345]
        gap_ms: 400
        assert: [{ type: sends, value: 1 }, { type: not-contains, value: x }]
      - media: https://example.com/a.jpg
      - user: ~
      - advance: 20m
      - agent: { release: true }
      - down: braze
      - up: model
      - assert: [{ type: rule }]
"#;

#[test]
fn a_whole_file_is_read() {
    let tests = read_text(WHOLE).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    let [test] = tests.as_slice() else {
        panic!("{tests:?}");
    };
    assert_eq!((test.line, test.live), (4, Live::Never));
    assert_eq!(test.clock.to_string(), "2026-03-02T09:00:00Z");
    assert_eq!(test.user.phone, "+15550199");
    assert_eq!(test.user.attributes["vip"], false);
    let settings: Vec<_> = test
        .settings
        .iter()
        .map(|one| (one.key.as_str(), one.value.as_str()))
        .collect();
    let expected = [
        ("assistant.language", "\"es\""),
        ("assistant.limits.customer_tokens_a_day", "100"),
    ];
    assert_eq!(settings, expected);
    let model = test.model.as_ref().unwrap();
    assert_eq!(model[0], Answer::Text("Plain words.".to_owned()));
    assert_eq!(model[2], Answer::Fault(Fault::Timeout));
    let Answer::Object(object) = &model[1] else {
        panic!("{model:?}");
    };
    assert_eq!(object["action"], "offer_human");
    let says = |texts: &[&str], gap, media: &[&str]| Step::Says {
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        gap,
        media: media.iter().map(|link| (*link).to_owned()).collect(),
    };
    let steps: Vec<_> = test.turns.iter().map(|turn| turn.step.clone()).collect();
    assert_eq!(
        steps,
        [
            says(&["hola", "12345"], Duration::from_millis(400), &[]),
            says(&[""], GAP, &["https://example.com/a.jpg"]),
            says(&[""], GAP, &[]),
            Step::Advance(Duration::from_mins(20)),
            Step::Release,
            Step::Down(Neighbour::Braze),
            Step::Up(Neighbour::Model),
            Step::Nothing,
        ]
    );
    assert!(test.turns[0].asserts[1].is_negated);
    assert_eq!(test.turns[0].asserts[0].line, 17);
}

#[rstest]
#[case("tests: []", "tests", "1 to 500")]
#[case("test: []", "test", "not known")]
#[case("{}", "tests", "missing")]
#[case("- a", "", "expected keys")]
#[case("tests: [{turns: [{user: hi}]}]", "tests[0].description", "missing")]
#[case("tests: [{description: a}]", "tests[0].turns", "missing")]
#[case("tests: [{description: a, turns: []}]", "tests[0].turns", "1 to 200")]
#[case(
    "tests: [{description: a, turns: [{}]}]",
    "tests[0].turns[0]",
    "nothing that happens"
)]
#[case(
    "tests: [{description: a, turns: [{user: hi, advance: 1m}]}]",
    "tests[0].turns[0]",
    "more than one"
)]
#[case(
    "tests: [{description: a, turns: [{user: hi, says: x}]}]",
    "tests[0].turns[0].says",
    "not known"
)]
#[case(
    "tests: [{description: a, turns: [{advance: soon}]}]",
    "tests[0].turns[0].advance",
    "unit"
)]
#[case(
    "tests: [{description: a, turns: [{agent: {sleep: true}}]}]",
    "tests[0].turns[0].agent",
    "nothing that an agent"
)]
#[case(
    "tests: [{description: a, turns: [{down: weather}]}]",
    "tests[0].turns[0].down",
    "`weather`"
)]
#[case(
    "tests: [{description: a, clock: noon, turns: [{user: hi}]}]",
    "tests[0].clock",
    "a date and a time"
)]
#[case(
    "tests: [{description: a, model: [{error: sulks}], turns: [{user: hi}]}]",
    "tests[0].model[0].error",
    "`sulks` is not known"
)]
#[case(
    "tests: [{description: a, model: [{reply: a, action: dance}], turns: [{user: hi}]}]",
    "tests[0].model[0].action",
    "`dance`"
)]
#[case(
    "tests: [{description: a, settings: {a: {b: 1}}, turns: [{user: hi}]}]",
    "tests[0].settings.a",
    "one value"
)]
#[case(
    "tests: [{description: a, live: maybe, turns: [{user: hi}]}]",
    "tests[0].live",
    "`maybe`"
)]
fn what_is_wrong_with_a_file_is_told_with_its_place(
    #[case] text: &str,
    #[case] key: &str,
    #[case] message: &str,
) {
    let problems = read_text(text).unwrap_err();
    let found = problems.iter().find(|problem| problem.key == key);
    let found = found.unwrap_or_else(|| panic!("{problems:#?}"));
    assert!(found.message.contains(message), "{found:?}");
    assert!(found.span.is_some() && found.file.as_deref() == Some("a.yaml"));
}

#[rstest]
#[case("{type: contain, value: a}", "type", "no assertion")]
#[case("{value: a}", "type", "missing")]
#[case("{type: contains}", "value", "missing")]
#[case("{type: contains, value: [a, {b: c}]}", "value", "expected a text")]
#[case("{type: contains-any, value: [a, [b]]}", "value[1]", "expected a text")]
#[case("{type: regex, value: '('}", "value", "no pattern")]
#[case("{type: sends, value: many}", "value", "whole number")]
#[case("{type: latency}", "value", "missing")]
#[case("{type: cost, threshold: -1}", "threshold", "number from 0")]
#[case(
    "{type: contains, value: a, threshold: 1}",
    "threshold",
    "means nothing"
)]
#[case("{type: handoff, value: now}", "value", "keys with values")]
#[case("{type: state, value: asleep}", "value", "`asleep`")]
#[case("{type: equals, value: a, weight: 2}", "weight", "not known")]
fn what_is_wrong_with_an_assertion_is_told_with_its_place(
    #[case] assert: &str,
    #[case] key: &str,
    #[case] message: &str,
) {
    let text = format!("tests: [{{description: a, turns: [{{user: hi, assert: [{assert}]}}]}}]");
    let key = format!("tests[0].turns[0].assert[0].{key}");
    let problems = read_text(&text).unwrap_err();
    let found = problems.iter().find(|problem| problem.key == key);
    let found = found.unwrap_or_else(|| panic!("{problems:#?}"));
    assert!(found.message.contains(message), "{found:?}");
    assert!(found.span.is_some());
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = "tests:\n  - description: a\n    colour: red\n    turns:\n      - user: hi\n        assert: [{type: shines}]\n";
    assert_eq!(read_text(text).unwrap_err().len(), 2);
}
