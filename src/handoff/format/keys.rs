//! Which keys a format needs, and which mean nothing to it.

use super::Format;
use super::template::Template;
use crate::handoff::{DeskConfig, SigningKey};
use crate::problem::Problem;
use crate::redact::Secret;

/// Whether a key of a format has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    May,
    Not,
}

use Need::{May, Must, Not};

impl Format {
    /// Gives the name in the configuration.
    fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Slack => "slack",
            Self::Zendesk => "zendesk",
            Self::Freshdesk => "freshdesk",
            Self::Chatwoot => "chatwoot",
            Self::Template => "template",
        }
    }

    /// Tells which keys it needs.
    fn needs(self) -> [(&'static str, Need); 8] {
        let [
            signing,
            secrets,
            api,
            email,
            account,
            inbox,
            webhook,
            template,
        ] = match self {
            Self::Standard => [Must, Must, Not, Not, Not, Not, Not, Not],
            Self::Slack => [Not, May, Not, Not, Not, Not, Not, Not],
            Self::Zendesk => [Not, May, Must, Must, Not, Not, May, Not],
            Self::Freshdesk => [Not, May, Must, Not, Not, Not, Not, Not],
            Self::Chatwoot => [Not, May, Must, Not, Must, Must, May, Not],
            Self::Template => [May, May, May, Not, Not, Not, Not, Must],
        };
        [
            ("signing_key", signing),
            ("secrets", secrets),
            ("api_key", api),
            ("email", email),
            ("account_id", account),
            ("inbox_id", inbox),
            ("webhook_secret", webhook),
            ("template", template),
        ]
    }
}

/// Says what a format needs of a key.
fn what(key: &str) -> &'static str {
    match key {
        "secrets" => "one secret, or two while one is replaced",
        _ => "it",
    }
}

/// Says what a key that is missing has to hold.
fn cure(key: &str) -> &'static str {
    match key {
        "signing_key" => {
            "such as `signing_key = \"env::DESK_SIGNING_KEY\"`, which holds `whsec_` and base64"
        }
        "secrets" => "such as `secrets = [\"env::DESK_SECRET\"]`",
        "api_key" => "such as `api_key = \"env::DESK_API_KEY\"`",
        "email" => "the agent's address whose API token `api_key` is",
        "account_id" => "the number after `/accounts/` in Chatwoot's address bar",
        "inbox_id" => {
            "the number after `/inboxes/` in Chatwoot's address bar, with the inbox's settings open"
        }
        "template" => "such as `template = \"desk.json\"`, beside this file",
        _ => "",
    }
}

/// Finds keys that the format lacks or does not know, and what is wrong with their values.
pub(crate) fn check(config: &DeskConfig) -> Vec<Problem> {
    let format = config.format;
    let is_there = |key: &str| match key {
        "signing_key" => config.signing_key.is_some(),
        "secrets" => !config.secrets.is_empty(),
        "api_key" => config.api_key.is_some(),
        "email" => config.email.is_some(),
        "account_id" => config.account_id.is_some(),
        "inbox_id" => config.inbox_id.is_some(),
        "webhook_secret" => config.webhook_secret.is_some(),
        _ => config.template.is_some(),
    };
    let mut problems = Vec::new();
    for (key, need) in format.needs() {
        let name = format.as_str();
        match (need, is_there(key)) {
            (Must, false) => problems.push(
                Problem::new(
                    key,
                    format!("is missing: the format `{name}` needs {}", what(key)),
                )
                .help(cure(key)),
            ),
            (Not, true) => problems.push(
                Problem::new(key, format!("means nothing to the format `{name}`"))
                    .help("leave it out, or set `format`"),
            ),
            _ => {}
        }
    }
    problems.extend(check_values(config));
    problems
}

fn check_values(config: &DeskConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    let keys = config.signing_key.as_ref().map(|keys| keys.0.as_slice());
    if keys.is_some_and(|keys| !(1..=2).contains(&keys.len())) {
        let message = "expected one key, or two while one is replaced";
        problems.push(Problem::new("signing_key", message));
    }
    for key in keys.into_iter().flatten().map(Secret::expose) {
        if !key.is_empty()
            && let Err(error) = SigningKey::parse(key)
        {
            problems.push(Problem::new("signing_key", error.to_string()));
        }
    }
    if config.secrets.len() > 2 {
        problems.push(Problem::new(
            "secrets",
            "expected one secret, or two while one is replaced",
        ));
    }
    problems.extend(
        config
            .api_key
            .as_ref()
            .and_then(|key| key.check_sent("api_key")),
    );
    if let Some(email) = &config.email
        && (!email.contains('@') || !email.trim().bytes().all(|byte| byte.is_ascii_graphic()))
    {
        problems.push(Problem::new("email", "expected an e-mail address"));
    }
    let hears = config.webhook_secret.is_some() || !config.secrets.is_empty();
    if config.format == Format::Chatwoot && !hears {
        problems.push(
            Problem::new("webhook_secret", "is missing, and so is `secrets`: nothing shows that a webhook is Chatwoot's")
                .help("set `webhook_secret` to the secret of the inbox, or `secrets` to what the webhook's address ends in"),
        );
    }
    if config.format == Format::Template
        && let Some(path) = &config.template
        && let Err(error) = Template::open(path)
    {
        problems.push(Problem::new("template", error.to_string()));
    }
    problems
}
