//! Chatwoot's API inbox: the customer as a contact, one conversation for each handoff, words as messages.
//!
//! Each thing is looked for before it is made a second time: the contact by its identifier and number, the conversation
//! by the handoff's name in its attributes, messages by the event's name or their words.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::{Learnt, Progress, Request, Step, id, list, number};
use super::told::{Kind, Told};
use super::words;

/// The attribute of a conversation that names the handoff it is for.
const HANDOFF: &str = "frontdesk_handoff";

/// Which account and inbox it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chatwoot {
    /// The number of the account.
    pub(crate) account: u64,
    /// The number of the inbox.
    pub(crate) inbox: u64,
}

impl Chatwoot {
    /// Gives the next request; nothing when the event is told.
    pub(crate) fn next(&self, told: &Told, progress: &Progress) -> Option<Request> {
        let Some(thread) = &progress.thread else {
            return self.open(told, progress);
        };
        let messages = self.path(&format!("/conversations/{thread}/messages"));
        if told.again && !progress.has(Step::FindPost) {
            return Some(Request::get(Step::FindPost, messages));
        }
        let kind = told.kind();
        let needs_note = kind != Kind::Message || progress.has(Step::MakeThread);
        if needs_note && !progress.has(Step::Note) {
            let note = json!({
                "content": note(told),
                "message_type": "outgoing",
                "private": true,
                "source_id": format!("{}-note", told.id),
            });
            return Some(Request::post(Step::Note, messages, &note));
        }
        if matches!(kind, Kind::Requested | Kind::Message)
            && !progress.has(Step::Post)
            && let Some(said) = words::said(told)
        {
            let message = json!({
                "content": said,
                "message_type": "incoming",
                "private": false,
                "source_id": told.id,
            });
            return Some(Request::post(Step::Post, messages, &message));
        }
        let closes = kind == Kind::Ended && told.text("/reason/code") != Some("agent_released");
        (closes && !progress.has(Step::Close)).then(|| {
            let path = self.path(&format!("/conversations/{thread}/toggle_status"));
            Request::post(Step::Close, path, &json!({ "status": "resolved" }))
        })
    }

    fn open(&self, told: &Told, progress: &Progress) -> Option<Request> {
        if !matches!(told.kind(), Kind::Requested | Kind::Message) {
            return None;
        }
        let Some(contact) = &progress.contact else {
            return Some(self.introduce(told, progress));
        };
        if told.again && !progress.has(Step::FindThread) {
            let path = self.path(&format!("/contacts/{contact}/conversations"));
            return Some(Request::get(Step::FindThread, path));
        }
        let conversation = json!({
            "source_id": told.handoff(),
            "inbox_id": self.inbox,
            "contact_id": number(contact),
            "status": "open",
            "custom_attributes": {
                HANDOFF: told.handoff(),
                "frontdesk_conversation": told.text("/conversation/id"),
                "frontdesk_reason": told.text("/reason/code"),
            },
        });
        Some(Request::post(
            Step::MakeThread,
            self.path("/conversations"),
            &conversation,
        ))
    }

    /// Finds the customer, or makes him known.
    fn introduce(&self, told: &Told, progress: &Progress) -> Request {
        let search =
            |step, words: &str| Request::get(step, self.path("/contacts/search")).ask("q", words);
        let identifier = told.identifier().unwrap_or_else(|| told.handoff());
        if !progress.has(Step::FindContact) {
            return search(Step::FindContact, identifier);
        }
        let phone = told.phone();
        if let Some(phone) = &phone
            && !progress.has(Step::FindByPhone)
        {
            return search(Step::FindByPhone, phone);
        }
        let mut contact = json!({
            "inbox_id": self.inbox,
            "name": told.name(),
            "identifier": identifier,
        });
        if let Some(phone) = phone.filter(|_| !progress.was_refused(Step::MakeContact)) {
            contact["phone_number"] = phone.into();
        }
        Request::post(Step::MakeContact, self.path("/contacts"), &contact)
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/accounts/{}{rest}", self.account)
    }
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
        Step::MakeContact
            if status == 422 && told.phone().is_some() && !progress.was_refused(step) =>
        {
            progress.refused.push(step);
            return Learnt::Goes;
        }
        _ if !is_done => return Learnt::Refused,
        Step::FindContact => {
            let wanted = told.identifier().unwrap_or_else(|| told.handoff());
            progress.contact = find(answer, |one| one["identifier"] == wanted);
        }
        Step::FindByPhone => {
            let wanted = told.phone();
            progress.contact = find(answer, |one| {
                one["phone_number"].as_str() == wanted.as_deref()
            });
        }
        Step::MakeContact => {
            progress.contact = id(answer, "/payload/contact/id");
            if progress.contact.is_none() {
                return Learnt::Unreadable;
            }
        }
        Step::FindThread => {
            progress.thread = find(answer, |one| {
                one["custom_attributes"][HANDOFF] == told.handoff()
            });
        }
        Step::MakeThread => {
            progress.thread = id(answer, "/id");
            if progress.thread.is_none() {
                return Learnt::Unreadable;
            }
        }
        Step::FindPost => look(told, answer, progress),
        _ => {}
    }
    progress.did(step);
    Learnt::Goes
}

/// Finds what an earlier attempt at this event has posted. Chatwoot before version 4 forgets a message's `source_id`, so
/// the words count as well.
fn look(told: &Told, answer: &Value, progress: &mut Progress) {
    let (note, said) = (note(told), words::said(told));
    for message in list(answer, "/payload") {
        let at = message["created_at"]
            .as_i64()
            .and_then(|at| Timestamp::from_second(at).ok());
        if !told.can_have_made(at) {
            continue;
        }
        let (is_private, content) = (message["private"] == true, message["content"].as_str());
        let is_incoming = message["message_type"] == 0;
        if message["source_id"] == told.id || (is_incoming && content == said.as_deref()) {
            progress.did(Step::Post);
        }
        let source = message["source_id"]
            .as_str()
            .and_then(|id| id.strip_suffix("-note"));
        if source == Some(&told.id) || (is_private && content == Some(&note)) {
            progress.did(Step::Note);
        }
    }
}

fn note(told: &Told) -> String {
    match told.kind() {
        Kind::Requested | Kind::Message => words::brief(told),
        Kind::Ended | Kind::Note => words::note(told),
    }
}

fn find(answer: &Value, is_it: impl Fn(&Value) -> bool) -> Option<String> {
    let found = list(answer, "/payload").iter().find(|one| is_it(one))?;
    id(found, "/id")
}
