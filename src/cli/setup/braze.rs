//! The two campaigns that an assistant needs in Braze, and the words that lead out of it.

use super::page::Page;
use crate::braze::templates;
use crate::config::{AssistantConfig, Config, meant};
use crate::prompts::{Prompts, Source};
use crate::redact::SecretRef;
use crate::rules::Action;

/// Where the gateway is reached, where the configuration does not say.
const NOWHERE: &str = "https://frontdesk.example.com";

/// Words that customers use to leave, in the languages of the shipped assistant. Those that the assistant's own rules
/// take as such are printed.
const LEAVING: [&str; 14] = [
    "stop",
    "stopall",
    "unsubscribe",
    "opt out",
    "baja",
    "darme de baja",
    "parar",
    "sair",
    "cancelar inscrição",
    "désabonner",
    "stopp",
    "abmelden",
    "配信停止",
    "停止",
];

/// Gives the steps for one assistant.
pub(super) fn page(config: &Config, name: &str) -> Page {
    let mut page = Page::new(format!("Braze for the assistant `{name}`"));
    let Some(assistant) = config.assistants.get(name) else {
        return page;
    };
    key(&mut page, config, assistant);
    answering(&mut page, name, assistant);
    listening(&mut page, config, name, assistant);
    leaving(&mut page, assistant);
    page.step("Try it")
        .say("`frontdesk check --online` asks Braze whether the key and the campaign are good; it sends nothing to anybody.")
        .say("Then write to the number. The webhook campaign's Message Activity Log shows what the gateway answered.");
    page
}

fn key(page: &mut Page, config: &Config, assistant: &AssistantConfig) {
    let workspace = meant(assistant.workspace.as_deref(), &config.workspaces);
    let workspace = workspace.and_then(|name| config.workspaces.get(name));
    let endpoint = workspace.map_or("the REST endpoint of your instance", |w| &w.endpoint);
    let reference = workspace.map(|workspace| place(workspace.api_key.reference()));
    page.step("A REST API key")
        .say("In Settings > APIs and Identifiers, make a key with one permission.")
        .set("Permission", "`campaigns.trigger.send`")
        .set("REST endpoint", format!("`{endpoint}`"))
        .set(
            "Put the key into",
            reference.unwrap_or_else(|| "the workspace's `api_key`".to_owned()),
        )
        .say("With `campaigns.details` besides, `frontdesk check --online` can also tell whether the campaign is started.");
}

fn answering(page: &mut Page, name: &str, assistant: &AssistantConfig) {
    page.step("The campaign that answers")
        .say("A WhatsApp campaign with a response message. Its whole body:")
        .code("liquid", templates::answering(&assistant.message_property))
        .set("Message", "response message (text), not a template")
        .set("Delivery", "API-Triggered")
        .set("Re-eligibility", "on, after 0 minutes")
        .set("Quiet hours", "off")
        .set("Frequency capping", "ignored by this campaign")
        .set("Rate limit", "off")
        .set("Audience", "all users, or at least everyone who may write")
        .say(match assistant.campaign_id.trim() {
            "" => {
                format!("Start it, and put its campaign id into `assistants.{name}.campaign_id`.")
            }
            id => format!(
                "Start it. Its campaign id must be `{id}` (`assistants.{name}.campaign_id`)."
            ),
        });
}

fn listening(page: &mut Page, config: &Config, name: &str, assistant: &AssistantConfig) {
    let public = config.server.public_url.as_deref();
    let base = public.unwrap_or(NOWHERE).trim_end_matches('/');
    let secret = assistant.secrets.first();
    let secret = secret.map_or_else(|| "the secret".to_owned(), |s| place(s.reference()));
    page.step("The campaign that listens")
        .say("A webhook campaign, with its body as raw text.")
        .set("Method", "POST")
        .set("URL", format!("`{base}/v1/inbound/{name}`"))
        .set(
            "Header",
            format!("`Authorization`: `Bearer ` and the value of {secret}"),
        )
        .set("Header", "`Content-Type`: `application/json`")
        .set("Delivery", "action-based: sends a WhatsApp inbound message")
        .set("Re-eligibility", "on, with no delay")
        .set("Quiet hours", "off")
        .set("Frequency capping", "ignored by this campaign")
        .code("liquid", templates::LISTENING);
    if public.is_none() {
        page.say("The host is a placeholder: set `server.public_url` to the address at which Braze reaches the gateway, on port 443.");
    }
    if config.assistants.len() > 1 {
        page.say("Several assistants are configured: give each campaign trigger words of its own. A message that comes for two of them is answered by the first alone.");
    }
}

fn leaving(page: &mut Page, assistant: &AssistantConfig) {
    let words = leaving_words(assistant);
    if words.is_empty() {
        return;
    }
    page.step("The words that lead out")
        .say(format!("The assistant's rules take these as \"no more messages\", among many others: {}. Nothing has to be done in Braze for that.", words.join(", ")))
        .say("Only where a keyword campaign of your own answers them: put this before the body of the campaign that listens, or the customer gets two answers.")
        .code("liquid", templates::unless_said(&words))
        .say("Such a campaign can take the customer out of a subscription group with a webhook to `/v2/subscription/status/set` (permission `subscription.status.set`). Send the goodbye first: who has left gets nothing more.")
        .code("liquid", templates::unsubscribing("YOUR-SUBSCRIPTION-GROUP-ID"));
}

/// Gives those of the well-known words that the assistant's rules take as leaving; none where its folder cannot be read.
fn leaving_words(assistant: &AssistantConfig) -> Vec<String> {
    let source = assistant
        .prompts
        .clone()
        .map_or(Source::BuiltIn, Source::Directory);
    let opened = Prompts::open(source, assistant.language(), assistant.business.clone());
    let Ok(prompts) = opened else {
        return Vec::new();
    };
    let folder = prompts.current();
    let leaves = |word: &&str| {
        let hit = folder.rules().screen(word);
        hit.is_some_and(|hit| matches!(hit.rule.action, Action::OptOut))
    };
    LEAVING
        .into_iter()
        .filter(leaves)
        .map(str::to_owned)
        .collect()
}

fn place(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Env(name) => format!("the environment variable `{name}`"),
        SecretRef::Path(path) => format!("the file `{}`", path.display()),
    }
}
