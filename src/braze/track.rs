//! `POST /users/track`: what is learnt of customers, written to their profiles. It has limits of its own, and a pace far below
//! them: no customer waits for it.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::braze_message;
use super::gate::Gate;
use crate::clock::{Clock, later};
use crate::domain::{Mirrored, Priority, ProfileUpdate, Recipient};
use crate::retry::Schedule;

/// Objects in one request. Braze takes 75 from most, and 50 from some.
pub const TRACK_OBJECTS: usize = 50;

/// Requests a second. Braze takes a thousand from most, and far fewer from those who pay by active users.
const RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);

/// The waits before a request that failed is made again.
const RETRIES: Schedule = Schedule(&[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
]);

/// How long nothing is written after Braze refused the key.
const REST_AFTER_REFUSED_KEY: Duration = Duration::from_mins(1);

/// What paces the writing.
#[derive(Debug)]
pub(super) struct Pace(pub(super) Gate);

/// What an answer means for each of the updates in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// All of them have this end.
    All(Mirrored),
    /// One of them is to blame: each is sent by itself.
    Apart,
}

impl Pace {
    pub(super) fn new(clock: &Clock) -> Self {
        Self(Gate::new(RATE, RATE, clock.clone()))
    }

    pub(super) async fn pass(&self) {
        self.0.pass(Priority::Assistant).await;
    }
}

/// Writes the request. No profile is made by it.
pub(super) fn body(updates: &[ProfileUpdate]) -> Value {
    let with = updates.iter().filter(|one| !one.attributes.is_empty());
    let attributes = with.map(|update| {
        let mut object = subject(update);
        object.extend(update.attributes.0.clone());
        Value::Object(object)
    });
    let events = updates.iter().flat_map(|update| {
        update.events.iter().map(|event| {
            let mut object = subject(update);
            object.insert("name".to_owned(), event.name.as_str().into());
            object.insert("time".to_owned(), event.at.to_string().into());
            Value::Object(object)
        })
    });
    let mut body = Map::new();
    for (name, objects) in [
        ("attributes", attributes.collect::<Vec<_>>()),
        ("events", events.collect()),
    ] {
        if !objects.is_empty() {
            body.insert(name.to_owned(), objects.into());
        }
    }
    Value::Object(body)
}

fn subject(update: &ProfileUpdate) -> Map<String, Value> {
    let (name, id) = match update.customer.recipient() {
        Recipient::ExternalUserId(id) => ("external_id", id.0.into()),
        Recipient::PhoneAlias(phone) => (
            "user_alias",
            json!({ "alias_name": phone.0, "alias_label": "phone" }),
        ),
    };
    Map::from_iter([
        (name.to_owned(), id),
        ("_update_existing_only".to_owned(), true.into()),
    ])
}

/// Tells what an answer means; `None` stands for no answer. What may have been taken is sent again: attributes do no harm
/// twice, and an event too many is better than one that lacks.
pub(super) fn judge(
    pace: &Pace,
    updates: &[ProfileUpdate],
    answer: Option<(u16, &[u8])>,
    now: Timestamp,
) -> Judged {
    let attempts = updates.iter().map(|one| one.attempts).max();
    let again = later(
        now,
        RETRIES.after(attempts.unwrap_or_default() + 1, Uuid::nil()),
    );
    let Some((status, told)) = answer else {
        return Judged::All(Mirrored::Again(again));
    };
    match status {
        200..=299 => {
            if let Some(refused) = refused(told) {
                tracing::warn!(
                    refused,
                    "Braze refused parts of what was learnt of customers; they are given up"
                );
            }
            Judged::All(Mirrored::Over)
        }
        401 | 403 => {
            pace.0.shut(later(now, REST_AFTER_REFUSED_KEY));
            tracing::error!(
                status,
                "Braze refused the API key: check the key, its permission users.track and the endpoint's region"
            );
            Judged::All(Mirrored::Again(again))
        }
        408 | 429 | 500..=599 => Judged::All(Mirrored::Again(again)),
        _ if updates.len() > 1 => Judged::Apart,
        _ => {
            let error = braze_message(told, &[]);
            // What Braze says of a request can quote it, so the words stay out of the log.
            let length = error.len();
            tracing::error!(
                status,
                length,
                "Braze refused what was learnt of a customer; it is given up"
            );
            Judged::All(Mirrored::Over)
        }
    }
}

