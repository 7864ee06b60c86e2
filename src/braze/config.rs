//! The settings of a workspace.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

use super::region;
use crate::http_client::{self, Plain};
use crate::problem::Problem;
use crate::redact::Secret;

/// How long a request may be given: less would call slow connections doubtful, more would outlive a stop.
const TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(5)..=Duration::from_secs(90);

/// One Braze workspace: `[workspaces.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceConfig {
    /// The instance, such as `US-01`, or its REST endpoint, such as `https://rest.iad-01.braze.com`. Not the dashboard's
    /// address. An instance's name is read as its URL.
    #[serde(deserialize_with = "region::deserialize")]
    pub endpoint: String,
    /// A REST API key with the permission `campaigns.trigger.send`, as a reference; other ways out need others.
    pub api_key: Secret,
    /// Requests a second, 1 to 10,000: more than one gateway can make. Default 20: the hourly pool of 250,000 is 69 a
    /// second, and others share it.
    #[serde(default = "default_rate")]
    pub rate: NonZeroU32,
    /// Requests that may go at once after a quiet time, 1 to 10,000. Default 40.
    #[serde(default = "default_burst")]
    pub burst: NonZeroU32,
    /// Requests under way at once, 1 to 256. Default 8: as many replies can be in doubt after a crash, and `batch` times as
    /// many while replies ride together.
    #[serde(default = "default_concurrency")]
    pub concurrency: NonZeroU32,
    /// Replies that may ride in one request, each to another customer, while the gate makes them wait anyway; 1 to 50.
    /// Default 50, Braze's most; 1 gives each a request of its own.
    #[serde(default = "default_batch")]
    pub batch: NonZeroU32,
    /// Whether a reply that is answered with 502 or 504 is one of unknown fate. Default false: Braze says that it sends
    /// nothing where it answers with an error, though these two may come from a server before it.
    #[serde(default)]
    pub gateway_errors_in_doubt: bool,
    /// How long one request may take, 5 s to 90 s. Default 20 s.
    #[serde(default = "default_timeout", with = "crate::duration")]
    pub timeout: Duration,
}

fn default_rate() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(19)
}

fn default_burst() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(39)
}

fn default_concurrency() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(7)
}

fn default_batch() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(49)
}

fn default_timeout() -> Duration {
    Duration::from_secs(20)
}

impl WorkspaceConfig {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::from_iter(self.check_endpoint());
        problems.extend(self.api_key.check_sent("api_key"));
        for (key, value, most) in [
            ("rate", self.rate, 10_000),
            ("burst", self.burst, 10_000),
            ("concurrency", self.concurrency, 256),
            ("batch", self.batch, 50),
        ] {
            if value.get() > most {
                problems.push(Problem::new(
                    key,
                    format!("expected 1 to {most}, found {value}"),
                ));
            }
        }
        if !TIMEOUTS.contains(&self.timeout) {
            problems.push(Problem::new("timeout", "expected 5 s to 90 s"));
        }
        problems
    }

    fn check_endpoint(&self) -> Option<Problem> {
        if !self.endpoint.contains(['.', ':', '/']) {
            let names: Vec<_> = region::names().collect();
            return Some(
                Problem::new("endpoint", "is neither an instance of Braze's nor a URL")
                    .help(format!("the instances are {}", names.join(", "))),
            );
        }
        // Braze speaks TLS everywhere; only a stand-in on this machine does not.
        if let Some(problem) = http_client::check_url("endpoint", &self.endpoint, Plain::Never) {
            return Some(problem);
        }
        let (host, _) = http_client::peer(&self.endpoint);
        if let Some((message, meant)) = region::wrong_host(&host) {
            let help = match meant {
                Some(host) => format!("write `https://{host}`"),
                None => "write the instance that your dashboard's address names, such as `US-01`"
                    .to_owned(),
            };
            return Some(Problem::new("endpoint", message).help(help));
        }
        let is_path = self.endpoint.trim_end_matches('/').ends_with("/send");
        is_path.then(|| {
            Problem::new("endpoint", "the path of the request is added by itself")
                .help("leave out what follows the host, such as `https://rest.iad-01.braze.com`")
        })
    }

    /// Gives the secrets, to be filled in.
    pub fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
        vec![("api_key", &mut self.api_key)]
    }
}
