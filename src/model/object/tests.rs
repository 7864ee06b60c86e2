//! Texts of every make.

use proptest::prelude::*;
use rstest::rstest;

use super::super::think::has_tag;
use super::*;

fn rules() -> Vec<(String, String)> {
    ["refund", "late_order"]
        .map(|name| (name.to_owned(), String::new()))
        .into()
}

/// Reads a text and writes down what was found: `action/rule: reply`.
fn read(text: &str, cut: bool) -> Result<String, FaultKind> {
    answer(text, cut, &rules()).map(|answer| {
        let rule = answer.rule.as_deref().unwrap_or("-");
        format!("{}/{rule}: {}", answer.action.as_str(), *answer.reply)
    })
}

#[rstest]
#[case::whole(
    r#"{"reply":"Hi","action":"answer","rule":null,"reason":null,"language":"en"}"#,
    "answer/-: Hi"
)]
#[case::reply_alone(r#"{"reply":"Hi"}"#, "answer/-: Hi")]
#[case::white_space("\n  {\"reply\": \" Hi \"}\n", "answer/-: Hi")]
#[case::other_fields(r#"{"thoughts":"hm","reply":"Hi","score":0.5}"#, "answer/-: Hi")]
#[case::loud_fields(r#"{"Reply":"Hi","ACTION":"Escalate"}"#, "escalate/-: Hi")]
#[case::offer(
    r#"{"reply":"Shall I?","action":"offer_human"}"#,
    "offer_human/-: Shall I?"
)]
#[case::dashes(
    r#"{"reply":"Shall I?","action":"Offer-Human"}"#,
    "offer_human/-: Shall I?"
)]
#[case::spaces(
    r#"{"reply":"Shall I?","action":" OFFER HUMAN "}"#,
    "offer_human/-: Shall I?"
)]
#[case::unknown_action(r#"{"reply":"Hi","action":"dance"}"#, "answer/-: Hi")]
#[case::action_of_another_kind(r#"{"reply":"Hi","action":{"x":1}}"#, "answer/-: Hi")]
#[case::no_action(r#"{"reply":"Hi","action":null}"#, "answer/-: Hi")]
#[case::rule(r#"{"reply":"Hi","rule":"refund"}"#, "answer/refund: Hi")]
#[case::loud_rule(r#"{"reply":"Hi","rule":" Refund"}"#, "answer/refund: Hi")]
#[case::unknown_rule(r#"{"reply":"Hi","rule":"opt_out"}"#, "answer/-: Hi")]
#[case::rule_of_another_kind(r#"{"reply":"Hi","rule":["refund"]}"#, "answer/-: Hi")]
#[case::silent_escalation(
    r#"{"reply":"","action":"escalate","rule":"refund"}"#,
    "escalate/refund: "
)]
#[case::escalation_without_reply(r#"{"action":"escalate"}"#, "escalate/-: ")]
#[case::escalation_with_null(r#"{"action":"escalate","reply":null}"#, "escalate/-: ")]
#[case::number(r#"{"reply":42}"#, "answer/-: 42")]
#[case::lines(r#"{"reply":["Hi","there"]}"#, "answer/-: Hi\nthere")]
#[case::fenced("```json\n{\"reply\":\"Hi\"}\n```", "answer/-: Hi")]
#[case::fenced_without_a_name("```\n{\"reply\":\"Hi\"}\n```", "answer/-: Hi")]
#[case::fence_never_closed("```json\n{\"reply\":\"Hi\"}", "answer/-: Hi")]
#[case::chatty(
    "Sure! Here it is:\n{\"reply\":\"Hi\",\"action\":\"escalate\"}\nAnything else?",
    "escalate/-: Hi"
)]
#[case::chatty_and_fenced("Sure!\n```json\n{\"reply\":\"Hi\"}\n```\nDone.", "answer/-: Hi")]
#[case::draft_first(r#"{"reply":"Draft"} No, better: {"reply":"Hi"}"#, "answer/-: Hi")]
#[case::another_object_after(r#"{"reply":"Hi"} {"tokens":3}"#, "answer/-: Hi")]
#[case::cut_after_the_object(r#"{"reply":"Hi"} {"to"#, "answer/-: Hi")]
#[case::tag_in_a_fenced_reply("```json\n{\"reply\":\"no</think>Hi\"}\n```", "answer/-: Hi")]
#[case::tag_in_a_chatty_reply(
    "Sure: {\"reply\":\"Hi[THINK]no\",\"rule\":[true]} Done.",
    "answer/-: Hi"
)]
#[case::object_in_the_reasoning(
    r#"<think>{"reply":"</think>"} no</think>{"reply":"Hi"}"#,
    "answer/-: Hi"
)]
#[case::braces_in_the_reply(
    r#"{"reply":"Use {name} and } and {"}"#,
    "answer/-: Use {name} and } and {"
)]
#[case::object_as_string(r#""{\"reply\":\"Hi\",\"action\":\"escalate\"}""#, "escalate/-: Hi")]
#[case::object_in_the_reply(
    r#"{"reply":"{\"reply\":\"Hi\",\"action\":\"escalate\"}","action":"answer"}"#,
    "escalate/-: Hi"
)]
#[case::list_in_the_reply(r#"{"reply":"[{\"reply\":\"Hi\"}]"}"#, "answer/-: Hi")]
#[case::words_and_object_in_the_reply(
    r#"{"reply":"Here it is: {\"reply\":\"Hi\"}"}"#,
    "answer/-: Hi"
)]
#[case::braces_in_the_reply(
    r#"{"reply":"Write {name} or {} there."}"#,
    "answer/-: Write {name} or {} there."
)]
#[case::fence_in_the_reply(r#"{"reply":"```json\n{\"reply\":\"Hi\"}\n```"}"#, "answer/-: Hi")]
#[case::in_a_list(r#"[{"reply":"Hi"}]"#, "answer/-: Hi")]
#[case::two_in_a_list(r#"[{"reply":"Draft"}, {"reply":"Hi"}]"#, "answer/-: Hi")]
#[case::wrapped(r#"{"answer":{"reply":"Hi","action":"escalate"}}"#, "escalate/-: Hi")]
#[case::schema_name(r#"{"type":"object","properties":{"reply":"Hi"}}"#, "answer/-: Hi")]
#[case::thought(r#"<think>{"reply":"Draft"}</think>{"reply":"Hi"}"#, "answer/-: Hi")]
#[case::thought_never_opened(r#"so {"reply":"Draft"}</think>{"reply":"Hi"}"#, "answer/-: Hi")]
#[case::thought_in_the_reply(r#"{"reply":"<think>hm</think>Hi"}"#, "answer/-: Hi")]
#[case::thought_hidden_in_the_reply(r#"{"reply":"\u003cthink>hm\u003c/think>Hi"}"#, "answer/-: Hi")]
#[case::thought_left_open_in_the_reply(r#"{"reply":"Hi<think>hm"}"#, "answer/-: Hi")]
#[case::tag_in_the_reason(r#"{"reply":"Hi","reason":"<think>"}"#, "answer/-: Hi")]
#[case::line_breaks_in_strings(
    "Sure:\n{\n\t\"reply\":\"Say \\\"Hi\\\"\r\n\tthere\"\n}",
    "answer/-: Say \"Hi\"\n\tthere"
)]
#[case::text("Hi, how can I help?", "answer/-: Hi, how can I help?")]
#[case::text_in_quotes("\"Hi\"", "answer/-: Hi")]
#[case::text_with_braces("Write {name} here", "answer/-: Write {name} here")]
#[case::text_of_a_number("42", "answer/-: 42")]
#[case::text_in_brackets("[Opening hours] 9 to 5", "answer/-: [Opening hours] 9 to 5")]
#[case::text_with_a_foreign_object(r#"Send {"id": 1} to us"#, r#"answer/-: Send {"id": 1} to us"#)]
#[case::thoughtful_text("<think>hm</think>\n\nHi", "answer/-: Hi")]
#[case::text_with_the_word("Your reply: yes or no?", "answer/-: Your reply: yes or no?")]
fn answers(#[case] text: &str, #[case] found: &str) {
    assert_eq!(read(text, false), Ok(found.to_owned()));
    // The token limit does no harm to what is whole.
    assert_eq!(read(text, true), Ok(found.to_owned()));
}

