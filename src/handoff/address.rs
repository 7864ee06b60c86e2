//! Where a desk is.

use serde::Deserialize;

use crate::http_client::{self, Plain};
use crate::problem::Problem;
use crate::redact::{LiteralSecret, Secret};

/// Where a desk is: a URL, or a reference to one that nobody should see.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// A URL that can be shown.
    Open(String),
    /// Who knows it can post, as with Slack's webhooks.
    Secret(Secret),
}

impl Address {
    /// Gives the URL; empty where it is a reference that was never filled in.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Open(url) => url,
            Self::Secret(url) => url.expose(),
        }
    }

    /// Finds what is wrong with it.
    pub(super) fn check(&self, plain: Plain) -> Option<Problem> {
        match self {
            Self::Open(url) => http_client::check_url("url", url, plain),
            // One that was never found is told as such.
            Self::Secret(url) if url.expose().is_empty() => None,
            Self::Secret(url) => http_client::check_url("url", url.expose(), plain),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = LiteralSecret;

    fn try_from(text: String) -> Result<Self, LiteralSecret> {
        Ok(
            match text.starts_with("env::") || text.starts_with("path::") {
                true => Self::Secret(text.try_into()?),
                false => Self::Open(text),
            },
        )
    }
}
