//! Freshdesk's tickets: one for each handoff, with notes for what the customer says later.
//!
//! Freshdesk knows no idempotency key. The ticket's number is kept before the event counts as told, and after a doubt
//! it is looked for by a tag that is the handoff's name.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::{Learnt, Progress, Request, Step, id, list};
use super::told::{Kind, Told};
use super::words;

/// A ticket that is open, as Freshdesk numbers it.
const OPEN: u8 = 2;

/// A ticket of middle priority.
const MEDIUM: u8 = 2;

/// A ticket that came by chat.
const CHAT: u8 = 7;

/// Notes that one look at a ticket shows: the most that Freshdesk gives at once.
const NOTES_SHOWN: &str = "100";

/// Gives the next request; nothing when the event is told.
pub(crate) fn next(told: &Told, progress: &Progress) -> Option<Request> {
    if progress.has(Step::Post) {
        return None;
    }
    let Some(ticket) = &progress.thread else {
        return open(told, progress);
    };
    let (text, is_theirs) = match told.kind() {
        Kind::Requested => return None,
        Kind::Message if told.again && !progress.has(Step::FindPost) => {
            let path = format!("/api/v2/tickets/{ticket}/conversations");
            return Some(Request::get(Step::FindPost, path).ask("per_page", NOTES_SHOWN));
        }
        Kind::Message => (words::said(told)?, true),
        Kind::Ended | Kind::Note => (words::note(told), false),
    };
    // A public note could be mailed to the customer, whom WhatsApp alone should reach.
    let body = json!({ "body": html(&text), "private": true, "incoming": is_theirs });
    let path = format!("/api/v2/tickets/{ticket}/notes");
    Some(Request::post(Step::Post, path, &body))
}

fn open(told: &Told, progress: &Progress) -> Option<Request> {
    if !matches!(told.kind(), Kind::Requested | Kind::Message) {
        return None;
    }
    if told.again && !progress.has(Step::FindThread) {
        let request = Request::get(Step::FindThread, "/api/v2/search/tickets".to_owned());
        return Some(request.ask("query", format!("\"tag:'{}'\"", tag(told))));
    }
    let mut brief = words::brief(told);
    if told.kind() == Kind::Message
        && let Some(said) = words::said(told)
    {
        brief = format!("{brief}\n\nCustomer: {said}");
    }
    let mut ticket = json!({
        "subject": words::subject(told),
        "description": html(&brief),
        "name": told.name(),
        "unique_external_id": told.identifier().unwrap_or_else(|| told.handoff()),
        "status": OPEN,
        "priority": MEDIUM,
        "source": CHAT,
        "tags": ["frontdesk", tag(told)],
    });
    if let Some(phone) = told
        .phone()
        .filter(|_| !progress.was_refused(Step::MakeThread))
    {
        ticket["phone"] = phone.into();
    }
    Some(Request::post(
        Step::MakeThread,
        "/api/v2/tickets".to_owned(),
        &ticket,
    ))
}

/// Takes in an answer.
pub(crate) fn learn(
    told: &Told,
    step: Step,
    status: u16,
    answer: &Value,
    progress: &mut Progress,
) -> Learnt {
    let is_done = (200..300).contains(&status);
    match step {
        Step::MakeThread if is_done => {
            progress.thread = id(answer, "/id");
            progress.did(Step::Post);
            if progress.thread.is_none() {
                return Learnt::Unreadable;
            }
        }
        // A number that another contact has, or that Freshdesk does not like, is told in the brief all the same.
        Step::MakeThread
            if matches!(status, 400 | 409)
                && told.phone().is_some()
                && !progress.was_refused(step) =>
        {
            progress.refused.push(step);
            return Learnt::Goes;
        }
        Step::FindThread if is_done => {
            progress.thread = id(answer, "/results/0/id");
            if progress.thread.is_some() && told.kind() == Kind::Requested {
                progress.did(Step::Post);
            }
        }
        Step::FindPost if is_done => {
            let said = words::said(told).unwrap_or_default();
            let is_ours = |note: &Value| {
                let at = note["created_at"]
                    .as_str()
                    .and_then(|at| at.parse::<Timestamp>().ok());
                let text = note["body_text"].as_str().unwrap_or_default();
                squeezed(text) == squeezed(&said) && told.can_have_made(at)
            };
            if list(answer, "").iter().any(is_ours) {
                progress.did(Step::Post);
            }
        }
        _ if !is_done => return Learnt::Refused,
        _ => {}
    }
    progress.did(step);
    Learnt::Goes
}

/// Gives the tag that finds a handoff's ticket: 32 letters, the most that a tag can have.
fn tag(told: &Told) -> String {
    told.handoff().replace('-', "")
}

/// Gives a text without the white space that HTML does not keep.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Gives a text as HTML that shows it as it is.
fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>"),
            letter => html.push(letter),
        }
    }
    html
}
