//! Zendesk's tickets: one for each handoff, with the customer as its requester.
//!
//! What is made twice there is noticed: users are matched by their external id, tickets are opened under an
//! `Idempotency-Key`, which Zendesk keeps for two hours, and looked for by their external id after a doubt; comments
//! have no such key, so after a doubt the newest are looked through.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::plan::{Learnt, Progress, Request, Step, id, list, number};
use super::told::{Kind, Told};
use super::words;

/// Gives the next request; nothing when the event is told.
pub(crate) fn next(told: &Told, progress: &Progress) -> Option<Request> {
    if progress.has(Step::Post) {
        return None;
    }
    let Some(ticket) = &progress.thread else {
        return open(told, progress);
    };
    let comment = match told.kind() {
        Kind::Requested => return None,
        Kind::Message if told.again && !progress.has(Step::FindPost) => {
            let path = format!("/api/v2/tickets/{ticket}/comments.json");
            return Some(Request::get(Step::FindPost, path).ask("sort_order", "desc"));
        }
        Kind::Message => {
            let author = progress.contact.as_deref().map(number);
            json!({ "body": words::said(told)?, "public": true, "author_id": author })
        }
        Kind::Ended | Kind::Note => json!({ "body": words::note(told), "public": false }),
    };
    let mut change = json!({ "comment": comment });
    // A ticket can have fields that must be filled before it is solved; then agents have to do it.
    let solves = told.kind() == Kind::Ended
        && told.text("/reason/code") != Some("agent_released")
        && !progress.was_refused(Step::Post);
    if solves {
        change["status"] = "solved".into();
    }
    let path = format!("/api/v2/tickets/{ticket}.json");
    let body = json!({ "ticket": change });
    Some(Request::json(Step::Post, Method::PUT, path, &body))
}

/// Opens a ticket, where the event brings something that needs one.
fn open(told: &Told, progress: &Progress) -> Option<Request> {
    if !matches!(told.kind(), Kind::Requested | Kind::Message) {
        return None;
    }
    let Some(contact) = &progress.contact else {
        let mut user = json!({ "name": told.name(), "external_id": told.identifier() });
        if let Some(phone) = told
            .phone()
            .filter(|_| !progress.was_refused(Step::MakeContact))
        {
            user["phone"] = phone.into();
        }
        let path = "/api/v2/users/create_or_update.json".to_owned();
        return Some(Request::post(
            Step::MakeContact,
            path,
            &json!({ "user": user }),
        ));
    };
    let looks = told.again || progress.was_refused(Step::MakeThread);
    if looks && !progress.has(Step::FindThread) {
        let request = Request::get(Step::FindThread, "/api/v2/tickets.json".to_owned());
        return Some(request.ask("external_id", told.handoff()));
    }
    let mut tags = vec!["frontdesk".to_owned()];
    let more = [
        "/reason/code",
        "/conversation/language",
        "/conversation/assistant",
    ];
    tags.extend(
        more.iter()
            .filter_map(|pointer| told.text(pointer))
            .map(str::to_lowercase),
    );
    let brief = match told.kind() {
        Kind::Message => words::said(told).map_or_else(
            || words::brief(told),
            |said| format!("{}\n\nCustomer: {said}", words::brief(told)),
        ),
        _ => words::brief(told),
    };
    let body = json!({ "ticket": {
        "subject": words::subject(told),
        "comment": { "body": brief, "public": false },
        "requester_id": number(contact),
        "external_id": told.handoff(),
        "tags": tags,
    } });
    let request = Request::post(Step::MakeThread, "/api/v2/tickets.json".to_owned(), &body);
    Some(request.header("idempotency-key", told.id.clone()))
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
        Step::MakeContact if is_done => {
            progress.contact = id(answer, "/user/id");
            return known(progress.contact.is_some());
        }
        // Without a number that it does not like, or that another user has, it is the same customer.
        Step::MakeContact if status == 422 && !progress.was_refused(step) => {
            progress.refused.push(step);
        }
        Step::FindThread if is_done => {
            progress.thread = id(answer, "/tickets/0/id");
            if progress.thread.is_some() && told.kind() == Kind::Requested {
                progress.did(Step::Post);
            }
        }
        Step::MakeThread if is_done => {
            progress.thread = id(answer, "/ticket/id");
            progress.did(Step::Post);
            return known(progress.thread.is_some());
        }
        // Something else was asked with this key before: the ticket is there.
        Step::MakeThread
            if answer["error"] == "IdempotentRequestError" && !progress.was_refused(step) =>
        {
            progress.refused.push(step);
        }
        Step::FindPost if is_done => {
            let said = words::said(told);
            if list(answer, "/comments")
                .iter()
                .any(|one| is_ours(told, progress, said.as_deref(), one))
            {
                progress.did(Step::Post);
            }
        }
        Step::Post
            if status == 422 && told.kind() == Kind::Ended && !progress.was_refused(step) =>
        {
            progress.refused.push(step);
            return Learnt::Goes;
        }
        _ if !is_done => return Learnt::Refused,
        _ => {}
    }
    if is_done {
        progress.did(step);
    }
    Learnt::Goes
}

fn known(is_known: bool) -> Learnt {
    match is_known {
        true => Learnt::Goes,
        false => Learnt::Unreadable,
    }
}

/// Tells whether a comment is what an earlier attempt at this event made.
fn is_ours(told: &Told, progress: &Progress, said: Option<&str>, comment: &Value) -> bool {
    let at = comment["created_at"]
        .as_str()
        .and_then(|at| at.parse::<Timestamp>().ok());
    comment["body"].as_str().map(str::trim) == said
        && id(comment, "/author_id") == progress.contact
        && told.can_have_made(at)
}
