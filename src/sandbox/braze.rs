//! A stand-in for Braze: takes what is sent as strictly as the real one, keeps its limits, and delivers or does not.
//!
//! It also posts to the gateway what customers write to its number ([`Braze::receive`]), with the patience of the real one.
//! What was taken ([`Braze::sent`]) and what the phone shows ([`Braze::deliveries`]) are two things, as they are with
//! Braze: a message can be accepted and never arrive, and no answer says so.

mod delivery;
mod doors;
mod endpoint;
mod fields;
mod inbound;
mod liquid;
mod message;
mod people;
mod refused;
mod sent;
mod track;
mod trigger;
mod window;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::log::Log;
use super::{Answer, Exchange, Role, StandIn, excerpt, lock};
use crate::shutdown::Shutdown;
use delivery::Terms;
use inbound::{Hosts, Listener, Posts};
use people::People;
use window::Windows;

pub use delivery::{Delivery, Withheld};
pub use inbound::{Customer, Post, State, Try, Webhook};
pub use liquid::LiquidError;
pub use people::Profile;
pub use sent::{MessageKind, Recipient, Sent, Tracked, TrackedKind, Way};

/// The largest body that most of Braze's endpoints take.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// A stand-in for Braze.
pub type Braze = StandIn<BrazeState>;

/// What a Braze stand-in knows.
pub struct BrazeState {
    key: Mutex<Option<String>>,
    permissions: Mutex<BTreeSet<String>>,
    campaigns: Mutex<BTreeSet<String>>,
    canvases: Mutex<BTreeSet<String>>,
    windows: Mutex<Windows>,
    terms: Mutex<Terms>,
    people: Mutex<People>,
    is_recording: AtomicBool,
    sent: Log<Sent>,
    tracked: Log<Tracked>,
    deliveries: Log<Delivery>,
    listeners: Mutex<Vec<Listener>>,
    hosts: Mutex<Hosts>,
    posts: Posts,
    /// Posts webhooks; none can be posted where the machine has no certificates to check servers by.
    client: OnceLock<Result<reqwest::Client, reqwest::Error>>,
}

impl BrazeState {
    fn new() -> Self {
        Self {
            key: Mutex::default(),
            permissions: Mutex::default(),
            campaigns: Mutex::default(),
            canvases: Mutex::default(),
            windows: Mutex::default(),
            terms: Mutex::default(),
            people: Mutex::default(),
            is_recording: AtomicBool::new(true),
            sent: Log::new(),
            tracked: Log::new(),
            deliveries: Log::new(),
            listeners: Mutex::default(),
            hosts: Mutex::default(),
            posts: Posts::new(),
            client: OnceLock::new(),
        }
    }

    fn keep(&self, keep: bool) {
        self.is_recording.store(keep, Ordering::Relaxed);
        self.sent.keep(keep);
        self.tracked.keep(keep);
        self.deliveries.keep(keep);
    }

    fn clear(&self) {
        self.sent.clear();
        self.tracked.clear();
        self.deliveries.clear();
    }
}

impl Braze {
    /// Starts a stand-in on `bind`; port 0 takes a free one.
    pub async fn start(bind: SocketAddr, shutdown: &Shutdown) -> io::Result<Self> {
        let role = Role {
            body_max: BODY_MAX,
            answer: endpoint::answer,
            refuse: endpoint::refuse,
            keep: BrazeState::keep,
            clear: BrazeState::clear,
            doors: doors::router,
        };
        Self::open(bind, shutdown, role, BrazeState::new()).await
    }

    /// Gives the base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Refuses requests without this key; without it, any key will do.
    pub fn require_key(&self, key: &str) {
        *lock(&self.0.state.key) = Some(key.to_owned());
    }