#[rstest]
#[case::nothing("")]
#[case::white_space(" \n\t ")]
#[case::thoughts_alone("<think>hm</think>")]
#[case::thought_never_closed("<think>hm Hi")]
#[case::empty_reply(r#"{"reply":"","action":"answer"}"#)]
#[case::blank_reply(r#"{"reply":" \n"}"#)]
#[case::offer_without_words(r#"{"reply":null,"action":"offer_human"}"#)]
#[case::no_reply_to_an_unknown_action(r#"{"action":"dance"}"#)]
#[case::reply_of_another_kind(r#"{"reply":{"text":"Hi"}}"#)]
#[case::thoughts_alone_in_the_reply(r#"{"reply":"<think>hm"}"#)]
#[case::empty_string("\"\"")]
fn no_words(#[case] text: &str) {
    assert_eq!(read(text, false), Err(FaultKind::Empty));
}

#[rstest]
#[case::in_the_reply(r#"{"reply":"I can sen"#)]
#[case::in_a_name(r#"{"rep"#)]
#[case::after_the_brace("{")]
#[case::after_a_line("{\n  ")]
#[case::after_the_reply(r#"{"reply":"Hi","action":"ans"#)]
#[case::in_a_fence("```json\n{\"reply\":\"I can")]
#[case::before_the_fence_says_anything("```json\n")]
#[case::after_small_talk("Sure! {\"reply\": \"I can")]
#[case::after_a_thought("<think>hm</think>{\"reply\":\"I can")]
#[case::comma_at_the_end(r#"{"reply":"Hi",}"#)]
#[case::bare_quotes(r#"{"reply":"He said "no" to it","action":"answer"}"#)]
#[case::single_quotes("{'reply': 'Hi', 'action': 'answer'}")]
#[case::single_quotes_after_small_talk("Sure: {'reply': 'Hi'}")]
#[case::no_braces(r#""reply": "Hi", "action": "answer""#)]
#[case::line_break_in_a_cut_string("{\"reply\":\"Hi\nthe")]
#[case::in_the_replys_object(r#"{"reply":"{\"reply\":\"I can","action":"answer"}"#)]
#[case::none_of_our_fields(r#"{"message":"Hi"}"#)]
#[case::empty_object("{}")]
#[case::list_of_others("[\n  {\"a\": 1}\n]")]
#[case::long_list_of_others("[ {\"a\": 1},\n {\"b\": 1}]")]
#[case::list_cut_off(r#"[{"reply":"Hi"#)]
#[case::names_alone("{reply: Hi}")]
#[case::wrapped_without_end(r#""\"\\\"\\\\\\\"\\\\\\\\\\\\\\\"{}\\\\\\\\\\\\\\\"\\\\\\\"\\\"\"""#)]
fn half_an_object_reaches_nobody(#[case] text: &str) {
    assert_eq!(read(text, true), Err(FaultKind::Truncated));
    assert_eq!(read(text, false), Err(FaultKind::BadResponse));
}

