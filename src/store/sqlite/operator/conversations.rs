//! Looking at conversations.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::super::{
    ConversationFilter, ConversationView, DeliveryFilter, HandoffView, MessageView, Page, Part,
    StoreError, Transcript,
};
use super::super::rows::{
    CONVERSATION, CONVERSATION_COLUMNS, MESSAGE, MESSAGE_COLUMNS, collect, read_conversation,
    read_message, time, unreadable,
};
use super::super::spending;
use super::deliveries;
use super::query::{Query, page};
use crate::domain::{ConversationId, Guarded, HandoffId, Outcome, Owner};
use crate::redact::Private;

/// Handoffs and deliveries shown with a conversation; deliveries beyond them are listed by themselves.
const SHOWN: u32 = 50;

/// A number without what people write between its digits, as the index has it.
pub(super) const PHONE: &str = "replace(replace(replace(replace(replace(replace(phone, '+', ''), ' ', ''), '-', ''), \
     '(', ''), ')', ''), '.', '')";

/// Writes a number as [`PHONE`] does.
pub(super) fn bare_number(phone: &str) -> String {
    phone.replace(['+', ' ', '-', '(', ')', '.'], "")
}

/// Lists conversations, those begun last first.
pub(super) fn list(
    connection: &Connection,
    filter: &ConversationFilter,
    part: Part,
) -> Result<Page<ConversationView>, StoreError> {
    if filter.waiting == Some(true) {
        return list_waiting(connection, filter, part);
    }
    let found = run(connection, statement(filter, part))?;
    Ok(page(found, part))
}

/// Steps from one waiting conversation to the next by the index of waiting messages: among a million, few wait.
fn list_waiting(
    connection: &Connection,
    filter: &ConversationFilter,
    part: Part,
) -> Result<Page<ConversationView>, StoreError> {
    let mut step = connection.prepare_cached(
        "SELECT max(conversation) FROM message INDEXED BY message_waiting WHERE turn IS NULL AND conversation < ?",
    )?;
    let others = ConversationFilter {
        waiting: None,
        ..filter.clone()
    };
    let mut found = Vec::new();
    let mut before = part.before.unwrap_or(i64::MAX);
    let enough = usize::try_from(part.limit).unwrap_or(usize::MAX);
    while found.len() <= enough {
        let Some(key) = step.query_row([before], |row| row.get::<_, Option<i64>>(0))? else {
            break;
        };
        let mut query = conditions(
            &others,
            Part {
                before: None,
                limit: 1,
            },
        );
        query.and("key = ?", Some(key));
        found.extend(run(connection, (sql("", &query), query))?);
        before = key;
    }
    Ok(page(found, part))
}

/// Gives the statement of a list, with what it wants.
pub(super) fn statement(filter: &ConversationFilter, part: Part) -> (String, Query) {
    let query = conditions(filter, part);
    (sql(index(filter), &query), query)
}

fn sql(index: &str, query: &Query) -> String {
    format!(
        "{} FROM conversation {index} WHERE {} ORDER BY key DESC LIMIT ?",
        view(),
        query.conditions()
    )
}

/// Chooses the index that leaves the fewest rows, since the planner does not know how rare a value is.
fn index(filter: &ConversationFilter) -> &'static str {
    match filter {
        ConversationFilter {
            external_id: Some(_),
            ..
        } => "INDEXED BY conversation_external",
        ConversationFilter { phone: Some(_), .. } => "INDEXED BY conversation_phone",
        ConversationFilter {
            opted_out: Some(true),
            ..
        } => "INDEXED BY conversation_opted_out",
        ConversationFilter {
            owner: Some(Owner::Pending | Owner::Human),
            ..
        } => "INDEXED BY conversation_with_people",
        ConversationFilter {
            assistant: Some(_), ..
        } => "INDEXED BY conversation_assistant",
        _ => "",
    }
}

fn conditions(filter: &ConversationFilter, part: Part) -> Query {
    let mut query = Query::of(part);
    let text = |id: &Private<String>| id.0.clone();
    query.and("external_id = ?", filter.external_id.as_ref().map(text));
    let phone = filter.phone.as_ref().map(|phone| bare_number(phone));
    query.and(&format!("phone IS NOT NULL AND {PHONE} = ?"), phone);
    query.and("conversation.assistant = ?", filter.assistant.clone());
    match filter.owner {
        Some(Owner::Assistant) => query.and_fixed("owner = 'assistant'"),
        Some(owner) => {
            query.and_fixed("owner <> 'assistant'");
            query.and("owner = ?", Some(owner.as_str().to_owned()));
        }
        None => {}
    }
    match filter.opted_out {
        Some(true) => query.and_fixed("opted_out = 1"),
        Some(false) => query.and_fixed("opted_out = 0"),
        None => {}
    }
    if filter.waiting == Some(false) {
        query.and_fixed(
            "NOT EXISTS (SELECT 1 FROM message INDEXED BY message_waiting
                         WHERE conversation = conversation.key AND turn IS NULL)",
        );
    }
    query
}

