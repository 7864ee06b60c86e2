//! A stand-in for an OpenAI-compatible model: strict about requests, obedient about answers, and any server that a
//! [`Profile`] describes.

mod character;
mod check;
mod clerk;
mod completion;
mod habits;
mod hint;
mod profile;
mod refusals;
mod trouble;
mod words;

pub use character::Character;
pub use completion::REASONING;
pub use habits::{Failing, Latency, Window};
pub use hint::Hint;
pub use profile::Profile;
pub use trouble::Trouble;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Exchange, Plan, Role, StandIn, excerpt, lock};
use crate::shutdown::Shutdown;
use completion::{Said, completion, tokens, wants_object};
use habits::Lot;
use profile::{ApiVersion, Key};
use trouble::{Invalid, WAIT};

/// The largest request: far above any conversation that the gateway sends, and small enough to read at once.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Findings kept; the first say what is wrong, and the rest say it again.
const FINDINGS_MAX: usize = 1_000;

/// A stand-in for a model. Answers what it was told to, in this order: the script, the custom responder, its own wits.
pub type Model = StandIn<ModelState>;

/// What a model stand-in knows.
#[derive(Default)]
pub struct ModelState {
    key: Mutex<Option<String>>,
    script: Mutex<VecDeque<Reply>>,
    responder: Mutex<Option<Arc<Responder>>>,
    character: Mutex<(Character, Timestamp)>,
    findings: Mutex<Vec<String>>,
}

type Responder = dyn Fn(&Value) -> Reply + Send + Sync;

/// One answer of the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A completion with this text.
    Text(String),
    /// A completion whose text is this value as JSON.
    Object(Value),
    /// This status and body, and no completion.
    Raw(u16, String),
    /// What its server says in this trouble.
    Trouble(Trouble),
    /// What the stand-in would have answered by itself, with this going wrong; `when`, `times` and `taken` mean nothing here.
    Fault(Plan),
}

impl Reply {
    /// Gives the object that an assistant is asked for, with the action `answer`.
    pub fn says(reply: &str) -> Self {
        Self::acts("answer", reply)
    }

    /// Gives the object that an assistant is asked for, with another action.
    pub fn acts(action: &str, reply: &str) -> Self {
        Self::Object(json!({
            "reply": reply, "action": action, "rule": null, "reason": "as scripted", "language": "en",
        }))
    }
}

impl Model {
    /// Starts a stand-in on `bind`; port 0 takes a free one.
    pub async fn start(bind: SocketAddr, shutdown: &Shutdown) -> io::Result<Self> {
        let role = Role {
            body_max: BODY_MAX,
            answer,
            refuse: |model, status| refusal(model.character().profile, Invalid::forced(status)),
            keep: |_, _| (),
            clear: |state: &ModelState| lock(&state.findings).clear(),
            doors: character::doors,
        };
        Self::open(bind, shutdown, role, ModelState::default()).await
    }

    /// Gives the base URL, as an OpenAI client wants it; it depends on the profile.
    pub fn url(&self) -> String {
        self.character().profile.url(self.address())
    }

    /// Makes it another server, or makes it behave otherwise; windows are counted from now.
    pub fn use_character(&self, character: impl Into<Character>) {
        *lock(&self.0.state.character) = (character.into(), self.now());
    }

    /// Gives what it is and how it behaves.
    pub fn character(&self) -> Character {
        lock(&self.0.state.character).0.clone()
    }

    /// Gives what was sent that OpenAI does not have or this server does not heed, though the request was taken.
    pub fn findings(&self) -> Vec<String> {
        lock(&self.0.state.findings).clone()
    }

    /// Refuses requests without this key.
    pub fn require_key(&self, key: &str) {
        *lock(&self.0.state.key) = Some(key.to_owned());
    }

    /// Adds answers to the script; each is given once, in order.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.0.state.script).extend(replies);
    }

    /// Tells how many answers of the script are still to be given.
    pub fn script_left(&self) -> usize {
        lock(&self.0.state.script).len()
    }

    /// Answers by `responder`, which gets the request's body, where the script is at its end.
    pub fn respond_with(&self, responder: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
        *lock(&self.0.state.responder) = Some(Arc::new(responder));
    }

    fn next_reply(&self, profile: &Profile, request: &Value) -> (Reply, bool) {
        let scripted = lock(&self.0.state.script).pop_front();
        if let Some(reply) = scripted {
            return (reply, false);
        }
        let responder = lock(&self.0.state.responder).clone();
        match responder {
            Some(responder) => (responder(request), false),
            None => (own_reply(profile, request), true),
        }
    }

    /// Gives a refusal that says how long to wait, in these ways.
    fn refusal_for(
        &self,
        profile: &Profile,
        mut invalid: Invalid,
        wait: Duration,
        hints: &[Hint],
    ) -> Answer {
        let words = hints.iter().filter_map(|hint| hint.words(wait));
        invalid.message.extend(words);
        let mut answer = refusal(profile, invalid);
        let headers = hints.iter().flat_map(|hint| hint.headers(wait, self.now()));
        answer.headers.extend(headers);
        answer
    }

    fn trouble(&self, profile: &Profile, trouble: Trouble) -> Answer {
        let invalid = Invalid::of(trouble);
        match invalid.has_wait() {
            true => self.refusal_for(profile, invalid, WAIT, profile.hints),
            false => refusal(profile, invalid),
        }
    }

    /// Gives what time and luck have in store for a question in place of an answer.
    fn weather(&self, character: &Character, lot: &Lot) -> Option<Answer> {
        let profile = character.profile;
        let set = lock(&self.0.state.character).1;
        let since = Duration::try_from(self.now().duration_since(set)).unwrap_or_default();
        let mut windows = character.windows.iter();
        if let Some((window, left)) = windows.find_map(|one| Some((one, one.left(since)?))) {
            let hints = window.hint.as_ref().map(std::slice::from_ref);
            let hints = hints.unwrap_or(profile.hints);
            let invalid = Invalid::forced(window.status);
            return Some(self.refusal_for(profile, invalid, left, hints));
        }
        let failing = character.failing.filter(|failing| lot.fails(*failing))?;
        Some(refusal(profile, Invalid::forced(failing.status)))
    }

    fn has_key(&self, key: Key, exchange: &Exchange) -> bool {
        let shown = match key {
            Key::Bearer => exchange.bearer(),
            Key::OwnHeader => exchange.header("api-key"),
            Key::Either => exchange.header("api-key").or(exchange.bearer()),
        };
        match lock(&self.0.state.key).as_deref() {
            Some(wanted) => shown == Some(wanted),
            None => shown.is_some() || key == Key::Bearer,
        }
    }

    fn check(&self, character: &Character, exchange: &Exchange) -> Result<Value, Invalid> {
        let mut found = Vec::new();
        let checked = check::request(exchange, character, &mut found);
        let mut findings = lock(&self.0.state.findings);
        let room = FINDINGS_MAX.saturating_sub(findings.len());
        findings.extend(found.into_iter().take(room));
        checked
    }
}

