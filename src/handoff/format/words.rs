//! What agents read, in plain text: the same words in each help desk.

use serde_json::Value;

use super::plan::list;
use super::told::{Kind, Told};

/// Letters of a note: well below what help desks take (64 KB at Zendesk, 150,000 at Chatwoot), and more than an agent
/// reads. The newest messages are shown.
pub(crate) const NOTE_CHARS: usize = 20_000;

/// Letters of a subject: what a list of tickets shows.
const SUBJECT_CHARS: usize = 120;

/// Gives a line about the handoff, for a list of tickets.
pub(crate) fn subject(told: &Told) -> String {
    let about = told
        .text("/last_user_message")
        .map_or_else(|| first_line(&said(told).unwrap_or_default()), first_line);
    let name = told.name();
    let subject = match about.is_empty() {
        true => format!("WhatsApp: {name}"),
        false => format!("WhatsApp: {name}: {about}"),
    };
    shortened(&subject, SUBJECT_CHARS)
}

/// Gives why people are asked in, as a sentence.
pub(crate) fn reason(told: &Told) -> &'static str {
    match told.text("/reason/code").unwrap_or_default() {
        "customer_asked" => "The customer asked for a person.",
        "rule" => "A rule brings people in here.",
        "model" => "The assistant found that a person is needed.",
        "failure" => "The assistant could not answer.",
        "limit" => "A limit of the assistant is reached.",
        "operator" => "An operator handed the conversation over.",
        "api" => "Another system handed the conversation over.",
        _ => "The assistant hands the conversation over.",
    }
}

/// Gives who the customer is, a line for each thing known.
pub(crate) fn customer(told: &Told) -> Vec<(&'static str, String)> {
    let shown = [
        ("Customer", "/user/name"),
        ("Phone", "/user/phone"),
        ("External id", "/user/external_id"),
        ("Language", "/conversation/language"),
        ("Free text until", "/conversation/window_expires_at"),
    ];
    let shown = shown.into_iter();
    shown
        .filter_map(|(label, pointer)| Some((label, told.text(pointer)?.to_owned())))
        .collect()
}

/// Gives all that an agent has to know who takes over.
pub(crate) fn brief(told: &Told) -> String {
    let mut lines = vec![reason(told).to_owned()];
    lines.extend(told.text("/summary").map(|text| format!("\n{text}")));
    lines.push(String::new());
    lines.extend(
        customer(told)
            .into_iter()
            .map(|(label, value)| format!("{label}: {value}")),
    );
    lines.extend(
        actions(told)
            .into_iter()
            .map(|(label, url)| format!("{label}: {url}")),
    );
    let head = shortened(&lines.join("\n"), NOTE_CHARS / 2);
    let room = NOTE_CHARS.saturating_sub(head.chars().count());
    match transcript(told, room, plain).as_slice() {
        [] => head,
        shown => format!("{head}\n\n{}", shown.join("\n")),
    }
}

/// Gives what the desk can follow to act, where it has links.
pub(crate) fn actions(told: &Told) -> Vec<(&'static str, &str)> {
    let known = [
        ("Take over", "/actions/ack_url"),
        ("Reply", "/actions/reply_url"),
        ("Give back", "/actions/release_url"),
    ];
    let known = known.into_iter();
    known
        .filter_map(|(label, pointer)| Some((label, told.text(pointer)?)))
        .collect()
}

/// Gives the newest lines of the transcript that fit into so many letters as `show` makes them, oldest first.
pub(crate) fn transcript(
    told: &Told,
    room: usize,
    show: fn(author: &str, text: &str) -> String,
) -> Vec<String> {
    let lines = list(&told.body, "/transcript");
    let mut left = room;
    let mut shown = Vec::new();
    for line in lines.iter().rev() {
        let text = show(author(line), &line_text(line));
        let length = text.chars().count() + 1;
        if length > left {
            break;
        }
        left -= length;
        shown.push(text);
    }
    let is_cut = shown.len() < lines.len() || told.body["transcript_truncated"] == true;
    if is_cut {
        shown.push("(earlier messages are left out)".to_owned());
    }
    shown.reverse();
    shown
}

/// Gives what the customer says, with links to what came along; nothing where the event brings no words.
pub(crate) fn said(told: &Told) -> Option<String> {
    let said: Vec<String> = match told.kind() {
        Kind::Requested => {
            let lines = list(&told.body, "/transcript").iter();
            let is_theirs = |line: &&Value| line["author"] == "customer";
            let last: Vec<_> = lines.rev().take_while(is_theirs).map(line_text).collect();
            match last.is_empty() {
                true => told
                    .text("/last_user_message")
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
                false => last.into_iter().rev().collect(),
            }
        }
        _ => list(&told.body, "/messages")
            .iter()
            .map(line_text)
            .collect(),
    };
    let said = said.join("\n");
    let said = said.trim();
    (!said.is_empty()).then(|| shortened(said, NOTE_CHARS))
}

/// Gives what agents are told of an event that is no message.
pub(crate) fn note(told: &Told) -> String {
    let code = told.text("/reason/code").unwrap_or_default();
    let told = match told.text("/event").unwrap_or_default() {
        "handoff.acknowledged" => "Somebody has taken the conversation over.",
        "handoff.timeout" => "Nobody has taken the conversation over in time.",
        "handoff.window_closing" => "WhatsApp takes free text for two hours more.",
        "handoff.ended" => match code {
            "agent_released" => "Given back: the assistant answers again.",
            "customer_returned" => {
                "The customer has gone back to the assistant, which answers again."
            }
            _ => "The handoff has ended by itself: the assistant answers again.",
        },
        other => return format!("Frontdesk: {other}"),
    };
    told.to_owned()
}

/// Cuts a text to so many letters.
pub(crate) fn shortened(text: &str, chars: usize) -> String {
    if text.char_indices().nth(chars).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Gives a line of a transcript in plain text.
pub(crate) fn plain(author: &str, text: &str) -> String {
    format!("{author}: {text}")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn author(line: &Value) -> &'static str {
    match line["author"].as_str().unwrap_or_default() {
        "customer" => "Customer",
        "assistant" => "Assistant",
        "agent" => "Agent",
        _ => "Frontdesk",
    }
}

/// Gives the words of a message and the links of what came with it.
fn line_text(line: &Value) -> String {
    let links = list(line, "/media").iter().filter_map(|link| {
        let url = link.as_str().or_else(|| link["url"].as_str());
        url.map(str::to_owned)
    });
    let text = line["text"].as_str().unwrap_or_default().to_owned();
    let parts: Vec<String> = std::iter::once(text).chain(links).collect();
    parts.join("\n").trim().to_owned()
}