fn run(
    connection: &Connection,
    (sql, query): (String, Query),
) -> Result<Vec<(i64, ConversationView)>, StoreError> {
    let mut statement = connection.prepare_cached(&sql)?;
    collect(statement.query(query.values())?, read_view)
}

fn view() -> String {
    format!(
        "SELECT {CONVERSATION}, key, returns_at, ack_due_at,
             (SELECT count(*) FROM message INDEXED BY message_waiting
              WHERE conversation = conversation.key AND turn IS NULL)"
    )
}

fn read_view(row: &Row<'_>) -> Result<(i64, ConversationView), StoreError> {
    let returns_at: Option<i64> = row.get(CONVERSATION_COLUMNS + 1)?;
    let ack_due_at: Option<i64> = row.get(CONVERSATION_COLUMNS + 2)?;
    let waiting: i64 = row.get(CONVERSATION_COLUMNS + 3)?;
    let view = ConversationView {
        conversation: read_conversation(row)?,
        waiting: u64::try_from(waiting).unwrap_or_default(),
        ack_due_at: ack_due_at.map(time).transpose()?,
        returns_at: returns_at.map(time).transpose()?,
    };
    Ok((row.get(CONVERSATION_COLUMNS)?, view))
}

/// Gives one conversation with a part of what was said in it, all of the same moment.
pub(super) fn transcript(
    connection: &Connection,
    id: ConversationId,
    part: Part,
) -> Result<Option<Transcript>, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let sql = format!("{} FROM conversation WHERE id = ?", view());
    let found = transaction
        .prepare_cached(&sql)?
        .query_row([id.0], |row| Ok(read_view(row)))
        .optional()?;
    let Some((key, view)) = found.transpose()? else {
        return Ok(None);
    };
    let filter = DeliveryFilter {
        conversation: Some(id),
        ..DeliveryFilter::default()
    };
    let newest = Part {
        before: None,
        limit: SHOWN,
    };
    Ok(Some(Transcript {
        view,
        messages: messages(&transaction, key, part)?,
        deliveries: deliveries::list(&transaction, &filter, newest)?.items,
        handoffs: handoffs(&transaction, key)?,
        spending: spending::of_conversation(&transaction, key)?,
    }))
}

fn messages(
    connection: &Connection,
    conversation: i64,
    part: Part,
) -> Result<Page<MessageView>, StoreError> {
    let sql = format!(
        "SELECT {MESSAGE}, outcome, rule, prompt_version, guards FROM message
         WHERE conversation = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let before = part.before.unwrap_or(i64::MAX);
    let rows = statement.query(params![conversation, before, i64::from(part.limit) + 1])?;
    let found = collect(rows, |row| {
        let message = read_message(row)?;
        let outcome: Option<String> = row.get(MESSAGE_COLUMNS)?;
        let read = |name: String| Outcome::from_name(&name).ok_or_else(|| unreadable(&name));
        let view = MessageView {
            outcome: outcome.map(read).transpose()?,
            rule: row.get(MESSAGE_COLUMNS + 1)?,
            prompt_version: row.get(MESSAGE_COLUMNS + 2)?,
            guards: guards(row.get(MESSAGE_COLUMNS + 3)?)?,
            message,
        };
        Ok((view.message.seq, view))
    })?;
    Ok(page(found, part))
}

/// Reads what guards did.
fn guards(names: Option<String>) -> Result<Vec<Guarded>, StoreError> {
    let names = names.unwrap_or_default();
    let read = |name: &str| Guarded::from_name(name).ok_or_else(|| unreadable(&name));
    names.split_whitespace().map(read).collect()
}

fn handoffs(connection: &Connection, conversation: i64) -> Result<Vec<HandoffView>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, reason, rule, requested_at, ended_at, end_reason, detail, unanswered_at, acknowledged_at, agent
         FROM handoff
         WHERE conversation = ? ORDER BY requested_at DESC, id DESC LIMIT ?",
    )?;
    collect(statement.query(params![conversation, SHOWN])?, |row| {
        let moment = |column: usize| -> Result<_, StoreError> {
            row.get::<_, Option<i64>>(column)?.map(time).transpose()
        };
        let words = |column: usize| -> Result<_, StoreError> {
            Ok(row.get::<_, Option<String>>(column)?.map(Private))
        };
        Ok(HandoffView {
            id: HandoffId(row.get(0)?),
            reason: row.get(1)?,
            rule: row.get(2)?,
            requested_at: time(row.get(3)?)?,
            ended_at: moment(4)?,
            end_reason: row.get(5)?,
            detail: words(6)?,
            unanswered_at: moment(7)?,
            acknowledged_at: moment(8)?,
            agent: words(9)?,
        })
    })
}
