//! A model that is down for long, while customers go on writing: what each of them waits, what is asked of the model
//! meanwhile, and how it gets its load back.
//!
//! The short form is a minute long, the long one (`FRONTDESK_FIRE=long`) ten. Time goes on only when the gateway has done
//! all that it can do at that time, so a slow machine changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use frontdesk::store::Counts;
use futures_util::future::join_all;
use jiff::Timestamp;
use rstest::rstest;

use crate::metrics::Scrape;
use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Messages a second, each of a customer of its own.
const EACH_SECOND: usize = 20;

/// How long the first of two models is waited for.
const ATTEMPT: usize = 8;

/// How long a turn may take.
const DEADLINE: usize = 25;

/// How long messages wait for more of their burst.
const QUIET: usize = 1;

/// How long the model is down, in seconds.
fn outage() -> usize {
    let is_long = std::env::var_os("FRONTDESK_FIRE").is_some_and(|form| form == "long");
    if is_long { 600 } else { 60 }
}

/// A world in which customers keep writing.
struct Crowd {
    world: World,
    said: HashMap<String, Timestamp>,
    calls: Vec<usize>,
}

impl Crowd {
    async fn new(has_spare: bool) -> Self {
        let world = World::with_models(has_spare, "", "").await;
        world
            .spare
            .respond_with(|_| Reply::says("The spare one answers."));
        world
            .model
            .respond_with(|_| Reply::says("The main one answers."));
        Self {
            world,
            said: HashMap::new(),
            calls: Vec::new(),
        }
    }

    /// A second goes by in which `messages` customers write.
    async fn second(&mut self, messages: usize) {
        let (now, number) = (self.world.clock.now(), self.said.len());
        let customers: Vec<_> = (number..number + messages)
            .map(|n| format!("u{n}"))
            .collect();
        let writing = customers
            .iter()
            .map(|customer| self.world.says(customer, "Hello?"));
        join_all(writing).await;
        self.said
            .extend(customers.into_iter().map(|customer| (customer, now)));
        self.world.clock.advance(SECOND);
        self.settle().await;
        self.calls.push(self.asked());
    }

    /// Waits until nothing is left that can be done at this time: every turn that is due is under way, and waits for the
    /// model or for the time.
    async fn settle(&self) {
        let world = &self.world;
        let done =
            |counts: &Counts| counts.waiting == counts.claimed && counts.open_deliveries == [0, 0];
        let settled = async {
            loop {
                world.until("what is due to be begun", done).await;
                let before = (world.model.request_count(), world.spare.request_count());
                world.breathe().await;
                let counts = world.app.store().counts().await.unwrap();
                let after = (world.model.request_count(), world.spare.request_count());
                if before == after && done(&counts) {
                    return;
                }
            }
        };
        soon(settled).await;
    }

    fn asked(&self) -> usize {
        usize::try_from(self.world.model.request_count()).unwrap()
    }

    /// Gives the longest time that a customer waited for a word, in seconds. Fails if one got none, or two.
    fn longest_wait(&self) -> usize {
        let sent = self.world.braze.sent();
        assert_eq!(sent.len(), self.said.len(), "each customer hears one thing");
        let waits = sent.iter().map(|sent| {
            let said = self.said[sent.recipient.value()];
            usize::try_from(sent.at.duration_since(said).as_secs()).unwrap()
        });
        waits.max().unwrap()
    }

    fn outcomes(&self, outcome: &str) -> usize {
        let sql = format!("SELECT outcome FROM message WHERE outcome = '{outcome}'");
        self.world.rows(&sql).len()
    }

    async fn breaker(&self) -> f64 {
        let scrape = Scrape::of(&self.world).await;
        scrape.value("model_breaker{model=\"main\"}")
    }
}

#[rstest]
#[case::silent(Plan::hang(), ATTEMPT)]
#[case::gone(Plan::reset(), 0)]
#[case::broken(Plan::status(503), 0)]
#[tokio::test]
async fn a_first_model_that_is_down_is_noticed_soon_and_the_next_one_answers_all(
    #[case] down: Plan,
    #[case] noticed_after: usize,
) {
    let mut crowd = Crowd::new(true).await;
    crowd.world.model.misbehave(down);
    for _ in 0..outage() {
        crowd.second(EACH_SECOND).await;
    }
    // At first all ask it, until five have failed; then one at a time tries, after ever longer rests.
    let noticed = noticed_after + 2;
    let (early, all) = (crowd.calls[noticed - 1], crowd.asked());
    assert!(
        early <= EACH_SECOND * noticed,
        "{early} calls in {noticed} s"
    );
    assert!(
        all - early <= 4 + outage() / 60,
        "{all} calls, {early} of them early"
    );
    assert!(
        (crowd.breaker().await - 2.0).abs() < 1.5,
        "it is open or half open"
    );

    // It is back: it is found within a minute, and gets its load in rounds.
    crowd.world.model.behave();
    crowd.world.model.misbehave(Plan::delay(SECOND));
    let mut rounds = Vec::new();
    for _ in 0..80 {
        let before = crowd.asked();
        crowd.second(EACH_SECOND).await;
        rounds.push(crowd.asked() - before);
    }
    let back: Vec<_> = rounds.into_iter().skip_while(|calls| *calls == 0).collect();
    let growing = [1, 2, 4, 8];
    for (round, most) in growing.into_iter().enumerate() {
        assert!(back[round] <= most, "{back:?}");
    }
    assert!(
        back[10..].iter().all(|calls| *calls == EACH_SECOND),
        "{back:?}"
    );
    crowd.world.model.behave();
    for _ in 0..2 {
        crowd.second(0).await;
    }
    let longest = crowd.longest_wait();
    assert!(
        longest <= QUIET + ATTEMPT + 1,
        "somebody waited {longest} s"
    );
    assert_eq!(crowd.outcomes("replied"), crowd.said.len());
    crowd.world.end().await;
}

#[rstest]
#[case::silent(Plan::hang())]
#[case::gone(Plan::reset())]
#[tokio::test]
async fn an_only_model_that_is_down_costs_each_customer_one_word_within_the_deadline(
    #[case] down: Plan,
) {
    let mut crowd = Crowd::new(false).await;
    crowd.world.model.misbehave(down);
    for _ in 0..outage() {
        crowd.second(EACH_SECOND).await;
    }
    let asked = crowd.asked();
    crowd.world.model.behave();
    crowd.world.model.misbehave(Plan::delay(SECOND));
    let mut rounds = Vec::new();
    for _ in 0..80 {
        let before = crowd.asked();
        crowd.second(EACH_SECOND).await;
        rounds.push(crowd.asked() - before);
    }
    let back: Vec<_> = rounds.into_iter().skip_while(|calls| *calls == 0).collect();
    // Those who wait look again twice a second, so a round can end and the next begin within one.
    let growing = [2, 4, 8, 16];
    for (round, most) in growing.into_iter().enumerate() {
        assert!(back[round] <= most, "{back:?}");
    }
    crowd.world.model.behave();
    for _ in 0..DEADLINE {
        crowd.second(0).await;
    }
    let longest = crowd.longest_wait();
    assert!(
        longest <= QUIET + DEADLINE + 1,
        "somebody waited {longest} s"
    );
    let (replied, failed) = (crowd.outcomes("replied"), crowd.outcomes("failed(model)"));
    assert_eq!(replied + failed, crowd.said.len());
    assert!(
        replied >= EACH_SECOND * 15,
        "{replied} were answered when it was back"
    );
    assert!(
        asked < crowd.said.len() / 2,
        "{asked} calls of a model that is down"
    );
    crowd.world.end().await;
}
