//! Whom the stand-in knows: their attributes, their subscriptions, and when they last wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Recipient, Tracked, TrackedKind};
use crate::clock::later;

/// Profiles kept; what a test or a person at a terminal needs, and no more memory than a few megabytes.
const PROFILES_MAX: usize = 20_000;

/// How many events of one profile are kept.
const EVENTS_MAX: usize = 1_000;

/// What Braze knows of one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The attributes, standard and custom ones alike.
    pub attributes: Map<String, Value>,
    /// The state in each subscription group that something was said about.
    pub groups: BTreeMap<String, String>,
    /// The names of the events that were logged, oldest first.
    pub events: Vec<String>,
    /// When the person last wrote to the number.
    pub wrote_at: Option<Timestamp>,
    /// What was sent through each campaign and Canvas, and when last.
    pub(super) received: BTreeMap<String, Timestamp>,
    /// How many messages the pair of number and person may still exchange, and when that was so.
    pub(super) pair: Option<(u32, Timestamp)>,
}

impl Profile {
    /// Tells whether something is said against messages of a group; of any group, where it is not named.
    pub(super) fn is_unsubscribed(&self, group: &str) -> bool {
        match group {
            "" => self.groups.values().any(|state| state == "unsubscribed"),
            group => self
                .groups
                .get(group)
                .is_some_and(|state| state == "unsubscribed"),
        }
    }

    /// Takes one message out of what the pair may exchange: `burst` at once, then one after each `every`.
    pub(super) fn take_pair(&mut self, now: Timestamp, burst: u32, every: Duration) -> bool {
        let (left, since) = self.pair.unwrap_or((burst, now));
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
        let passed = (now.as_millisecond() - since.as_millisecond()).max(0) / every_ms;
        let regained = u32::try_from(passed).unwrap_or(u32::MAX);
        let since = later(since, every.saturating_mul(regained));
        let left = left.saturating_add(regained).min(burst);
        self.pair = Some((left.saturating_sub(1), since));
        left > 0
    }
}

/// All whom the stand-in knows.
#[derive(Default)]
pub(super) struct People {
    profiles: BTreeMap<Recipient, Profile>,
    /// Whose a phone number is, where somebody wrote from it.
    phones: BTreeMap<String, Recipient>,
    /// Those who exist; everybody does where none was named.
    known: BTreeSet<Recipient>,
    /// External ids that are refused.
    blocked: BTreeSet<String>,
}

impl People {
    /// Says who exists, from here on; nobody else does.
    pub(super) fn know(&mut self, recipient: Recipient) {
        self.known.insert(recipient);
    }

    /// Refuses an external id in `/users/track`.
    pub(super) fn block(&mut self, external_id: &str) {
        self.blocked.insert(external_id.to_owned());
    }

    pub(super) fn is_blocked(&self, external_id: &str) -> bool {
        self.blocked.contains(external_id)
    }

    /// Notes whose a phone number is.
    pub(super) fn has_phone(&mut self, recipient: &Recipient, phone: &str) {
        if self.phones.len() < PROFILES_MAX {
            self.phones.insert(phone.to_owned(), recipient.clone());
        }
    }

    /// Tells whether the person exists.
    pub(super) fn exists(&self, recipient: &Recipient) -> bool {
        let recipient = self.resolve(recipient);
        self.known.is_empty()
            || self.known.contains(&recipient)
            || self.profiles.contains_key(&recipient)
    }

    /// Gives what is known of a person.
    pub(super) fn get(&self, recipient: &Recipient) -> Option<Profile> {
        self.profiles.get(&self.resolve(recipient)).cloned()
    }

    /// Gives a person's profile to change. The one that sorts first goes where there is no room.
    pub(super) fn entry(&mut self, recipient: &Recipient) -> &mut Profile {
        let recipient = self.resolve(recipient);
        if self.profiles.len() >= PROFILES_MAX && !self.profiles.contains_key(&recipient) {
            self.profiles.pop_first();
        }
        self.profiles.entry(recipient).or_default()
    }

