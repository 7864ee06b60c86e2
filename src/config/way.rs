//! How an assistant's words leave: the part of `[assistants.NAME]` that is about Braze.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::AssistantConfig;
use super::profile::ATTRIBUTES_MAX;
use super::sends::{NAMES, SENDS_MAX, is_name};
use crate::braze::{Sender, Speaker, Way};
use crate::domain::Mirror;
use crate::model::Field;
use crate::problem::Problem;
use crate::turn;

/// By which of Braze's endpoints plain words leave, as the file spells it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum WayKind {
    /// Through an API-triggered campaign.
    #[default]
    Campaign,
    /// Through an API-triggered Canvas.
    Canvas,
    /// As a message of its own.
    Message,
}

impl AssistantConfig {
    /// Finds what cannot work about the way to customers and their profiles.
    pub(super) fn check_way(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_blank = |text: &str| text.trim().is_empty();
        let lacks = |text: &Option<String>| text.as_deref().is_none_or(is_blank);
        match self.way {
            WayKind::Campaign if is_blank(&self.campaign_id) => problems.push(
                Problem::new("campaign_id", "is empty")
                    .help("copy the id of the API-triggered campaign from its page in Braze"),
            ),
            WayKind::Canvas if lacks(&self.canvas_id) => problems.push(
                Problem::new("canvas_id", "is empty or missing, and `way` is `canvas`")
                    .help("copy the id of the API-triggered Canvas from its page in Braze"),
            ),
            WayKind::Message if self.sender().is_none() => problems.push(
                Problem::new("way", "nobody is named who sends the messages")
                    .help("give an `app_id` and a `subscription_group_id`"),
            ),
            WayKind::Campaign | WayKind::Canvas | WayKind::Message => {}
        }
        if lacks(&self.app_id) != lacks(&self.subscription_group_id) {
            problems.push(Problem::new(
                "app_id",
                "stands with `subscription_group_id`, and neither alone",
            ));
        }
        problems.extend(self.check_sends());
        problems.extend(self.check_profile());
        problems
    }

    fn check_sends(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.sends.len() > SENDS_MAX {
            let message = format!("expected {SENDS_MAX} at most");
            problems.push(Problem::new("sends", message));
        }
        for (name, send) in &self.sends {
            let key = format!("sends.{name}");
            let found = send.check(self.sender().is_some()).into_iter();
            problems.extend(found.map(|problem| problem.under(&key)));
            if !is_name(name) {
                problems.push(Problem::new(&key, NAMES));
            }
            let others = self.sends.iter().filter(|(other, _)| *other < name);
            for (other, send_of_other) in others {
                let both = |rule: &&String| send_of_other.rules.contains(rule);
                if let Some(rule) = send.rules.iter().find(both) {
                    let message = format!("`{rule}` is answered by `{other}` already");
                    problems.push(Problem::new(format!("{key}.rules"), message));
                }
            }
        }
        problems
    }

    fn check_profile(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.attributes.len() > ATTRIBUTES_MAX {
            let message = format!("expected {ATTRIBUTES_MAX} at most");
            problems.push(Problem::new("attributes", message));
        }
        for (name, attribute) in &self.attributes {
            let found = attribute.check(name, self.way != WayKind::Message);
            let key = format!("attributes.{name}");
            problems.extend(found.into_iter().map(|problem| problem.under(&key)));
        }
        let events = self.events.check().into_iter();
        problems.extend(events.map(|problem| problem.under("events")));
        problems
    }

    fn sender(&self) -> Option<Sender> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        Some(Sender {
            app_id: given(&self.app_id)?,
            subscription_group_id: given(&self.subscription_group_id)?,
        })
    }

    /// Gives it as its workspace speaks for it; a checked configuration names all that is needed.
    pub fn speaker(&self) -> Speaker {
        let (sender, property) = (self.sender(), self.message_property.clone());
        let named = self.sends.iter();
        let named =
            named.filter_map(|(name, send)| Some((name.clone(), send.named(sender.as_ref())?)));
        let sends: BTreeMap<_, _> = named.collect();
        let way = match (self.way, sender) {
            (WayKind::Message, Some(sender)) => Way::Message(sender),
            (WayKind::Canvas, _) => Way::Canvas {
                id: self.canvas_id.clone().unwrap_or_default(),
                property,
            },
            (WayKind::Campaign | WayKind::Message, _) => Way::Campaign {
                id: self.campaign_id.clone(),
                property,
            },
        };
        Speaker { way, sends }
    }

    /// Gives its sends as a turn chooses them.
    pub fn send_terms(&self) -> Vec<turn::Send> {
        let sends = self.sends.iter();
        sends.map(|(name, send)| send.terms(name)).collect()
    }

    /// Gives what its models are to learn.
    pub fn learns(&self) -> Vec<Field> {
        let attributes = self.attributes.iter();
        attributes
            .filter_map(|(name, attribute)| attribute.field(name))
            .collect()
    }

    /// Gives what is mirrored of its conversations, where anything is.
    pub fn mirror(&self) -> Option<Mirror> {
        let attributes = self.attributes.iter();
        let mirror = Mirror {
            attributes: attributes
                .map(|(name, attribute)| attribute.attribute(name))
                .collect(),
            events: self.events.moments(),
        };
        (mirror != Mirror::default()).then_some(mirror)
    }
}
