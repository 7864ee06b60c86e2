//! What the tags of a webhook's body stand for.

use serde_json::Value;

use super::super::{Profile, Recipient};

/// Who writes, as Braze knows them; what it does not know stays empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// The external id; empty for a number that Braze has not seen before.
    pub external_id: String,
    /// Braze's own id.
    pub braze_id: String,
    /// The number, in E.164.
    pub phone_number: String,
    /// The first name of the profile.
    pub first_name: String,
    /// The language of the profile.
    pub language: String,
    /// The name that the customer shows on WhatsApp.
    pub profile_name: String,
    /// Where the media of the message are, as Liquid prints them.
    pub media_urls: String,
}

impl Customer {
    /// Gives the name under which replies come.
    pub fn recipient(&self) -> Recipient {
        match self.external_id.as_str() {
            "" => Recipient::phone_alias(&self.phone_number),
            id => Recipient::ExternalUserId(id.to_owned()),
        }
    }

    pub(super) fn tag(&self, tag: &str) -> Option<Value> {
        let value = match tag {
            "${user_id}" => &self.external_id,
            "${braze_id}" => &self.braze_id,
            "${phone_number}" => &self.phone_number,
            "${first_name}" => &self.first_name,
            "${language}" => &self.language,
            "whats_app.${inbound_profile_name}" => &self.profile_name,
            "whats_app.${inbound_media_urls}" => &self.media_urls,
            _ => return None,
        };
        Some(value.as_str().into())
    }
}

/// Gives what a tag of the message or of the campaign stands for.
pub(super) fn of_message(
    tag: &str,
    campaign_id: &str,
    dispatch_id: &str,
    text: &str,
) -> Option<Value> {
    match tag {
        "whats_app.${inbound_message_body}" => Some(text.into()),
        "campaign.${dispatch_id}" => Some(dispatch_id.into()),
        "campaign.${api_id}" | "campaign.${name}" => Some(campaign_id.into()),
        _ => None,
    }
}

/// Gives what a tag of the profile stands for.
pub(super) fn of_profile(tag: &str, profile: &Profile) -> Option<Value> {
    let within = |scope: &str| tag.strip_prefix(scope)?.strip_suffix('}');
    if let Some(name) = within("custom_attribute.${") {
        return profile.attributes.get(name).cloned();
    }
    if let Some(id) = within("subscribed_state.${") {
        return profile.groups.get(id).map(|state| state.as_str().into());
    }
    profile.attributes.get(within("${")?).cloned()
}
