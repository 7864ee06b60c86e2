//! What stands in Braze's campaigns: the one source of every template that is printed, documented or tried.

use crate::problem::Problem;

/// The webhook campaign's body, as it is recommended: who writes comes first, what was written comes last, and what a
/// customer has a say in is escaped.
pub const LISTENING: &str = r#"{
  "user_id": "{{${user_id} | json_escape}}",
  "braze_id": "{{${braze_id}}}",
  "phone_number": "{{${phone_number} | json_escape}}",
  "first_name": "{{${first_name} | json_escape}}",
  "profile_name": "{{whats_app.${inbound_profile_name} | json_escape}}",
  "language": "{{${language}}}",
  "dispatch_id": "{{campaign.${dispatch_id}}}",
  "media_urls": "{{whats_app.${inbound_media_urls} | json_escape}}",
  "message": "{{whats_app.${inbound_message_body} | json_escape}}"
}"#;

/// The webhook campaign's body in Braze's own guide, which escapes nothing.
pub const GUIDE: &str = r#"{
  "user_id": "{{${user_id}}}",
  "phone_number": "{{${phone_number}}}",
  "message": "{{whats_app.${inbound_message_body}}}"
}"#;

/// Gives the body of the answering campaign: the trigger property of that name, and nothing else.
pub fn answering(property: &str) -> String {
    format!("{{{{api_trigger_properties.${{{property}}}}}}}")
}

/// Gives what goes before a webhook body so that these words are not forwarded: another campaign answers them.
pub fn unless_said(words: &[String]) -> String {
    let words = words.join(",");
    format!(
        r#"{{% assign said = {{{{whats_app.${{inbound_message_body}}}}}} %}}
{{% assign said = said | strip | downcase %}}
{{% assign words = "{words}" | split: "," %}}
{{% if words contains said %}}{{% abort_message("another campaign answers this word") %}}{{% endif %}}"#
    )
}

/// Gives the body of a keyword campaign's webhook to `/v2/subscription/status/set`, which takes the customer out of a
/// subscription group.
pub fn unsubscribing(group: &str) -> String {
    format!(
        r#"{{
  "subscription_groups": [
    {{
      "subscription_group_id": "{group}",
      "subscription_state": "unsubscribed",
      "external_ids": ["{{{{${{user_id}} | json_escape}}}}"]
    }}
  ]
}}"#
    )
}

/// Finds what is wrong with the name of a trigger property under `key`: Liquid has to read it between braces.
pub fn check_property(key: &str, property: &str) -> Option<Problem> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_read = property.chars().all(is_name);
    (!is_read).then(|| {
        Problem::new(key, "Liquid could not read that name")
            .help("use letters, digits, `_` and `-`, such as `external_system_msg_body`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_the_braces_that_liquid_wants() {
        assert_eq!(answering("reply"), "{{api_trigger_properties.${reply}}}");
        let words = ["stop".to_owned(), "baja".to_owned()];
        let before = unless_said(&words);
        assert!(before.starts_with("{% assign said = {{whats_app.${inbound_message_body}}} %}\n"));
        assert!(before.contains(r#"{% assign words = "stop,baja" | split: "," %}"#));
        assert!(unsubscribing("g1").contains(r#"["{{${user_id} | json_escape}}"]"#));
    }

    #[test]
    fn a_property_has_a_name_that_liquid_reads() {
        assert_eq!(check_property("k", "external_system_msg_body"), None);
        for name in ["external_system_msg+body", "a b", "a}"] {
            assert!(check_property("k", name).is_some(), "{name}");
        }
    }
}
