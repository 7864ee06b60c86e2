//! What templates print, and what is refused of them.

use rstest::rstest;

use super::*;

fn tags(name: &str) -> Value {
    match name {
        "${user_id}" => "u1".into(),
        "whats_app.${inbound_message_body}" => "a \"b\" \\ \n c".into(),
        "said" => " STOP ".into(),
        "n" => 3.into(),
        "list" => serde_json::json!(["a", "b"]),
        _ => Value::Null,
    }
}

#[rstest]
#[case::plain("Hello", "Hello")]
#[case::output("{{${user_id}}}!", "u1!")]
#[case::spaced("{{ ${user_id} }}", "u1")]
#[case::nothing_is_escaped("{{whats_app.${inbound_message_body}}}", "a \"b\" \\ \n c")]
#[case::escaped(
    "{{whats_app.${inbound_message_body} | json_escape}}",
    "a \\\"b\\\" \\\\ \\n c"
)]
#[case::missing("[{{${braze_id}}}]", "[]")]
#[case::default("{{${first_name} | default: 'friend'}}", "friend")]
#[case::no_default("{{${user_id} | default: 'friend'}}", "u1")]
#[case::quoted("{{ 'a | b }} c' | upcase }}", "A | B }} C")]
#[case::chained("{{said | strip | downcase | append: '.' | prepend: '>'}}", ">stop.")]
#[case::replaced("{{ ${user_id} | replace: 'u', 'v' }}", "v1")]
#[case::number("{{n}} {{list}}", "3 ab")]
#[case::condition("{% if said contains 'STOP' %}yes{% else %}no{% endif %}", "yes")]
#[case::elsif("{% if n == 1 %}a{% elsif n == 3 %}b{% else %}c{% endif %}", "b")]
#[case::nothing_holds("{% if nothing %}a{% endif %}", "")]
#[case::blank("{% if nothing == blank and n != 4 %}a{% endif %}", "a")]
#[case::right_to_left("{% if nothing and n or n %}a{% else %}b{% endif %}", "b")]
#[case::nested("{% if n %}{% if nothing %}a{% else %}b{% endif %}c{% endif %}", "bc")]
#[case::assigned(
    "{% assign x = said | strip | downcase %}{% if x == 'stop' %}{{x}}{% endif %}",
    "stop"
)]
#[case::listed(
    "{% assign x = 'a,b' | split: ',' %}{% if x contains 'b' %}y{% endif %}{% if x contains 'a,b' %}n{% endif %}",
    "y"
)]
#[case::tag_in_a_tag(
    "{% assign x = {{${user_id}}} %}{% if {{${user_id}}} == x %}{{x}}{% endif %}",
    "u1"
)]
#[case::trimmed("a \n{%- if n -%}\n b \n{%- endif -%}\n c", "abc")]
#[test]
fn a_template_prints(#[case] template: &str, #[case] printed: &str) {
    let rendered = Template::read(template).unwrap().render(&tags);
    assert_eq!(rendered, Rendered::Text(printed.to_owned()));
}

#[test]
fn a_template_can_say_that_nothing_is_sent() {
    for (template, reason) in [
        ("a{% abort_message('opted out') %}b", "opted out"),
        ("{% abort_message(\"no\") %}", "no"),
        ("{% abort_message %}", ""),
        ("{% abort_message() %}", ""),
    ] {
        let rendered = Template::read(template).unwrap().render(&tags);
        assert_eq!(rendered, Rendered::Aborted(reason.to_owned()), "{template}");
    }
    let template = Template::read("{% if nothing %}{% abort_message('x') %}{% endif %}b").unwrap();
    assert_eq!(template.render(&tags), Rendered::Text("b".to_owned()));
}

#[rstest]
#[case::three_braces("{{{${user_id}}}}", "three")]
#[case::open("{{ ${user_id}", "not closed")]
#[case::open_quote("{{ 'a }}", "not closed")]
#[case::tag("{% for x in y %}", "`for`")]
#[case::filter("{{ ${user_id} | md5 }}", "`md5`")]
#[case::arguments("{{ ${user_id} | default }}", "1 arguments")]
#[case::no_endif("{% if n %}a", "endif")]
#[case::no_if("a{% endif %}", "not begun")]
#[case::after_else("{% if n %}{% else %}{% else %}{% endif %}", "follows")]
#[case::comparison("{% if n > 1 %}{% endif %}", "`>`")]
#[case::empty("{{ }}", "nothing")]
#[case::no_value("{% assign x %}", "`=`")]
#[case::no_name("{% assign a-b = 'c' %}", "`a-b`")]
#[case::words("{{ a b }}", "`a b`")]
#[test]
fn what_the_renderer_does_not_know_is_refused(#[case] template: &str, #[case] says: &str) {
    let error = Template::read(template).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn conditions_stand_in_one_another_only_so_deep() {
    let deep = |depth: usize| "{% if n %}".repeat(depth) + &"{% endif %}".repeat(depth);
    Template::read(&deep(16)).unwrap();
    Template::read(&deep(17)).unwrap_err();
}