/// Gives a refusal in the server's own words.
fn refusal(profile: &Profile, invalid: Invalid) -> Answer {
    let mut answer = (profile.refusal)(&invalid);
    answer.note = invalid.message;
    answer
}

fn own_reply(profile: &Profile, request: &Value) -> Reply {
    let wants_object = wants_object(profile, request);
    let answer = clerk::answer(request, wants_object);
    match wants_object {
        true => Reply::Object(answer.object()),
        false => Reply::Text(answer.reply),
    }
}

fn answer(model: &Model, exchange: &Exchange) -> Answer {
    let character = model.character();
    let lot = Lot::draw(character.seed, exchange.number);
    let answer = model.weather(&character, &lot);
    let mut answer = answer.unwrap_or_else(|| serve(model, &character, exchange));
    if let Some(latency) = character.latency {
        let plan = answer.plan.get_or_insert_default();
        plan.delay = plan.delay.saturating_add(lot.latency(latency));
    }
    answer
}

fn serve(model: &Model, character: &Character, exchange: &Exchange) -> Answer {
    let profile = character.profile;
    if !model.has_key(profile.key, exchange) {
        return model.trouble(profile, Trouble::Key);
    }
    match (&exchange.method, profile.below(&exchange.path)) {
        (&Method::GET, Some("/models")) => Answer::json(200, &models(exchange)),
        (&Method::POST, Some("/chat/completions")) => match ask(model, character, exchange) {
            Ok(answer) => answer,
            Err(invalid) => refusal(profile, invalid),
        },
        (_, Some("/models" | "/chat/completions")) => refusal(profile, Invalid::forced(405)),
        _ => refusal(profile, Invalid::forced(404)),
    }
}

fn ask(model: &Model, character: &Character, exchange: &Exchange) -> Result<Answer, Invalid> {
    let profile = character.profile;
    match (profile.api_version, exchange.query("api-version")) {
        (ApiVersion::Needed, None) => return Err(Invalid::forced(404)),
        (ApiVersion::Forbidden, Some(_)) => {
            let message = "the query parameter 'api-version' is not allowed at this URL";
            return Err(Invalid::at("api-version", message));
        }
        _ => {}
    }
    let request = model.check(character, exchange)?;
    let prompt = tokens(exchange.raw.len());
    if let Some(context) = character.context.filter(|context| prompt > *context) {
        return Err(Invalid::of(Trouble::Overflow { prompt, context }));
    }
    Ok(match profile.always {
        Some(trouble) => model.trouble(profile, trouble),
        None => complete(model, profile, exchange, &request),
    })
}

fn complete(model: &Model, profile: &Profile, exchange: &Exchange, request: &Value) -> Answer {
    let (reply, may_be_cut) = model.next_reply(profile, request);
    let (reply, plan) = match reply {
        Reply::Fault(plan) => (own_reply(profile, request), Some(plan)),
        reply => (reply, None),
    };
    let (text, is_object) = match reply {
        Reply::Text(text) => (text, false),
        Reply::Object(object) => (object.to_string(), true),
        Reply::Raw(status, body) => return Answer::raw(status, body),
        Reply::Trouble(trouble) => return model.trouble(profile, trouble),
        Reply::Fault(_) => (String::new(), false),
    };
    let note = model.is_watched().then(|| {
        let asked = clerk::last_said(request);
        format!("\"{}\" -> \"{}\"", excerpt(&asked), excerpt(&text))
    });
    let said = Said {
        text,
        is_object,
        may_be_cut,
    };
    let mut answer = Answer::json(200, &completion(profile, exchange, request, said));
    answer.plan = plan;
    answer.note = note.unwrap_or_default();
    answer
}

fn models(exchange: &Exchange) -> Value {
    let created = exchange.at.as_second();
    json!({
        "object": "list",
        "data": [{ "id": "sandbox", "object": "model", "created": created, "owned_by": "sandbox" }],
    })
}

#[cfg(test)]
mod tests;
