//! The customer's side: what Braze posts to the gateway when somebody writes on WhatsApp.

use serde_json::Value;

use super::call::{Answered, client, post};

/// Posts customers' messages to the gateway, rendered as Braze renders its webhook campaigns.
#[derive(Clone)]
pub struct Phone {
    client: reqwest::Client,
    url: String,
    secret: String,
}

/// What the longer webhook body tells; a value that Braze does not have stays empty.
#[derive(Clone, Debug, Default)]
pub struct Texted<'a> {
    /// The external id.
    pub user_id: &'a str,
    /// Braze's own id.
    pub braze_id: &'a str,
    /// The number, in E.164.
    pub phone_number: &'a str,
    /// What the customer wrote.
    pub message: &'a str,
    /// The name that the customer shows on WhatsApp.
    pub profile_name: &'a str,
    /// Where the media of the message are, as Liquid prints them.
    pub media_urls: &'a str,
    /// The profile's language.
    pub language: &'a str,
    /// The id of the send that this webhook is.
    pub dispatch_id: &'a str,
    /// The webhook campaign.
    pub campaign_id: &'a str,
    /// The fixed text that names the number in use.
    pub channel: &'a str,
}

impl Texted<'_> {
    /// Renders the body of the guide: three fields, and nothing escaped, whatever the customer wrote.
    pub fn plain(&self) -> String {
        format!(
            r#"{{"user_id": "{}", "phone_number": "{}", "message": "{}"}}"#,
            self.user_id, self.phone_number, self.message
        )
    }

    /// Renders the longer body, with `json_escape` where a customer has a say.
    pub fn escaped(&self) -> String {
        format!(
            r#"{{ "user_id": "{}", "braze_id": "{}",
  "phone_number": "{}",
  "message": "{}",
  "profile_name": "{}",
  "media_urls": "{}",
  "language": "{}", "dispatch_id": "{}",
  "campaign_id": "{}", "channel": "{}" }}"#,
            json_escape(self.user_id),
            self.braze_id,
            json_escape(self.phone_number),
            json_escape(self.message),
            json_escape(self.profile_name),
            json_escape(self.media_urls),
            self.language,
            self.dispatch_id,
            self.campaign_id,
            self.channel,
        )
    }
}

impl Phone {
    /// Makes a phone whose messages reach `url`, with the secret that the webhook carries.
    ///
    /// Fails where the machine has no certificates to check servers by.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: client()?,
            url: url.into(),
            secret: secret.into(),
        })
    }

    /// Sends a message in the guide's form.
    pub async fn says(
        &self,
        user_id: &str,
        phone_number: &str,
        message: &str,
    ) -> Result<Answered, reqwest::Error> {
        let texted = Texted {
            user_id,
            phone_number,
            message,
            ..Texted::default()
        };
        self.posts(texted.plain()).await
    }

    /// Sends a message in the longer form.
    pub async fn texts(&self, texted: &Texted<'_>) -> Result<Answered, reqwest::Error> {
        self.posts(texted.escaped()).await
    }

    /// Sends any body.
    pub async fn posts(&self, body: impl Into<Vec<u8>>) -> Result<Answered, reqwest::Error> {
        post(&self.client, &self.url, &self.secret, body.into()).await
    }
}

/// Escapes what a JSON string cannot hold, as Braze's filter of that name does.
pub(super) fn json_escape(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_s_body_is_not_escaped() {
        let texted = Texted {
            user_id: "u1",
            phone_number: "+15550100",
            message: "a \"b\" \\ \n c",
            ..Texted::default()
        };
        assert_eq!(
            texted.plain(),
            "{\"user_id\": \"u1\", \"phone_number\": \"+15550100\", \"message\": \"a \"b\" \\ \n c\"}"
        );
    }

    #[test]
    fn the_longer_body_is_json_whatever_the_customer_wrote() {
        let texted = Texted {
            user_id: "u\"1",
            message: "a \"b\" \\ \n\t\u{1} 🙂",
            channel: "main",
            ..Texted::default()
        };
        let body: Value = serde_json::from_str(&texted.escaped()).unwrap();
        assert_eq!(body["message"], texted.message);
        assert_eq!(body["user_id"], texted.user_id);
        assert_eq!(body["profile_name"], "");
        assert_eq!(body.as_object().unwrap().len(), 10);
    }
}