    /// Applies what came through `/users/track`, or with a send.
    pub(super) fn apply(&mut self, tracked: &Tracked) {
        let only_existing = tracked.fields.get("_update_existing_only") == Some(&Value::Bool(true));
        if only_existing && !self.exists(&tracked.user) {
            return;
        }
        let profile = self.entry(&tracked.user);
        match tracked.kind {
            TrackedKind::Attributes => apply_attributes(profile, &tracked.fields),
            TrackedKind::Event => {
                let name = tracked.fields.get("name").and_then(Value::as_str);
                if profile.events.len() < EVENTS_MAX {
                    profile.events.extend(name.map(str::to_owned));
                }
            }
            TrackedKind::Purchase => {}
        }
    }

    /// Applies the attributes that came with a send.
    pub(super) fn apply_sent(&mut self, recipient: &Recipient, attributes: &Map<String, Value>) {
        if !attributes.is_empty() {
            apply_attributes(self.entry(recipient), attributes);
        }
    }

    /// Gives the one name of a person: whose a number is goes before the number.
    fn resolve(&self, recipient: &Recipient) -> Recipient {
        let phone = match recipient {
            Recipient::Phone(phone) => phone,
            Recipient::UserAlias { name, label } if label == "phone" => name,
            _ => return recipient.clone(),
        };
        self.phones
            .get(phone)
            .cloned()
            .unwrap_or_else(|| Recipient::phone_alias(phone))
    }
}

/// The fields of an attributes object that are no attributes.
const NO_ATTRIBUTES: [&str; 8] = [
    "external_id",
    "user_alias",
    "braze_id",
    "email",
    "phone",
    "_update_existing_only",
    "_merge_objects",
    "subscription_groups",
];

fn apply_attributes(profile: &mut Profile, fields: &Map<String, Value>) {
    for (name, value) in fields {
        if name == "subscription_groups" {
            for group in value.as_array().into_iter().flatten() {
                let text = |name: &str| group.get(name)?.as_str().map(str::to_owned);
                let id = text("subscription_group_id");
                profile.groups.extend(id.zip(text("subscription_state")));
            }
        } else if !NO_ATTRIBUTES.contains(&name.as_str()) {
            apply_one(&mut profile.attributes, name, value);
        }
    }
}

/// Sets an attribute, takes it away (`null`), counts it up, or changes its list.
fn apply_one(attributes: &mut Map<String, Value>, name: &str, value: &Value) {
    let list = |key: &str| value.get(key).and_then(Value::as_array);
    if value.is_null() {
        attributes.remove(name);
    } else if let Some(step) = value.get("inc").and_then(Value::as_i64) {
        let before = attributes.get(name).and_then(Value::as_i64).unwrap_or(0);
        attributes.insert(name.to_owned(), before.saturating_add(step).into());
    } else if let (Some(added), _) | (_, Some(added)) = (list("add"), list("remove")) {
        let before = attributes.get(name).and_then(Value::as_array).cloned();
        let mut items = before.unwrap_or_default();
        items.retain(|item| !added.contains(item));
        if value.get("add").is_some() {
            items.extend(added.iter().cloned());
        }
        attributes.insert(name.to_owned(), items.into());
    } else {
        attributes.insert(name.to_owned(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_are_set_counted_changed_and_taken_away() {
        let mut profile = Profile::default();
        for (value, left) in [
            (
                json!({ "n": 1, "list": ["a"] }),
                json!({ "n": 1, "list": ["a"] }),
            ),
            (
                json!({ "n": { "inc": 2 } }),
                json!({ "n": 3, "list": ["a"] }),
            ),
            (
                json!({ "list": { "add": ["b"] } }),
                json!({ "n": 3, "list": ["a", "b"] }),
            ),
            (
                json!({ "list": { "remove": ["a"] } }),
                json!({ "n": 3, "list": ["b"] }),
            ),
            (
                json!({ "n": null, "external_id": "u" }),
                json!({ "list": ["b"] }),
            ),
        ] {
            apply_attributes(&mut profile, value.as_object().unwrap());
            assert_eq!(Value::Object(profile.attributes.clone()), left, "{value}");
        }
    }

    #[test]
    fn a_pair_regains_a_message_with_each_step_of_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut profile = Profile::default();
        let mut take = |second| profile.take_pair(at(second), 2, Duration::from_secs(6));
        assert!(take(0) && take(0) && !take(5));
        assert!(take(6) && !take(6) && take(12));
        // What was not used is not saved up beyond the burst.
        assert!(take(1_000) && take(1_000) && !take(1_000));
    }
}
