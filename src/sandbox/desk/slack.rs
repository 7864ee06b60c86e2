//! Slack's incoming webhooks: words for an answer, and strict blocks.

use axum::http::Method;
use serde_json::Value;

use super::super::Exchange;
use super::super::serve::Answer;

/// The path that Slack gives a webhook.
pub(super) const PATH: &str = "/services/T00000001/B00000001/stand-in";

/// Blocks of a message, letters of a section, of a header, of a field, and fields of a section.
const LIMITS: [usize; 5] = [50, 3_000, 150, 2_000, 10];

pub(super) fn answer(exchange: &Exchange) -> Answer {
    if exchange.path != PATH {
        return Answer::raw(404, "no_service");
    }
    if exchange.method != Method::POST {
        return Answer::raw(400, "invalid_payload");
    }
    let body = exchange.json();
    if !body.is_object() {
        return Answer::raw(400, "invalid_payload");
    }
    let blocks = body["blocks"].as_array();
    if body["text"].as_str().is_none_or(str::is_empty) && blocks.is_none_or(Vec::is_empty) {
        return Answer::raw(400, "no_text");
    }
    let is_good =
        blocks.is_none_or(|blocks| blocks.len() <= LIMITS[0] && blocks.iter().all(is_block));
    match is_good {
        true => Answer::raw(200, "ok"),
        false => Answer::raw(400, "invalid_blocks"),
    }
}

fn is_block(block: &Value) -> bool {
    match block["type"].as_str() {
        Some("divider") => true,
        Some("header") => block["text"]["type"] == "plain_text" && fits(&block["text"], LIMITS[2]),
        Some("section") => {
            let fields = block["fields"].as_array();
            let is_text = is_words(&block["text"]) && fits(&block["text"], LIMITS[1]);
            is_text
                || fields.is_some_and(|fields| {
                    (1..=LIMITS[4]).contains(&fields.len())
                        && fields
                            .iter()
                            .all(|field| is_words(field) && fits(field, LIMITS[3]))
                })
        }
        _ => false,
    }
}

fn is_words(text: &Value) -> bool {
    text["type"] == "mrkdwn" || text["type"] == "plain_text"
}

fn fits(text: &Value, most: usize) -> bool {
    let letters = text["text"].as_str().map(|text| text.chars().count());
    letters.is_some_and(|letters| (1..=most).contains(&letters))
}
