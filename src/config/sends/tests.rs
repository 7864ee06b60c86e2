use super::*;
use rstest::rstest;
use serde_json::json;

fn problems(toml: &str) -> Vec<String> {
    let send: SendConfig = toml::from_str(toml).unwrap();
    let found = send.check(true).into_iter();
    found
        .map(|problem| format!("{}: {}", problem.key, problem.message))
        .collect()
}

#[rstest]
#[case::nothing("rules = ['a']", "exactly one of")]
#[case::two("rules = ['a']\ncampaign_id = 'c'\ncanvas_id = 'v'", "exactly one of")]
#[case::blank("rules = ['a']\ncampaign_id = ' '", "campaign_id: is empty")]
#[case::nobody("campaign_id = 'c'", "nothing would ever send it")]
#[case::blank_description("description = ''\ncampaign_id = 'c'", "description: is empty")]
#[case::unasked(
    "rules = ['a']\ncampaign_id = 'c'\n[properties.order]",
    "a rule cannot tell it"
)]
#[case::undescribed(
    "description = 'd'\ncampaign_id = 'c'\n[properties.order]",
    "not told what it is"
)]
#[case::own_name(
    "description = 'd'\ncampaign_id = 'c'\n[properties.frontdesk_reply_id]\nvalue = 'x'",
    "the reply's id"
)]
#[case::bad_name(
    "description = 'd'\ncampaign_id = 'c'\n[properties.'a b']\nvalue = 'x'",
    "letters, digits and `_`"
)]
#[case::blank_value(
    "description = 'd'\ncampaign_id = 'c'\n[properties.a]\nvalue = ' '",
    "properties.a.value"
)]
#[case::listed_number(
    "description = 'd'\ncampaign_id = 'c'\n[properties.a]\ndescription = 'd'\ntype = 'integer'\none_of = ['1']",
    "for texts alone"
)]
#[case::listed_twice(
    "description = 'd'\ncampaign_id = 'c'\n[properties.a]\ndescription = 'd'\none_of = ['1', '1']",
    "names one twice"
)]
#[case::long(
    "description = 'd'\ncampaign_id = 'c'\n[properties.a]\ndescription = 'd'\nmax = 2000",
    "expected 1 to 1024"
)]
#[case::message_with_properties(
    "rules = ['a']\nmessage = { text = 'x' }\n[properties.a]\nvalue = 'x'",
    "a message has none"
)]
#[case::no_words("rules = ['a']\nmessage = { text = ' ' }", "message.text: is empty")]
#[case::liquid("rules = ['a']\nmessage = { text = '{{ x }}' }", "its own template")]
#[case::four_buttons(
    "rules = ['a']\nmessage = { text = 'x', buttons = ['a', 'b', 'c', 'd'] }",
    "3 at most"
)]
#[case::same_buttons(
    "rules = ['a']\nmessage = { text = 'x', buttons = ['Yes', 'yes'] }",
    "has `yes` twice"
)]
#[case::long_button(
    "rules = ['a']\nmessage = { text = 'x', buttons = ['123456789012345678901'] }",
    "has 21 characters, 20 are shown"
)]
#[case::lone_footer(
    "rules = ['a']\nmessage = { text = 'x', footer = 'f' }",
    "stands with `buttons`"
)]
#[case::plain_image(
    "rules = ['a']\nmessage = { text = 'x', image = 'http://acme.dev/a.png' }",
    "message.image"
)]
#[case::both(
    "rules = ['a']\nmessage = { text = 'x', buttons = ['a'], list = { button = 'b', sections = [{ title = 't', rows = [{ title = 'r' }] }] } }",
    "buttons or a list"
)]
#[case::no_rows(
    "rules = ['a']\nmessage = { text = 'x', list = { button = 'b', sections = [] } }",
    "expected 1 to 10"
)]
fn what_cannot_be_sent_is_refused(#[case] toml: &str, #[case] says: &str) {
    let found = problems(toml);
    assert!(
        found.iter().any(|problem| problem.contains(says)),
        "{found:?}"
    );
}

#[test]
fn a_message_needs_somebody_who_sends_it() {
    let send: SendConfig = toml::from_str("rules = ['a']\nmessage = { text = 'x' }").unwrap();
    assert_eq!(send.check(true).len(), 0);
    assert_eq!(send.check(false).len(), 1);
}

#[rstest]
#[case("text = 'Hi.'", "text_response_message", json!({"body": "Hi."}), "Hi.")]
#[case(
    "text = 'A cat.'\nimage = 'https://acme.dev/cat.png'",
    "text_image_response_message",
    json!({"image_uri": "https://acme.dev/cat.png", "caption": "A cat."}),
    "A cat."
)]
#[case(
    "text = 'Which?'\nheader = 'Choose'\nfooter = 'small'\nbuttons = ['Order', 'Return']",
    "quick_reply_response_message",
    json!({"body": "Which?", "header_text": "Choose", "footer": "small", "buttons": [{"text": "Order"}, {"text": "Return"}]}),
    "Which?\n[Order | Return]"
)]
#[case(
    "text = 'Which?'\nheader = 'h'\nlist = { button = 'Open', sections = [{ title = 'S', rows = [{ title = 'A', description = 'first' }, { title = 'B' }] }] }",
    "list_response_message",
    json!({"body": "Which?", "header": "h", "list": {"list_button_text": "Open", "list_sections": [
        {"section_title": "S", "list_rows": [{"row_title": "A", "row_description": "first"}, {"row_title": "B"}]}]}}),
    "Which?\n[A | B]"
)]
fn a_message_is_written_as_braze_has_it(
    #[case] toml: &str,
    #[case] kind: &str,
    #[case] written: Value,
    #[case] words: &str,
) {
    let message: MessageConfig = toml::from_str(toml).unwrap();
    assert!(message.check().is_empty());
    assert_eq!(message.written(), (kind, written));
    assert_eq!(message.words(), words);
}
