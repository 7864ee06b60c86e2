//! What `frontdesk check --online` asks: one line for each workspace, campaign, model and desk.
//!
//! Nothing is sent to a customer or about one. Braze is sent a request that says nothing, and is asked for campaigns;
//! models are asked a short question; of a desk only the head of its page is asked for, which is no event.

use std::time::Duration;

use futures_util::future::join_all;

use super::super::{Exit, models};
use crate::braze::{self, CampaignSaid, KeySaid, Probe, WorkspaceConfig};
use crate::clock::Clock;
use crate::config::{AssistantConfig, Config, meant};
use crate::http_client::{self, Options};

/// How long one model may take.
const MODEL_WITHIN: Duration = Duration::from_secs(25);

/// How long a desk may take.
const DESK_WITHIN: Duration = Duration::from_secs(10);

/// One line of the report.
struct Line {
    is_good: bool,
    text: String,
}

impl Line {
    fn good(text: String) -> Self {
        Self {
            is_good: true,
            text,
        }
    }

    fn bad(text: String) -> Self {
        Self {
            is_good: false,
            text,
        }
    }
}

/// Asks everything at once, and shows a line for each.
pub(super) async fn run(config: &Config) -> anyhow::Result<Exit> {
    let workspaces = config.workspaces.iter();
    let workspaces = workspaces.map(|(name, workspace)| of_workspace(config, name, workspace));
    let targets = config.models.iter();
    let targets = targets.map(|(name, model)| models::ask(name, model, MODEL_WITHIN));
    let desks = config.desks.iter();
    let desks = desks.map(|(name, desk)| of_desk(name, desk.url.as_str()));
    let (workspaces, targets, desks) =
        tokio::join!(join_all(workspaces), join_all(targets), join_all(desks));
    let workspaces: Vec<Vec<Line>> = workspaces.into_iter().collect::<anyhow::Result<_>>()?;
    let targets: Vec<models::Asked> = targets.into_iter().collect::<anyhow::Result<_>>()?;
    let desks: Vec<Line> = desks.into_iter().collect::<anyhow::Result<_>>()?;
    let lines = workspaces
        .into_iter()
        .flatten()
        .chain(targets.iter().map(of_model))
        .chain(desks);
    let mut is_good = true;
    for line in lines {
        is_good &= line.is_good;
        let mark = if line.is_good { "ok  " } else { "FAIL" };
        anstream::println!("{mark}  {}", line.text);
    }
    Ok(match is_good {
        true => Exit::Fine,
        false => Exit::Failed,
    })
}

async fn of_workspace(
    config: &Config,
    name: &str,
    workspace: &WorkspaceConfig,
) -> anyhow::Result<Vec<Line>> {
    let probe = Probe::new(workspace, Clock::system())?;
    let key = probe.key().await;
    // Who answers by Canvas or message alone needs no campaign, and no permission for one.
    let assistants = config.assistants.iter().filter(|(_, assistant)| {
        meant(assistant.workspace.as_deref(), &config.workspaces) == Some(name)
            && !assistant.campaign_id.trim().is_empty()
    });
    let assistants: Vec<_> = assistants.collect();
    if key == KeySaid::NotPermitted && assistants.is_empty() {
        let text = format!(
            "workspace `{name}`: the key is known, and may not trigger campaigns, which nobody here does"
        );
        return Ok(vec![Line::good(text)]);
    }
    let mut lines = vec![of_key(name, &workspace.endpoint, &key)];
    if key == KeySaid::Accepted {
        for (assistant, settings) in assistants {
            lines.push(of_campaign(&probe, assistant, settings).await);
        }
    }
    Ok(lines)
}

fn of_key(name: &str, endpoint: &str, said: &KeySaid) -> Line {
    let region = braze::region(endpoint).map(str::to_uppercase);
    let place = region.map_or_else(
        || endpoint.to_owned(),
        |region| format!("{region}, {endpoint}"),
    );
    let told = match said {
        KeySaid::Accepted => {
            let text = format!("workspace `{name}` ({place}): the key may trigger campaigns");
            return Line::good(text);
        }
        KeySaid::Unknown => {
            "401: the key is not known there. Either the key is wrong (another workspace's, quotes around it, deleted), or \
             the host is: Braze answers both alike. Compare the instance in your dashboard's address"
        }
        KeySaid::NotPermitted => {
            "403: the key is known, and may not trigger campaigns from here. It needs the permission \
             `campaigns.trigger.send`, and where it has a list of addresses, this machine's; both are fixed when a key is made"
        }
        KeySaid::Limited => {
            "429: the workspace has no requests left; try again after the full hour"
        }
        KeySaid::Odd(status) => {
            let text = format!(
                "workspace `{name}` ({place}): {status}, which Braze does not answer here: is it Braze?"
            );
            return Line::bad(text);
        }
        KeySaid::Unreached => "nobody answers; is there a way out, by DNS, firewall or proxy?",
    };
    Line::bad(format!("workspace `{name}` ({place}): {told}"))
}

async fn of_campaign(probe: &Probe, name: &str, assistant: &AssistantConfig) -> Line {
    let id = &assistant.campaign_id;
    let campaign = format!("campaign `{id}` of assistant `{name}`");
    match probe.campaign(id).await {
        CampaignSaid::Started => Line::good(format!("{campaign}: is started")),
        CampaignSaid::NotStarted => Line::bad(format!(
            "{campaign}: is a draft, archived or stopped; what is sent through it reaches nobody"
        )),
        CampaignSaid::Unknown => Line::bad(format!(
            "{campaign}: there is none of that id in the workspace"
        )),
        CampaignSaid::NotPermitted => Line::good(format!(
            "{campaign}: not looked at, since the key lacks `campaigns.details`, which nothing else needs"
        )),
        CampaignSaid::Unanswered => Line::bad(format!("{campaign}: Braze gave no answer")),
    }
}

fn of_model(asked: &models::Asked) -> Line {
    let name = asked.name;
    let seconds = asked.probed.elapsed.as_secs_f64();
    match &asked.probed.said {
        Ok(_) => Line::good(format!("model `{name}`: answered in {seconds:.1} s")),
        Err(fault) => Line::bad(format!(
            "model `{name}`: {fault}; `frontdesk models {name}` says what to do"
        )),
    }
}

/// Asks for the head of a desk's page: any answer tells that the host is there, and its certificate is good.
async fn of_desk(name: &str, url: &str) -> anyhow::Result<Line> {
    let http = http_client::build(&Options::towards_address(url))?;
    let asked = Clock::system()
        .timeout(DESK_WITHIN, http.head(url).send())
        .await;
    Ok(match asked {
        Ok(Ok(response)) => {
            let status = response.status().as_u16();
            Line::good(format!(
                "desk `{name}`: the host answers ({status} to HEAD); no event was sent, so whether it takes them is not known"
            ))
        }
        Ok(Err(error)) if error.is_connect() => Line::bad(format!(
            "desk `{name}`: no connection; the host is not there, or its certificate is not good"
        )),
        Ok(Err(_)) => Line::bad(format!("desk `{name}`: the connection broke")),
        Err(_) => Line::bad(format!("desk `{name}`: no answer in time")),
    })
}
