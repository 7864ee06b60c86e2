//! Customers who write again and again, and come back when the gateway was down; and the ledger of what it accepted.

use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::sandbox::Phone;
use frontdesk::sandbox::phone::Texted;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};

use super::random::Random;
use super::yard::{Gateway, Yard};

/// How long a life may last when what would end it does not happen.
const MOMENT_WITHIN: Duration = Duration::from_secs(3);

/// Customers, and how much they write.
pub(super) struct Load {
    pub(super) customers: usize,
    pub(super) each: usize,
    /// The life of the gateway, and the phone that reaches it; `None` while it is down.
    open: watch::Sender<Option<(usize, Phone)>>,
    allowed: Semaphore,
    accepted: watch::Sender<Vec<Accepted>>,
}

/// A message that was answered with 202, or with 200 where the 202 was lost.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    /// The customer's number.
    pub(super) customer: usize,
    /// What he wrote.
    pub(super) word: String,
    /// The id that the gateway gave.
    pub(super) id: String,
}

impl Load {
    /// Makes so many customers with so many messages each; nobody writes yet.
    pub(super) fn new(customers: usize, each: usize) -> Self {
        Self {
            customers,
            each,
            open: watch::Sender::new(None),
            allowed: Semaphore::new(0),
            accepted: watch::Sender::default(),
        }
    }

    /// Tells how many messages there are in all.
    pub(super) fn messages(&self) -> usize {
        self.customers * self.each
    }

    /// Gives what was accepted so far, in order.
    pub(super) fn accepted(&self) -> Vec<Accepted> {
        self.accepted.borrow().clone()
    }

    /// Tells the customers that the gateway can be reached.
    pub(super) fn opens(&self, life: usize, gateway: &Gateway) {
        self.open.send_replace(Some((life, gateway.phone())));
    }

    /// Tells the customers that it cannot.
    pub(super) fn closes(&self) {
        self.open.send_replace(None);
    }

    /// Lets so many more messages be written, so that there is something left for the next life.
    pub(super) fn allow(&self, messages: usize) {
        self.allowed.add_permits(messages);
    }

    /// Waits for a moment to stop the program, when up to `span` messages were allowed to this life: some more has been
    /// accepted, asked or sent, or it is at once. Where that much does not happen, any moment is as good.
    pub(super) async fn moment(&self, random: &mut Random, span: usize, yard: &Yard) {
        let span = u64::try_from(span).unwrap();
        let (kind, more) = (random.below(8), 1 + random.below(span / 2));
        let mut accepted = self.accepted.subscribe();
        let until = accepted.borrow().len() + usize::try_from(more).unwrap();
        let (asked, sent) = (yard.model.request_count(), yard.braze.request_count());
        let moment = async {
            match kind {
                0 => {}
                1..=2 => drop(accepted.wait_for(|all| all.len() >= until).await),
                3..=5 => yard.model.wait_for(asked + more).await,
                _ => yard.braze.wait_for(sent + more / 2).await,
            }
        };
        Clock::system().timeout(MOMENT_WITHIN, moment).await.ok();
    }

    /// Writes everything.
    pub(super) async fn run(&self) {
        join_all((0..self.customers).map(|customer| self.customer(customer))).await;
    }

    async fn customer(&self, customer: usize) {
        for number in 0..self.each {
            self.allowed.acquire().await.unwrap().forget();
            self.insist(customer, format!("word-{customer}-{number}"))
                .await;
        }
    }

    /// Writes one message until it is taken, as Braze would.
    async fn insist(&self, customer: usize, word: String) {
        let mut open = self.open.subscribe();
        let mut dead = 0;
        loop {
            let alive = open.wait_for(|open| open.as_ref().is_some_and(|(life, _)| *life > dead));
            let (life, phone) = alive.await.unwrap().clone().unwrap();
            match writes(&phone, customer, &word).await {
                Some(id) => {
                    let accepted = Accepted { customer, word, id };
                    return self.accepted.send_modify(|all| all.push(accepted));
                }
                None => dead = life,
            }
        }
    }
}

/// A customer writes one word. Gives the id under which it was accepted, if it was.
pub(super) async fn writes(phone: &Phone, customer: usize, word: &str) -> Option<String> {
    let user_id = format!("u{customer}");
    let texted = Texted {
        user_id: &user_id,
        phone_number: "+1555",
        message: word,
        dispatch_id: word,
        ..Texted::default()
    };
    let answered = phone.texts(&texted).await.ok()?;
    let id = || Some(answered.body["message_id"].as_str()?.to_owned());
    matches!(answered.status, 200 | 202).then(id)?
}
