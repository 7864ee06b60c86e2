//! What Braze's answers say: its own short message, and whom of a request it names.

use serde_json::Value;

use crate::domain::{Customer, Delivery, Payload, Recipient};

/// Shorter words of a message are taken for Braze's own: they are in any text.
const ECHO_BYTES: usize = 4;

/// Gives Braze's own short message, which is about the request. Whatever stands between may answer with what it was sent,
/// so words of that are left out.
pub(super) fn braze_message(answer: &[u8], sent: &[&str]) -> String {
    let parsed: Value = serde_json::from_slice(answer).unwrap_or_default();
    let message = parsed
        .get("message")
        .or_else(|| parsed.get("error"))
        .and_then(Value::as_str);
    let is_between = |letter: char| letter.is_whitespace() || "\"',;{}[]()\\".contains(letter);
    let told = message.unwrap_or("no message").split_inclusive(is_between);
    let told = told.map(|piece| {
        let word = piece.trim_end_matches(is_between);
        let is_sent = word.len() >= ECHO_BYTES && sent.iter().any(|sent| sent.contains(word));
        if is_sent { "… " } else { piece }
    });
    told.flat_map(str::chars).take(200).collect()
}

/// Tells whether an accepted request lists this very recipient among its errors.
pub(super) fn names_recipient(answer: &[u8], customer: &Customer) -> bool {
    let parsed: Value = serde_json::from_slice(answer).unwrap_or_default();
    let Some(errors) = parsed.get("errors").and_then(Value::as_array) else {
        return false;
    };
    let errors: String = errors.iter().map(Value::to_string).collect();
    let ids = [customer.external_id(), customer.phone()];
    ids.into_iter().flatten().any(|id| stands_in(&errors, id))
}

/// Tells whether an id stands in a text as a whole: `7` is not named by an error about `u-17`.
fn stands_in(text: &str, id: &str) -> bool {
    let part_of_id =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '+' | '.' | '@');
    text.match_indices(id).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + id.len()..].chars().next();
        !before.is_some_and(part_of_id) && !after.is_some_and(part_of_id)
    })
}

/// Logs what an answer says besides that the request was taken. Its words can quote the request, so they stay out.
pub(super) fn warn_of(answer: &[u8]) {
    let parsed: Value = serde_json::from_slice(answer).unwrap_or_default();
    if parsed.get("notice").is_some_and(|notice| !notice.is_null()) {
        tracing::warn!(
            "Braze took a request and sends nothing for it: the campaign or Canvas is paused or archived"
        );
    }
    let errors = parsed.get("errors").and_then(Value::as_array);
    if let Some(errors) = errors.map(Vec::len).filter(|errors| *errors > 0) {
        tracing::warn!(errors, "Braze took a request and told of errors in it");
    }
}

/// Gives what a delivery brings into a request that could come back in an answer.
pub(super) fn brought(delivery: &Delivery) -> [String; 2] {
    let recipient = delivery.conversation.customer.recipient();
    let (Recipient::ExternalUserId(id) | Recipient::PhoneAlias(id)) = recipient;
    let words = match &delivery.payload {
        Payload::Reply { text } | Payload::Event { body: text, .. } => text.0.clone(),
        Payload::Send { properties, .. } => Value::Object(properties.0.clone()).to_string(),
    };
    [id.0, words]
}

/// Tells whether an answer that refuses a request is about the request as a whole, so that parts of it would fare no
/// better.
pub(super) fn concerns_all(status: u16, answer: &[u8]) -> bool {
    let message = braze_message(answer, &[]).to_ascii_lowercase();
    let about_campaign = ["invalid campaign", "invalid canvas", "message variant"];
    matches!(status, 404 | 405 | 415) || about_campaign.iter().any(|about| message.contains(about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_an_id_only_as_a_whole() {
        for (text, id, named) in [
            (r#"{"external_ids":["7"]}"#, "7", true),
            (r#""no such user: u-17""#, "u-17", true),
            (r#""no such user: u-17""#, "7", false),
            (r#""u-171""#, "u-17", false),
            (r#""u-171 u-17""#, "u-17", true),
            ("", "u", false),
        ] {
            assert_eq!(stands_in(text, id), named, "{text} {id}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_campaign_is_wrong_for_every_customer() {
        for (status, answer, all) in [
            (400, r#"{"message": "Invalid Campaign ID"}"#, true),
            (400, r#"{"message": "Mismatched Message Type"}"#, false),
            (404, "", true),
            (400, "Bad Request", false),
            (413, "", false),
        ] {
            let concerns = concerns_all(status, answer.as_bytes());
            assert_eq!(concerns, all, "{status} {answer}");
        }
    }
}
