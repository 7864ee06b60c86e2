//! The endpoints: who may call them, how often, and what they answer.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use axum::http::Method;
use serde_json::{Value, json};

use super::delivery::Delivery;
use super::liquid::{Rendered, Template};
use super::refused::Refused;
use super::sent::{Sent, Way};
use super::track::{self, Processed};
use super::window::{Pool, Standing};
use super::{Answer, Braze, Exchange, dispatch_id, excerpt, lock, message, trigger};

/// One endpoint.
struct Endpoint {
    method: Method,
    path: &'static str,
    permission: &'static str,
    pool: Pool,
    take: fn(&Braze, &Exchange) -> Result<Answer, Refused>,
}

const ENDPOINTS: [Endpoint; 6] = [
    Endpoint {
        method: Method::POST,
        path: "/campaigns/trigger/send",
        permission: "campaigns.trigger.send",
        pool: Pool::Sends,
        take: |braze, exchange| {
            let sents = trigger::campaign(exchange, &lock(&braze.0.state.campaigns))?;
            Ok(accept(braze, exchange, sents))
        },
    },
    Endpoint {
        method: Method::POST,
        path: "/canvas/trigger/send",
        permission: "canvas.trigger.send",
        pool: Pool::Sends,
        take: |braze, exchange| {
            let sents = trigger::canvas(exchange, &lock(&braze.0.state.canvases))?;
            Ok(accept(braze, exchange, sents))
        },
    },
    Endpoint {
        method: Method::POST,
        path: "/messages/send",
        permission: "messages.send",
        pool: Pool::Sends,
        take: |braze, exchange| Ok(accept(braze, exchange, message::read(exchange)?)),
    },
    Endpoint {
        method: Method::POST,
        path: "/users/track",
        permission: "users.track",
        pool: Pool::Track,
        take: |braze, exchange| {
            let read = track::track(exchange, &lock(&braze.0.state.people))?;
            Ok(process(braze, exchange, read))
        },
    },
    Endpoint {
        method: Method::POST,
        path: "/v2/subscription/status/set",
        permission: "subscription.status.set",
        pool: Pool::Subscriptions,
        take: |braze, exchange| Ok(process(braze, exchange, track::subscribe(exchange)?)),
    },
    Endpoint {
        method: Method::GET,
        path: "/campaigns/details",
        permission: "campaigns.details",
        pool: Pool::Sends,
        take: details,
    },
];

/// Answers one request.
pub(super) fn answer(braze: &Braze, exchange: &Exchange) -> Answer {
    let endpoint = ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.method == exchange.method && endpoint.path == exchange.path);
    let Some(endpoint) = endpoint else {
        return refuse(braze, 404);
    };
    if !braze.is_allowed(exchange) {
        return refuse(braze, 401);
    }
    let permissions = lock(&braze.0.state.permissions).clone();
    if !permissions.is_empty() && !permissions.contains(endpoint.permission) {
        return refuse(braze, 403);
    }
    let standing = lock(&braze.0.state.windows).take(endpoint.pool, exchange.at);
    if !standing.is_open {
        return limited(refusal(&Refused::forced(429)), standing);
    }
    let is_json = || {
        let content_type = exchange.header("content-type").unwrap_or_default();
        content_type.split(';').next().map(str::trim) == Some("application/json")
    };
    let taken = match endpoint.method == Method::GET || is_json() {
        true => (endpoint.take)(braze, exchange),
        false => Err(Refused::forced(415)),
    };
    limited(taken.unwrap_or_else(|refused| refusal(&refused)), standing)
}

/// Gives the answer that comes with a status, whatever the request says.
pub(super) fn refuse(braze: &Braze, status: u16) -> Answer {
    let standing = lock(&braze.0.state.windows).look(Pool::Sends, braze.now());
    limited(refusal(&Refused::forced(status)), standing)
}

impl Braze {
    fn is_allowed(&self, exchange: &Exchange) -> bool {
        let key = lock(&self.0.state.key);
        match (exchange.bearer(), key.as_deref()) {
            (Some(given), Some(key)) => given == key,
            (Some(given), None) => !given.is_empty() && !given.contains(['"', '\'', ' ']),
            (None, _) => false,
        }
    }

    /// Lets a message go its way to the phone.
    fn deliver(&self, sent: &Sent) -> Delivery {
        let terms = lock(&self.0.state.terms);
        let text = match terms.bodies.get(&sent.campaign_id) {
            Some(body) => render(body, sent),
            None => sent.text().to_owned(),
        };
        let withheld = terms.judge(sent, &text, &mut lock(&self.0.state.people));
        Delivery {
            at: sent.at,
            request: sent.request,
            dispatch_id: sent.dispatch_id.clone(),
            way: sent.way,
            campaign_id: sent.campaign_id.clone(),
            recipient: sent.recipient.clone(),
            text,
            choices: sent.choices(),
            withheld,
        }
    }
}

