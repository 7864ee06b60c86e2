//! What people at a desk do with a conversation: whole, and once.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{Acted, DeskAct, Once, Receipted, StoreError};
use super::Here;
use super::rows::{millis, time, unreadable};
use super::{deliveries, handoffs, history, unsent};
use crate::clock::later;
use crate::domain::{
    Act, ConversationId, DeliveryId, EndReason, HandoffId, NewDelivery, Owner, Payload,
};
use crate::redact::Private;

/// How long an act is known again: longer than any desk tries for, and than an event is.
const KEEP_ACTS: Duration = Duration::from_hours(7 * 24);

/// How a conversation stands.
struct Standing {
    row: i64,
    owner: Owner,
    handoff: Option<HandoffId>,
    agent: Option<Private<String>>,
    version: i64,
    last_seq: i64,
    epoch: i64,
    opted_out: bool,
    window_expires_at: i64,
}

/// Does an act. Gives also the row of the conversation, and how many replies of the assistant were taken back, where the
/// ground has shifted under a turn.
pub(super) fn act(
    connection: &Connection,
    here: Here,
    act: &DeskAct,
) -> Result<(Acted, Option<(i64, u64)>), StoreError> {
    let Some(standing) = standing(connection, act.conversation)? else {
        return Ok((Acted::Unknown, None));
    };
    if let Some(once) = act.once
        && let Some(before) = before(connection, here, standing.row, once)?
    {
        return Ok((before, None));
    }
    if let Some(refusal) = refusal(here, &standing, act) {
        return Ok((refusal, None));
    }
    let Some(owner) = act.act.leads(standing.owner) else {
        return Ok((Acted::Shifted, None));
    };
    let receipt = apply(connection, here, &standing, act, owner)?;
    if let Some(once) = act.once {
        remember(connection, here, standing.row, once, &receipt)?;
    }
    let silenced = match owner {
        Owner::Assistant => 0,
        Owner::Pending | Owner::Human => unsent::silence(connection, here, standing.row)?,
    };
    let shifts = (owner != standing.owner).then_some((standing.row, silenced));
    Ok((Acted::Done(receipt), shifts))
}

/// Tells what became of an act that came before with the same key.
pub(super) fn known(
    connection: &Connection,
    here: Here,
    conversation: ConversationId,
    once: Once,
) -> Result<Option<Acted>, StoreError> {
    match standing(connection, conversation)? {
        Some(standing) => before(connection, here, standing.row, once),
        None => Ok(None),
    }
}

/// Forgets acts that nobody tries again. Gives how many.
pub(super) fn expire(connection: &Connection, here: Here, limit: i64) -> Result<usize, StoreError> {
    Ok(connection
        .prepare_cached(
            "DELETE FROM desk_act WHERE (conversation, digest) IN
                 (SELECT conversation, digest FROM desk_act WHERE expires_at <= ? LIMIT ?)",
        )?
        .execute(params![millis(here.now), limit])?)
}

fn standing(connection: &Connection, id: ConversationId) -> Result<Option<Standing>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT c.key, c.owner, c.handoff, h.agent, c.version, c.last_seq, c.epoch, c.opted_out,
                 c.window_expires_at
             FROM conversation c LEFT JOIN handoff h ON h.id = c.handoff WHERE c.id = ?",
        )?
        .query_row([id.0], |row| {
            let owner: String = row.get(1)?;
            Ok(Owner::from_name(&owner)
                .ok_or_else(|| unreadable(&owner))
                .and_then(|owner| {
                    Ok(Standing {
                        row: row.get(0)?,
                        owner,
                        handoff: row.get::<_, Option<Uuid>>(2)?.map(HandoffId),
                        agent: row.get::<_, Option<String>>(3)?.map(Private),
                        version: row.get(4)?,
                        last_seq: row.get(5)?,
                        epoch: row.get(6)?,
                        opted_out: row.get(7)?,
                        window_expires_at: row.get(8)?,
                    })
                }))
        })
        .optional()?;
    found.transpose()
}

/// Tells why an act cannot be done, if it cannot.
fn refusal(here: Here, standing: &Standing, act: &DeskAct) -> Option<Acted> {
    if (standing.owner, standing.handoff) != act.standing {
        return Some(Acted::Shifted);
    }
    match act.act {
        Act::Acknowledge if standing.owner == Owner::Human => match (&standing.agent, &act.agent) {
            (Some(there), Some(comes)) if there != comes => Some(Acted::Taken(there.clone())),
            _ => None,
        },
        Act::Reply if standing.opted_out => Some(Acted::OptedOut),
        Act::Reply if standing.window_expires_at <= millis(here.now) => Some(Acted::WindowOver),
        Act::HandOff | Act::Acknowledge | Act::Reply | Act::Note | Act::Release => None,
    }
}

