//! Braze's other side: somebody writes to the number, and webhook campaigns post it to the gateway.
//!
//! A webhook is given 90 seconds. After 408, 429 and 5xx it comes again, up to five times in about half an hour, later
//! where `Retry-After` says so; where nothing can be reached, for a day. Any other answer but 2xx is final, and the
//! message is lost. A host that fails too often is left alone for a minute, in which its webhooks fail with 598.

mod hosts;
mod posts;
mod tags;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use super::liquid::{LiquidError, Rendered, Template};
use super::{Braze, Recipient, lock};
use crate::clock::later;
use crate::sandbox::call;

pub use posts::{Post, State, Try};
pub use tags::Customer;

pub(super) use hosts::Hosts;
pub(super) use posts::Posts;

/// How long a webhook may take.
const WITHIN: Duration = Duration::from_secs(90);

/// How often a webhook comes again after an answer that allows it.
const RETRIES: u32 = 5;

/// How often it comes again after it met a host that was left alone.
const HALTED_RETRIES: u32 = 3;

/// The first wait; each is twice the one before. Five of them make 29 min 58 s.
const FIRST_WAIT: Duration = Duration::from_secs(58);

/// How long what cannot be reached is tried.
const REACHED_WITHIN: Duration = Duration::from_hours(24);

/// The status that stands for a host that is left alone.
const HALTED: u16 = 598;

/// The status that stands for no answer.
const NO_ANSWER: u16 = 599;

/// A webhook campaign: what is posted where when somebody writes.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The campaign's id.
    pub campaign_id: String,
    /// Where it posts.
    pub url: String,
    /// What follows `Bearer ` in its `Authorization` header.
    pub secret: String,
    /// The body, as Liquid.
    pub body: String,
    /// The words that trigger it: a whole message, in any case. Where there are none, every message does.
    pub keywords: Vec<String>,
}

/// A webhook campaign that was read.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    webhook: Webhook,
    url: Url,
    body: Template,
}

impl Listener {
    fn read(webhook: Webhook) -> Result<Self, LiquidError> {
        let body = Template::read(&webhook.body)?;
        let url = webhook.url.parse().ok().filter(Url::has_host);
        let url = url.ok_or_else(|| LiquidError(format!("`{}` is no URL", webhook.url)))?;
        Ok(Self { webhook, url, body })
    }

    fn hears(&self, text: &str) -> bool {
        let said = text.trim().to_lowercase();
        let keywords = &self.webhook.keywords;
        keywords.is_empty() || keywords.iter().any(|word| word.to_lowercase() == said)
    }
}

/// How one try went.
enum Came {
    Answered(u16, Option<Duration>),
    /// Nobody could be reached.
    Unreached,
    /// No answer in time, or a connection that broke.
    Broken,
    /// The host is left alone.
    Halted,
}

impl Came {
    fn status(&self) -> u16 {
        match self {
            Self::Answered(status, _) => *status,
            Self::Unreached | Self::Broken => NO_ANSWER,
            Self::Halted => HALTED,
        }
    }
}

/// What counts against the tries of a webhook.
#[derive(Default)]
struct Tally {
    tries: u32,
    failed: u32,
    halted: u32,
}

impl Tally {
    /// Tells how long to wait until the next try; `None` where there is none.
    fn wait(&mut self, came: &Came, now: Timestamp, began: Timestamp) -> Option<Duration> {
        let wait = FIRST_WAIT.saturating_mul(1 << self.tries.min(16));
        self.tries += 1;
        let last = later(began, REACHED_WITHIN);
        let asked = match came {
            Came::Answered(408 | 429 | 500..=599, after) => {
                self.failed += 1;
                (self.failed <= RETRIES).then_some(*after)?
            }
            Came::Answered(..) => return None,
            Came::Broken => {
                self.failed += 1;
                (self.failed <= RETRIES).then_some(None)?
            }
            Came::Halted => {
                self.halted += 1;
                (self.halted <= HALTED_RETRIES).then_some(None)?
            }
            Came::Unreached => {
                let left = Duration::try_from(last.duration_since(now)).unwrap_or_default();
                return (!left.is_zero()).then(|| wait.min(left));
            }
        };
        Some(wait.max(asked.unwrap_or_default()))
    }
}

impl Braze {
    /// Starts a webhook campaign, or changes the one of that id: what it has begun goes on by what it says from then on.
    pub fn listen(&self, webhook: Webhook) -> Result<(), LiquidError> {
        let listener = Listener::read(webhook)?;
        let mut listeners = lock(&self.0.state.listeners);
        listeners.retain(|other| other.webhook.campaign_id != listener.webhook.campaign_id);
        listeners.push(listener);
        Ok(())
    }

    /// Stops all webhook campaigns; what they have begun goes on.
    pub fn listen_no_more(&self) {
        lock(&self.0.state.listeners).clear();
    }

    /// Leaves a host alone for a minute after more failures than this in a minute. Starts at 3,000.
    pub fn halt_above(&self, failures: usize) {
        lock(&self.0.state.hosts).halt_above(failures);
    }