#[test]
fn reason_and_language_are_read() {
    let read = |text: &str| answer(text, false, &[]).unwrap();
    let full = read(r#"{"reply":"Oi","reason":" wants a refund ","language":"pt-BR"}"#);
    assert_eq!(full.reason, Some("wants a refund".into()));
    assert_eq!(full.language.unwrap().code(), "pt");
    let odd = read(r#"{"reply":"Oi","reason":"","language":"Portuguese"}"#);
    assert_eq!((odd.reason, odd.language), (None, None));
    let long = read(&format!(
        r#"{{"reply":"Oi","reason":"{}"}}"#,
        "é".repeat(900)
    ));
    assert_eq!(long.reason.unwrap().chars().count(), REASON_CHARS_MAX);
}

#[test]
fn a_long_text_of_nothing_but_braces_is_read_in_no_time() {
    for part in [
        "{",
        "{}",
        "{ ",
        "<think></think>",
        "<think>",
        "{\"a\":",
        "[",
        "\"reply\" ",
    ] {
        let _ = answer(&part.repeat(100_000), false, &[]);
    }
}

proptest! {
    #![proptest_config(crate::fuzz::config())]

    #[test]
    fn no_text_makes_it_panic_or_lets_reasoning_out(parts in prop::collection::vec(
        prop_oneof![
            prop::sample::select(vec![
                "<think>", "</think>", "<THINK>", "<thi", "nk>", "\\u003cthink>", "{", "}", "\"", "\\\"", "{\"reply\":\"",
                "\"reply\":", "\"action\":\"escalate\"", "\"}", "[", "]", ",", "```json\n", "```", "\n", "\\",
            ]),
            prop::sample::select(vec!["Hi", "é", "日本", " ", "null", "{'reply'"]),
        ],
        0..24,
    )) {
        if let Ok(answer) = answer(&parts.concat(), false, &[]) {
            prop_assert!(!has_tag(&answer.reply), "{}", *answer.reply);
            prop_assert!(!has_tag(answer.reason.as_deref().map_or("", String::as_str)));
            prop_assert!(!answer.reply.starts_with("{\""), "{}", *answer.reply);
        }
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,80}") {
        let _ = answer(&text, true, &[]);
    }
}