    /// Gives the key these permissions alone, such as `campaigns.trigger.send`; without it, it has all.
    pub fn permit<'a>(&self, permissions: impl IntoIterator<Item = &'a str>) {
        lock(&self.0.state.permissions).extend(permissions.into_iter().map(str::to_owned));
    }

    /// Refuses campaigns other than these; without it, any id will do.
    pub fn know_campaigns<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        lock(&self.0.state.campaigns).extend(ids.into_iter().map(str::to_owned));
    }

    /// Refuses Canvases other than these; without it, any id will do.
    pub fn know_canvases<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        lock(&self.0.state.canvases).extend(ids.into_iter().map(str::to_owned));
    }

    /// Takes so many sends in each window; windows stand on the clock, as Braze's hours do. Starts at 250,000 an hour.
    pub fn limit(&self, requests: u64, window: Duration) {
        lock(&self.0.state.windows).limit_sends(requests, window);
    }

    /// Takes so many requests to `/users/track` in each window. Starts at 3,000 in three seconds.
    pub fn limit_track(&self, requests: u64, window: Duration) {
        lock(&self.0.state.windows).limit_track(requests, window);
    }

    /// Tells the limits in Braze's other manner: the reset in seconds from now, and with a 429 only the wait.
    pub fn count_down(&self, is_counting_down: bool) {
        lock(&self.0.state.windows).count_down(is_counting_down);
    }

    /// Says whether campaigns and Canvases take a person more than once, as they do here from the start.
    ///
    /// Where they do not, which is what Braze begins with, a second message is taken and never delivered.
    pub fn re_eligibility(&self, is_on: bool) {
        lock(&self.0.state.terms).re_eligible = is_on;
    }

    /// Names the subscription group of the campaigns; without it, who left any group gets nothing.
    pub fn use_group(&self, id: &str) {
        id.clone_into(&mut lock(&self.0.state.terms).group);
    }

    /// Pauses a campaign or a Canvas: what is sent through it is taken with a notice and never delivered.
    pub fn pause_campaign(&self, id: &str) {
        lock(&self.0.state.terms).paused.push(id.to_owned());
    }

    /// Keeps WhatsApp's limit for one number and one person: so many messages at once, then one after each `every`.
    pub fn limit_pairs(&self, burst: u32, every: Duration) {
        lock(&self.0.state.terms).pair = Some((burst, every));
    }

    /// Gives a campaign or a Canvas its message body; without it, the phone shows the first property that is text.
    pub fn compose(&self, id: &str, body: &str) -> Result<(), LiquidError> {
        liquid::Template::read(body)?;
        let mut terms = lock(&self.0.state.terms);
        terms.bodies.insert(id.to_owned(), body.to_owned());
        Ok(())
    }

    /// Says who exists: what is sent to anybody else is taken and never delivered. Without it, everybody does.
    pub fn know_people(&self, people: impl IntoIterator<Item = Recipient>) {
        let mut known = lock(&self.0.state.people);
        people.into_iter().for_each(|person| known.know(person));
    }

    /// Notes whose a phone number is: what goes to the number's alias is for that person.
    pub fn has_phone(&self, person: &Recipient, phone: &str) {
        lock(&self.0.state.people).has_phone(person, phone);
    }

    /// Refuses an external id in `/users/track`.
    pub fn block(&self, external_id: &str) {
        lock(&self.0.state.people).block(external_id);
    }

    /// Notes that a person wrote to the number just now: WhatsApp's 24 hours begin. Of whom nothing was noted, they are
    /// not kept.
    pub fn heard_from(&self, person: &Recipient) {
        let now = self.now();
        lock(&self.0.state.people).entry(person).wrote_at = Some(now);
    }

    /// Gives what is known of a person.
    pub fn profile(&self, person: &Recipient) -> Option<Profile> {
        lock(&self.0.state.people).get(person)
    }

    /// Gives what was taken for sending, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.0.state.sent.all()
    }

    /// Tells how many messages were taken for sending, recorded or not.
    pub fn sent_count(&self) -> u64 {
        self.0.state.sent.count()
    }

    /// Gives what became of what was taken for sending, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.0.state.deliveries.all()
    }

    /// Gives the texts that a person's phone shows, oldest first.
    pub fn shown_to(&self, person: &str) -> Vec<String> {
        let mut deliveries = self.deliveries();
        deliveries.retain(|delivery| delivery.withheld.is_none());
        deliveries.retain(|delivery| delivery.recipient.value() == person);
        deliveries
            .into_iter()
            .map(|delivery| delivery.text)
            .collect()
    }

    /// Gives what `/users/track` and the subscriptions took, oldest first.
    pub fn tracked(&self) -> Vec<Tracked> {
        self.0.state.tracked.all()
    }

    /// Tells how many objects `/users/track` and the subscriptions took, recorded or not.
    pub fn tracked_count(&self) -> u64 {
        self.0.state.tracked.count()
    }

    /// Gives the recorded requests that were answered with an error.
    pub fn refused(&self) -> Vec<Exchange> {
        let mut requests = self.requests();
        requests.retain(|request| request.status.is_some_and(|status| status >= 400));
        requests
    }

    /// Waits until `count` messages have been taken for sending.
    pub async fn wait_for_sent(&self, count: u64) {
        self.0.state.sent.wait_for(count).await;
    }

    /// Waits until the recorded messages are as `enough` wants them; it must not call the stand-in.
    pub async fn wait_until_sent(&self, enough: impl FnMut(&VecDeque<Sent>) -> bool) {
        self.0.state.sent.wait_until(enough).await;
    }

    /// Waits until what became of the messages is as `enough` wants it; it must not call the stand-in.
    pub async fn wait_until_delivered(&self, enough: impl FnMut(&VecDeque<Delivery>) -> bool) {
        self.0.state.deliveries.wait_until(enough).await;
    }

    /// Waits until `count` objects have been taken by `/users/track` and the subscriptions.
    pub async fn wait_for_tracked(&self, count: u64) {
        self.0.state.tracked.wait_for(count).await;
    }
}

/// Gives 32 hex digits that no other request has.
fn dispatch_id(exchange: &Exchange) -> String {
    format!("{:032x}", exchange.number)
}

#[cfg(test)]
mod tests;
