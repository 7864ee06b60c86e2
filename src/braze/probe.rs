//! Asking a workspace what can be asked harmlessly: requests that name nobody and no campaign to send.

use std::time::Duration;

use serde_json::Value;

use super::config::WorkspaceConfig;
use crate::clock::Clock;
use crate::http_client::{self, BuildError, Options};

/// What is read of an answer.
const ANSWER_BYTES: usize = 64 * 1_024;

/// How long Braze may take: it answers in a fraction of it.
const WITHIN: Duration = Duration::from_secs(15);

/// What Braze thinks of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySaid {
    /// It may trigger campaigns: a request that asks for nothing was refused for that alone.
    Accepted,
    /// 401: the key, or the host, is not the right one. Braze does not tell which.
    Unknown,
    /// 403: the key lacks the permission, or does not admit this address.
    NotPermitted,
    /// 429: the workspace has used up its hour.
    Limited,
    /// Something else answered.
    Odd(u16),
    /// Nothing did.
    Unreached,
}

/// What is known of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignSaid {
    /// It is started.
    Started,
    /// It is there, and sends nothing: a draft, archived, or stopped.
    NotStarted,
    /// There is none of that id in the workspace.
    Unknown,
    /// The key may not look; it does not need to.
    NotPermitted,
    /// It could not be asked.
    Unanswered,
}

/// A workspace to ask.
#[derive(Debug)]
pub struct Probe {
    http: reqwest::Client,
    config: WorkspaceConfig,
    clock: Clock,
}

impl Probe {
    /// Makes the client; nothing is sent.
    pub fn new(config: &WorkspaceConfig, clock: Clock) -> Result<Self, BuildError> {
        Ok(Self {
            http: http_client::build(&Options::towards_address(&config.endpoint))?,
            config: config.clone(),
            clock,
        })
    }

    /// Asks whether the key may trigger campaigns, by a request that says nothing: no campaign, nobody, no broadcast.
    /// Braze can only refuse it, and who is not allowed to ask is refused first.
    pub async fn key(&self) -> KeySaid {
        let request = self
            .http
            .post(self.url("/campaigns/trigger/send"))
            .json(&Value::Object(serde_json::Map::new()));
        match self.ask(request).await {
            None => KeySaid::Unreached,
            Some((400, _)) => KeySaid::Accepted,
            Some((401, _)) => KeySaid::Unknown,
            Some((403, _)) => KeySaid::NotPermitted,
            Some((429, _)) => KeySaid::Limited,
            Some((status, _)) => KeySaid::Odd(status),
        }
    }

    /// Looks a campaign up, which needs the permission `campaigns.details`.
    pub async fn campaign(&self, id: &str) -> CampaignSaid {
        let Ok(mut url) = reqwest::Url::parse(&self.url("/campaigns/details")) else {
            return CampaignSaid::Unanswered;
        };
        url.query_pairs_mut().append_pair("campaign_id", id);
        let Some((status, answer)) = self.ask(self.http.get(url)).await else {
            return CampaignSaid::Unanswered;
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let is = |field: &str| answer.get(field) == Some(&Value::Bool(true));
        let is_not = |field: &str| answer.get(field) == Some(&Value::Bool(false));
        match status {
            200..=299 if is("draft") || is("archived") || is_not("enabled") => {
                CampaignSaid::NotStarted
            }
            200..=299 => CampaignSaid::Started,
            401 | 403 => CampaignSaid::NotPermitted,
            400 | 404 => CampaignSaid::Unknown,
            _ => CampaignSaid::Unanswered,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.endpoint.trim_end_matches('/'))
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Option<(u16, Vec<u8>)> {
        let request = request.bearer_auth(self.config.api_key.expose());
        let exchange = async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            let answer = http_client::read_bounded(response, ANSWER_BYTES).await;
            Some((status, answer.unwrap_or_default()))
        };
        let answered = self.clock.timeout(WITHIN, exchange).await;
        answered.unwrap_or_default()
    }
}