/// Counts the objects that an accepted request lists as refused.
fn refused(answer: &[u8]) -> Option<usize> {
    let parsed: Value = serde_json::from_slice(answer).ok()?;
    let errors = parsed.get("errors")?.as_array()?.len();
    (errors > 0).then_some(errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ConversationId, Customer, ProfileEvent, new_id};
    use crate::redact::Private;
    use rstest::rstest;

    fn now() -> Timestamp {
        Timestamp::from_second(2_000_000_000).unwrap()
    }

    fn update(customer: Customer, events: usize) -> ProfileUpdate {
        let event = |key| ProfileEvent {
            key,
            name: "handed over".to_owned(),
            at: now(),
        };
        ProfileUpdate {
            conversation: ConversationId(new_id(now())),
            customer,
            attributes: Private(Map::from_iter([("lang".to_owned(), json!("es"))])),
            events: (0..).take(events).map(event).collect(),
            attempts: 0,
            change: 1,
        }
    }

    fn known(name: &str) -> Customer {
        Customer::new(Some(name.to_owned()), None, None).unwrap()
    }

    #[test]
    fn each_object_names_its_customer_and_makes_no_profile() {
        let unknown = Customer::new(None, Some("b1".to_owned()), Some("+1555".to_owned())).unwrap();
        let body = body(&[update(known("ana"), 1), update(unknown, 0)]);
        let expected = json!({
            "attributes": [
                { "external_id": "ana", "_update_existing_only": true, "lang": "es" },
                {
                    "user_alias": { "alias_name": "+1555", "alias_label": "phone" },
                    "_update_existing_only": true,
                    "lang": "es",
                },
            ],
            "events": [{
                "external_id": "ana",
                "_update_existing_only": true,
                "name": "handed over",
                "time": "2033-05-18T03:33:20Z",
            }],
        });
        assert_eq!(body, expected);
    }

    #[rstest]
    #[case::taken(Some((201, "{}")), 2, Judged::All(Mirrored::Over))]
    #[case::partly(Some((201, r#"{"errors": [{"index": 0}]}"#)), 2, Judged::All(Mirrored::Over))]
    #[case::refused_together(Some((400, "{}")), 2, Judged::Apart)]
    #[case::refused(Some((400, "{}")), 1, Judged::All(Mirrored::Over))]
    fn what_an_answer_means(
        #[case] answer: Option<(u16, &str)>,
        #[case] count: usize,
        #[case] judged: Judged,
    ) {
        let clock = Clock::manual(now());
        let updates = vec![update(known("ana"), 0); count];
        let answer = answer.map(|(status, answer)| (status, answer.as_bytes()));
        assert_eq!(judge(&Pace::new(&clock), &updates, answer, now()), judged);
    }

    #[test]
    fn what_was_not_taken_is_sent_again_and_a_refused_key_rests() {
        let clock = Clock::manual(now());
        let pace = Pace::new(&clock);
        let updates = [update(known("ana"), 0)];
        for status in [None, Some(429), Some(503), Some(408), Some(401)] {
            let answer = status.map(|status| (status, &b"{}"[..]));
            let judged = judge(&pace, &updates, answer, now());
            let is_again = matches!(judged, Judged::All(Mirrored::Again(at)) if at > now());
            assert!(is_again, "{status:?} {judged:?}");
        }
        assert!(pace.0.shut_until().is_some());
    }
}
