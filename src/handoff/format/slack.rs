//! Slack's incoming webhooks: one message for each event, in blocks.

use serde_json::{Value, json};

use super::plan::{Progress, Request, Step};
use super::told::{Kind, Told};
use super::words;

/// Letters of one block's text, by Slack.
const BLOCK_CHARS: usize = 3_000;

/// Letters of a field, by Slack.
const FIELD_CHARS: usize = 2_000;

/// Letters of the transcript: three blocks, which is what a channel is not flooded by. Slack takes 50 blocks.
const TRANSCRIPT_CHARS: usize = 3 * BLOCK_CHARS;

/// Letters of the line that notifications show.
const TEXT_CHARS: usize = 200;

/// Gives the next request; nothing when the event is told.
pub(crate) fn next(told: &Told, progress: &Progress) -> Option<Request> {
    (!progress.has(Step::Post)).then(|| {
        let mut message = message(told);
        // A preview would be made by following the links, which act.
        message["unfurl_links"] = false.into();
        message["unfurl_media"] = false.into();
        Request::post(Step::Post, String::new(), &message)
    })
}

fn message(told: &Told) -> Value {
    let name = escaped(told.name());
    match told.kind() {
        Kind::Requested => json!({
            "text": cut(&escaped(&words::subject(told)), TEXT_CHARS),
            "blocks": requested(told),
        }),
        Kind::Message => {
            let said = words::said(told).unwrap_or_default();
            let text = format!("*{name}*: {}", escaped(&said));
            let mut blocks = sections(&text);
            blocks.extend(links(told));
            json!({ "text": cut(&text, TEXT_CHARS), "blocks": blocks })
        }
        Kind::Ended | Kind::Note => {
            let text = format!("*{name}*: {}", escaped(&words::note(told)));
            let mut blocks = sections(&text);
            blocks.extend(links(told));
            json!({ "text": cut(&text, TEXT_CHARS), "blocks": blocks })
        }
    }
}

fn requested(told: &Told) -> Vec<Value> {
    let title = format!("{} needs a person", told.name());
    // A header takes 150 letters.
    let title = words::shortened(&title, 150);
    let mut blocks = vec![json!({
        "type": "header", "text": { "type": "plain_text", "text": title },
    })];
    blocks.extend(sections(&escaped(words::reason(told))));
    let fields: Vec<Value> = words::customer(told)
        .into_iter()
        .map(|(label, value)| {
            let text = format!("*{label}*\n{}", escaped(&value));
            json!({ "type": "mrkdwn", "text": cut(&text, FIELD_CHARS) })
        })
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if let Some(summary) = told.text("/summary") {
        blocks.extend(sections(&format!("*Summary*\n{}", escaped(summary))));
    }
    blocks.push(json!({ "type": "divider" }));
    let lines = words::transcript(told, TRANSCRIPT_CHARS, line);
    blocks.extend(sections(&lines.join("\n")));
    blocks.extend(links(told));
    blocks
}

fn line(author: &str, text: &str) -> String {
    format!("*{author}*: {}", escaped(text))
}

/// Gives the block with what can be followed to act.
fn links(told: &Told) -> Option<Value> {
    let links: Vec<String> = words::actions(told)
        .into_iter()
        .map(|(label, url)| format!("<{}|{label}>", escaped(url).replace('|', "%7C")))
        .collect();
    let text = links.join("  ·  ");
    (!links.is_empty() && text.chars().count() <= BLOCK_CHARS).then(|| section(&text))
}

/// Gives blocks with a text, as many as it needs.
fn sections(text: &str) -> Vec<Value> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    let mut chars = 0;
    for piece in pieces(text) {
        let length = piece.chars().count();
        if chars + length > BLOCK_CHARS {
            blocks.push(std::mem::take(&mut block));
            chars = 0;
        }
        block.push_str(piece);
        chars += length;
    }
    blocks.push(block);
    let full = blocks.iter().filter(|block| !block.trim().is_empty());
    full.map(|block| section(block)).collect()
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// Gives the lines of a text with their ends; what is longer than a block alone, in pieces that break no entity.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for mut line in text.split_inclusive('\n') {
        while let Some((end, _)) = line.char_indices().nth(BLOCK_CHARS) {
            let end = whole(line, end);
            pieces.push(&line[..end]);
            line = &line[end..];
        }
        pieces.push(line);
    }
    pieces
}

/// Cuts a text that is escaped already to so many letters.
fn cut(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((end, _)) => &text[..whole(text, end)],
        None => text,
    }
}

/// Gives the place at or before `end` where no entity is cut in two: the longest is `&amp;`.
fn whole(text: &str, end: usize) -> usize {
    match text[..end].rfind('&') {
        Some(start) if end - start < "&amp;".len() && !text[start..end].contains(';') => start,
        _ => end,
    }
}

/// Gives a text in which nothing is Slack's markup for links, mentions or channels.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