    /// Takes a message that a customer wrote to the number, and lets each webhook campaign that hears it post it. Gives
    /// the numbers of the posts.
    pub fn receive(&self, customer: &Customer, text: &str) -> Vec<u64> {
        let person = customer.recipient();
        let now = self.now();
        let state = &self.0.state;
        {
            let mut people = lock(&state.people);
            people.has_phone(&person, &customer.phone_number);
            people.entry(&person).wrote_at = Some(now);
        }
        let listeners = lock(&state.listeners).clone();
        let heard = listeners
            .into_iter()
            .filter(|listener| listener.hears(text));
        let heard = heard.filter(|listener| self.is_eligible(&person, listener, now));
        let begin = |listener| self.begin(listener, customer, text);
        heard.filter_map(begin).collect()
    }

    /// Gives what webhook campaigns posted, oldest first.
    pub fn posts(&self) -> Vec<Post> {
        self.0.state.posts.all()
    }

    /// Waits until the posts, by their numbers, are as `enough` wants them.
    pub async fn wait_until_posts(&self, enough: impl FnMut(&BTreeMap<u64, Post>) -> bool) {
        self.0.state.posts.wait_until(enough).await;
    }

    /// Waits until nothing is being posted at this time: each webhook has its answer, or waits for a later try.
    pub async fn wait_for_posts(&self) {
        let now = self.now();
        let rests = |post: &Post| match post.state {
            State::UnderWay => false,
            State::Waiting(until) => until > now,
            State::Received | State::Lost => true,
        };
        self.wait_until_posts(|posts| posts.values().all(rests))
            .await;
    }

    /// Tells whether a campaign takes the person, and notes that it does.
    fn is_eligible(&self, person: &Recipient, listener: &Listener, now: Timestamp) -> bool {
        let is_on = lock(&self.0.state.terms).re_eligible;
        let mut people = lock(&self.0.state.people);
        let received = &mut people.entry(person).received;
        let before = received.insert(listener.webhook.campaign_id.clone(), now);
        before.is_none() || is_on
    }

    /// Renders a webhook and lets it go. Gives nothing where the template says that nothing is sent.
    fn begin(&self, listener: Listener, customer: &Customer, text: &str) -> Option<u64> {
        let person = customer.recipient();
        let number = self.0.state.posts.number();
        let dispatch_id = format!("{number:016x}{:016x}", self.now().as_millisecond());
        let profile = lock(&self.0.state.people).get(&person).unwrap_or_default();
        let tags = |tag: &str| {
            let told = tags::of_message(tag, &listener.webhook.campaign_id, &dispatch_id, text);
            told.or_else(|| customer.tag(tag))
                .or_else(|| tags::of_profile(tag, &profile))
                .unwrap_or_default()
        };
        let body = match listener.body.render(&tags) {
            Rendered::Text(body) => body,
            Rendered::Aborted(_) => return None,
        };
        self.0.state.posts.add(Post {
            number,
            at: self.now(),
            campaign_id: listener.webhook.campaign_id.clone(),
            person,
            text: text.to_owned(),
            dispatch_id,
            tries: Vec::new(),
            state: State::UnderWay,
        });
        let braze = self.clone();
        self.0.shutdown.spawn(async move {
            let stopping = braze.0.shutdown.clone();
            tokio::select! {
                () = stopping.stopping() => {}
                () = braze.carry(listener, number, body) => {}
            }
        });
        Some(number)
    }

    /// Posts a webhook until it is received or lost.
    async fn carry(&self, mut listener: Listener, number: u64, body: String) {
        let (began, mut tally) = (self.now(), Tally::default());
        let clock = lock(&self.0.clock).clone();
        loop {
            listener = self.as_it_is(listener);
            let host = listener.url.host_str().unwrap_or_default().to_owned();
            let is_halted = lock(&self.0.state.hosts).is_halted(&host, self.now());
            let came = match is_halted {
                true => Came::Halted,
                false => self.post(&listener, body.clone()).await,
            };
            let (now, status) = (self.now(), came.status());
            lock(&self.0.state.hosts).heard(&host, status, now);
            let state = match (status, tally.wait(&came, now, began)) {
                (200..=299, _) => State::Received,
                (_, Some(wait)) => State::Waiting(later(now, wait)),
                (_, None) => State::Lost,
            };
            let tried = Try { at: now, status };
            self.0.state.posts.tried(number, tried, state);
            if self.is_watched() {
                self.tell(&format!("webhook {} {status}", listener.webhook.url));
            }
            let State::Waiting(until) = state else { return };
            clock.sleep_until(until).await;
            self.0.state.posts.goes_again(number);
        }
    }

    /// Gives a campaign as it says now; as it was, where it has been stopped.
    fn as_it_is(&self, listener: Listener) -> Listener {
        let id = &listener.webhook.campaign_id;
        let listeners = lock(&self.0.state.listeners);
        let now = listeners
            .iter()
            .find(|other| other.webhook.campaign_id == *id);
        now.cloned().unwrap_or(listener)
    }

    async fn post(&self, listener: &Listener, body: String) -> Came {
        let Ok(client) = self.0.state.client.get_or_init(client) else {
            return Came::Unreached;
        };
        let request = client
            .post(listener.url.clone())
            .bearer_auth(&listener.webhook.secret)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let clock = lock(&self.0.clock).clone();
        match clock.timeout(WITHIN, request.send()).await {
            Ok(Ok(response)) => {
                let after = response.headers().get(RETRY_AFTER);
                let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                Came::Answered(response.status().as_u16(), after.map(Duration::from_secs))
            }
            Ok(Err(error)) if error.is_connect() => Came::Unreached,
            Ok(Err(_)) | Err(_) => Came::Broken,
        }
    }
}

/// Makes the client that posts; redirects are not followed.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    call::client_for(WITHIN)
}
