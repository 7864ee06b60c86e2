//! What Braze is told of a customer's consent.

use serde::Serialize;

use super::send::Workspace;
use crate::domain::{Attempted, Delivery, Recipient};

/// Where the state of a subscription group is set.
const PATH: &str = "/v2/subscription/status/set";

#[derive(Serialize)]
struct SetRequest<'a> {
    subscription_groups: [Group<'a>; 1],
}

#[derive(Serialize)]
struct Group<'a> {
    subscription_group_id: &'a str,
    subscription_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_ids: Option<[&'a str; 1]>,
    /// For a customer whom the business gave no id.
    #[serde(skip_serializing_if = "Option::is_none")]
    phones: Option<[&'a str; 1]>,
}

impl Workspace {
    /// Sets whether the delivery's customer is subscribed to a group. The gate was passed and the delivery is `sending`.
    /// Where nobody knows whether it was taken, it is said again.
    pub async fn subscribe(
        &self,
        delivery: &Delivery,
        group: &str,
        is_subscribed: bool,
    ) -> Attempted {
        let recipient = delivery.conversation.customer.recipient();
        let (external_id, phone) = match &recipient {
            Recipient::ExternalUserId(id) => (Some(id.as_str()), None),
            Recipient::PhoneAlias(phone) => (None, Some(e164(phone))),
        };
        let body = SetRequest {
            subscription_groups: [Group {
                subscription_group_id: group,
                subscription_state: match is_subscribed {
                    true => "subscribed",
                    false => "unsubscribed",
                },
                external_ids: external_id.map(|id| [id]),
                phones: phone.as_deref().map(|phone| [phone]),
            }],
        };
        self.post(delivery, PATH, &body).await
    }
}

/// Writes a number as this endpoint wants it, however its digits were set apart.
fn e164(phone: &str) -> String {
    let digits = phone.chars().filter(char::is_ascii_digit);
    ['+'].into_iter().chain(digits).collect()
}