/// Renders the body of a campaign or of a Canvas with the properties that came; nothing, where it says that nothing is
/// to be sent.
fn render(body: &str, sent: &Sent) -> String {
    let scopes = match sent.way {
        Way::Campaign => &["api_trigger_properties"][..],
        Way::Canvas => &["context", "canvas_entry_properties"],
        Way::Message(_) => &[],
    };
    let tags = |tag: &str| {
        let (scope, name) = tag.split_once(".${").unwrap_or_default();
        let (name, path) = name.split_once('}').unwrap_or_default();
        match scopes.contains(&scope) {
            true => reach(sent.properties.get(name), path),
            false => Value::Null,
        }
    };
    let template = Template::read(body).map(|template| template.render(&tags));
    match template {
        Ok(Rendered::Text(text)) => text,
        Ok(Rendered::Aborted(_)) | Err(_) => String::new(),
    }
}

/// Follows a path such as `.items[0].name`.
fn reach(value: Option<&Value>, path: &str) -> Value {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    let found = steps.fold(value, |value, step| {
        let step = step.trim_end_matches(']');
        match step.parse::<usize>() {
            Ok(place) => value?.get(place),
            Err(_) => value?.get(step),
        }
    });
    found.cloned().unwrap_or_default()
}

fn accept(braze: &Braze, exchange: &Exchange, sents: Vec<Sent>) -> Answer {
    let mut body = json!({ "dispatch_id": dispatch_id(exchange), "message": "success" });
    let is_paused = |sent: &Sent| {
        lock(&braze.0.state.terms)
            .paused
            .contains(&sent.campaign_id)
    };
    if sents.first().is_some_and(is_paused) {
        body["notice"] = "It is paused or archived; nothing is sent.".into();
    }
    let mut answer = Answer::json(201, &body);
    if braze.is_watched() {
        let lines = sents.iter().map(|sent| {
            let recipient = &sent.recipient;
            format!(
                "{} {}: \"{}\"",
                recipient.kind(),
                recipient.value(),
                excerpt(sent.text())
            )
        });
        answer.note = lines.collect::<Vec<_>>().join(", ");
    }
    let is_recording = braze.0.state.is_recording.load(Ordering::Relaxed);
    // A batch weighs its body once.
    let mut bytes = exchange.raw.len();
    for sent in sents {
        // What is only counted is not judged: it would cost a profile for each of a million people.
        let delivery = is_recording.then(|| braze.deliver(&sent));
        braze.0.state.sent.push(std::mem::take(&mut bytes), || sent);
        if let Some(delivery) = delivery {
            let bytes = delivery.text.len();
            braze.0.state.deliveries.push(bytes, || delivery);
        }
    }
    answer
}

fn process(braze: &Braze, exchange: &Exchange, processed: Processed) -> Answer {
    let mut bytes = exchange.raw.len();
    let count = processed.tracked.len();
    for tracked in processed.tracked {
        lock(&braze.0.state.people).apply(&tracked);
        braze
            .0
            .state
            .tracked
            .push(std::mem::take(&mut bytes), || tracked);
    }
    let mut answer = Answer::json(201, &processed.answer);
    answer.note = format!("{count} taken");
    answer
}

/// Tells what a campaign is; it changes nothing.
fn details(braze: &Braze, exchange: &Exchange) -> Result<Answer, Refused> {
    let state = &braze.0.state;
    let id = exchange.query("campaign_id").unwrap_or_default();
    let is_known = |ids: &BTreeSet<String>| ids.is_empty() || ids.contains(id);
    if id.is_empty() || !is_known(&lock(&state.campaigns)) {
        return Err(Refused::bad("Invalid Campaign ID"));
    }
    let is_paused = lock(&state.terms).paused.iter().any(|paused| paused == id);
    let body = json!({
        "message": "success",
        "archived": false,
        "draft": false,
        "enabled": !is_paused,
        "name": id,
        "schedule_type": "api_triggered",
        "channels": ["whats_app"],
    });
    Ok(Answer::json(200, &body))
}

fn refusal(refused: &Refused) -> Answer {
    let mut answer = Answer::json(refused.0, &refused.body());
    answer.note.clone_from(&refused.1);
    answer
}

fn limited(mut answer: Answer, standing: Standing) -> Answer {
    let headers = standing.headers().into_iter();
    let headers = headers.map(|(name, value)| (format!("x-ratelimit-{name}"), value.to_string()));
    answer.headers.extend(headers);
    answer
}