fn apply(
    connection: &Connection,
    here: Here,
    standing: &Standing,
    act: &DeskAct,
    owner: Owner,
) -> Result<Receipted, StoreError> {
    let version = standing.version + i64::from(act.said.is_some());
    if let Some(said) = &act.said {
        let said = std::slice::from_ref(said);
        let last_seq = standing.last_seq;
        history::say(connection, here.now, standing.row, last_seq, version, said)?;
        connection
            .prepare_cached("UPDATE conversation SET version = ?, last_seq = ? WHERE key = ?")?
            .execute(params![
                version,
                last_seq + history::count(said),
                standing.row
            ])?;
    }
    let mut handoff = standing.handoff;
    match (&act.begins, owner) {
        (Some(begins), _) => {
            handoffs::begin(connection, here.now, standing.row, begins)?;
            handoff = Some(begins.id);
        }
        (None, Owner::Assistant) => {
            if act.act == Act::Release {
                let why = EndReason::AgentReleased;
                handoffs::close(connection, here.now, standing.row, handoff, why)?;
            }
            handoff = None;
        }
        (None, Owner::Pending | Owner::Human) => {
            connection
                .prepare_cached("UPDATE conversation SET returns_at = ? WHERE key = ?")?
                .execute(params![millis(act.returns_at), standing.row])?;
        }
    }
    if let (Owner::Human, Some(handoff)) = (owner, handoff)
        && act.act != Act::Note
    {
        let agent = act.agent.as_ref();
        handoffs::come(connection, here.now, standing.row, handoff, agent)?;
    }
    let epoch = standing.epoch + i64::from(owner != standing.owner);
    for delivery in &act.deliveries {
        let stamp = (version, epoch);
        let delivery = within_window(standing, delivery)?;
        deliveries::insert(connection, here.now, standing.row, stamp, &delivery)?;
    }
    let known = standing.agent.as_ref().filter(|_| handoff.is_some());
    let comes = act.agent.as_ref().filter(|_| act.act != Act::Note);
    Ok(Receipted {
        owner,
        handoff,
        agent: comes.filter(|_| owner == Owner::Human).or(known).cloned(),
        delivery: words(act),
    })
}

/// Lets words for the customer be sent as long as WhatsApp takes them now: a message that came since the act was written out
/// has opened the window anew, and they would be too old as soon as they are kept.
fn within_window(standing: &Standing, delivery: &NewDelivery) -> Result<NewDelivery, StoreError> {
    let mut delivery = delivery.clone();
    if matches!(delivery.payload, Payload::Reply { .. }) {
        let window = time(standing.window_expires_at)?;
        delivery.expires_at = delivery.expires_at.max(window);
    }
    Ok(delivery)
}

/// Gives the delivery that carries what was said to the customer.
fn words(act: &DeskAct) -> Option<DeliveryId> {
    let mut deliveries = act.deliveries.iter();
    let words = deliveries.find(|one| matches!(one.payload, Payload::Reply { .. }))?;
    Some(words.id)
}

fn before(
    connection: &Connection,
    here: Here,
    row: i64,
    once: Once,
) -> Result<Option<Acted>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT request, answer FROM desk_act WHERE conversation = ? AND digest = ? AND expires_at > ?",
        )?
        .query_row(params![row, once.key, millis(here.now)], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let Some((request, answer)) = found else {
        return Ok(None);
    };
    if request != once.request {
        return Ok(Some(Acted::KeyReused));
    }
    let answer: Value = serde_json::from_str(&answer).map_err(|error| unreadable(&error))?;
    let receipt = read(&answer).ok_or_else(|| unreadable(&answer))?;
    Ok(Some(Acted::Before(receipt)))
}

fn remember(
    connection: &Connection,
    here: Here,
    row: i64,
    once: Once,
    receipt: &Receipted,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO desk_act (conversation, digest, request, answer, expires_at)
             VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            row,
            once.key,
            once.request,
            written(receipt).to_string(),
            millis(later(here.now, KEEP_ACTS)),
        ])?;
    Ok(())
}

fn written(receipt: &Receipted) -> Value {
    json!({
        "owner": receipt.owner.as_str(),
        "handoff": receipt.handoff.map(|id| id.0),
        "agent": receipt.agent.as_ref().map(|agent| &agent.0),
        "delivery": receipt.delivery.map(|id| id.0),
    })
}

fn read(answer: &Value) -> Option<Receipted> {
    let text = |field: &str| answer[field].as_str();
    let id = |field: &str| text(field).and_then(|id| Uuid::parse_str(id).ok());
    Some(Receipted {
        owner: Owner::from_name(text("owner")?)?,
        handoff: id("handoff").map(HandoffId),
        agent: text("agent").map(|agent| agent.to_owned().into()),
        delivery: id("delivery").map(DeliveryId),
    })
}
