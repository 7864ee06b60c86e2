//! What follows when a customer wants no more messages: `[assistants.NAME.opt_out]`.

use serde::Deserialize;

use crate::problem::Problem;

/// The longest id of a subscription group: Braze's are UUIDs.
const GROUP_CHARS_MAX: usize = 64;

/// What follows when a customer wants no more messages, or wants them again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptOutConfig {
    /// The WhatsApp subscription group in Braze that the customer leaves and enters. Default: none, and Braze is told
    /// nothing.
    pub subscription_group: Option<String>,
}

impl OptOutConfig {
    /// Finds what cannot work.
    pub(super) fn check(&self) -> Vec<Problem> {
        let group = self.subscription_group.as_deref();
        let is_id = |group: &str| {
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            (1..=GROUP_CHARS_MAX).contains(&group.len()) && group.chars().all(is_plain)
        };
        match group {
            Some(group) if !is_id(group) => vec![
                Problem::new("subscription_group", "is no id of a subscription group").help(
                    "copy it from Audience > Subscription Groups in Braze, such as `3deb1e2d-…`",
                ),
            ],
            _ => Vec::new(),
        }
    }
}
