//! Who may act on which conversation: a desk on those of its assistants, and who has a link on one, while it lasts.

use axum::http::HeaderMap;

use super::super::{Door, Doors, HttpError, auth};
use super::read_id;
use crate::domain::{Act, Conversation};
use crate::handoff::Permit;
use crate::metrics::Doorway;

/// Refuses who shows no secret of any desk.
pub(super) fn check(doors: &Doors, headers: &HeaderMap) -> Result<(), HttpError> {
    assistants(doors, headers, None).map(drop)
}

/// Finds a conversation for the desk that asks. Another desk's conversations are not there for it.
pub(super) async fn by_id(
    doors: &Doors,
    headers: &HeaderMap,
    act: Option<Act>,
    id: &str,
) -> Result<Conversation, HttpError> {
    let known = assistants(doors, headers, act)?;
    let found = doors.store.conversation(read_id(id)?).await?;
    found
        .filter(|conversation| known.contains(&conversation.assistant.as_str()))
        .ok_or(HttpError::NoConversation)
}

/// Finds the conversation of a customer with the assistant that is named, or the only one that may be meant.
pub(super) async fn by_customer(
    doors: &Doors,
    headers: &HeaderMap,
    act: Option<Act>,
    external_id: &str,
    named: Option<&str>,
) -> Result<Conversation, HttpError> {
    let known = assistants(doors, headers, act)?;
    let assistant = match (named, known.as_slice()) {
        (Some(named), known) if known.contains(&named) => named,
        (Some(_), _) => return Err(HttpError::NoConversation),
        (None, [only]) => only,
        (None, _) => {
            let message = "several assistants may be meant: name one, `?assistant=NAME`";
            return Err(HttpError::BadRequest(message.to_owned()));
        }
    };
    let found = doors.store.conversation_with(assistant, external_id);
    found.await?.ok_or(HttpError::NoConversation)
}

/// Reads what a link allows, where one was followed: who shows a secret needs none.
pub(super) fn link(
    doors: &Doors,
    headers: &HeaderMap,
    token: Option<&str>,
    act: Act,
) -> Result<Option<Permit>, HttpError> {
    let Some(token) = token.filter(|_| auth::bearer(headers).is_none()) else {
        return Ok(None);
    };
    let now = doors.clock.now();
    let read = |door: &Door| door.assistant.links.as_ref()?.read(token, now);
    let permit = doors.assistants.values().find_map(read);
    let permit = permit.filter(|permit| permit.act == act);
    permit.map(Some).ok_or_else(|| refused(doors))
}

/// Finds the conversation that a link is for, if it is this one.
pub(super) async fn by_link(
    doors: &Doors,
    permit: Permit,
    id: &str,
) -> Result<Conversation, HttpError> {
    if read_id(id).ok() != Some(permit.conversation) {
        return Err(refused(doors));
    }
    let found = doors.store.conversation(permit.conversation).await?;
    found.ok_or(HttpError::NoConversation)
}

/// Gives the assistants whose conversations are open to who asks. Who asks people in may also show what Braze shows: it
/// could as well post that the customer asks for them.
fn assistants<'a>(
    doors: &'a Doors,
    headers: &HeaderMap,
    act: Option<Act>,
) -> Result<Vec<&'a str>, HttpError> {
    let token = auth::bearer(headers).unwrap_or_default();
    let opens = |door: &Door| {
        let desk = door.desk.as_ref();
        let is_desk = desk.is_some_and(|desk| desk.recognises(token));
        let may_ask = desk.is_some() && act == Some(Act::HandOff);
        is_desk || (may_ask && auth::shows_one_of(headers, &door.secrets))
    };
    let all = doors.assistants.iter();
    let open: Vec<_> = all
        .filter(|(_, door)| opens(door))
        .map(|(name, _)| name.as_str())
        .collect();
    match open.is_empty() {
        true => Err(refused(doors)),
        false => Ok(open),
    }
}

fn refused(doors: &Doors) -> HttpError {
    doors.metrics.work().refused(Doorway::Desk);
    HttpError::Unauthorized
}
