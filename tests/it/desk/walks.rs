//! Random walks over the life of a handoff: customers, agents, timers and restarts, against a small model of it.
//!
//! Each walk is a customer of one gateway. In each step some write and agents act at the same moment; the model says what
//! either order of the two may lead to, and what is found has to be one of these.

use std::collections::HashMap;
use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::domain::Owner;
use frontdesk::sandbox::model::Reply;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{HOUR, SECOND, client};
use crate::fire::random::{Random, is_long, seeds};
use crate::world::{DESK_SECRET, World};

/// Walks of the long form (`tests/run --long`) and of the short one.
const WALKS: (usize, usize) = (1_000, 120);

/// Steps of a walk.
const STEPS: usize = 12;

/// Requests that are made at once.
const AT_ONCE: usize = 32;

/// What the timers are by default.
const ACK_WITHIN: Duration = Duration::from_mins(15);
const IDLE: Duration = Duration::from_hours(12);
const WINDOW: Duration = Duration::from_hours(24);

/// How close to a timer's end the model leaves open on which side of it the gateway looked.
const BLUR: Duration = Duration::from_mins(6);

/// What a customer says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Question,
    Wish,
    Bot,
}

const ACTS: [&str; 5] = ["ack", "replies", "notes", "release", "handoff"];

/// What the model knows of a walk.
struct Walk {
    name: String,
    owner: Owner,
    /// When people were asked in.
    asked_at: Timestamp,
    /// Whether the customer was told that nobody has come.
    is_told: bool,
    /// When something was last heard.
    heard_at: Timestamp,
    /// When the customer last wrote.
    said_at: Timestamp,
    trail: Vec<String>,
}

/// What a customer was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Heard {
    answers: usize,
    notices: usize,
    excuses: usize,
    agents: usize,
}

/// Gives who has a conversation after a word.
fn after_word(owner: Owner, word: Option<Word>) -> Owner {
    match (owner, word) {
        (Owner::Assistant, Some(Word::Wish)) => Owner::Pending,
        (Owner::Pending, Some(Word::Bot)) => Owner::Assistant,
        (owner, _) => owner,
    }
}

/// Gives who has a conversation after an act, and the answer to it.
fn after_act(owner: Owner, act: Option<&str>, can_reply: bool) -> (Owner, u16) {
    use Owner::{Assistant, Human, Pending};
    match (act, owner) {
        (None, owner) => (owner, 0),
        (Some("handoff"), Assistant) => (Pending, 200),
        (Some("ack"), Pending | Human) => (Human, 200),
        (Some("replies"), _) if can_reply => (Human, 202),
        (Some("notes"), owner) => (owner, 200),
        (Some("release"), Pending | Human) => (Assistant, 200),
        (Some(_), owner) => (owner, 409),
    }
}

impl Walk {
    /// Gives who may have the conversation after a word and an act at once, with the answer to the act; and whether the
    /// assistant may have spoken.
    fn outcomes(
        &self,
        word: Option<Word>,
        act: Option<&str>,
        now: Timestamp,
    ) -> (Vec<(Owner, u16)>, bool) {
        let can_reply = word.is_some() || since(self.said_at, now) < WINDOW;
        let (told, first) = (
            after_word(self.owner, word),
            after_act(self.owner, act, can_reply),
        );
        let word_first = after_act(told, act, can_reply);
        let act_first = (after_word(first.0, word), first.1);
        let owners = [self.owner, told, first.0, word_first.0, act_first.0];
        let speaks = word.is_some() && owners.contains(&Owner::Assistant);
        (vec![word_first, act_first], speaks)
    }

    /// Moves the model to what was found.
    fn moved(&mut self, to: Owner, now: Timestamp, is_heard: bool) {
        if to == Owner::Pending && self.owner != Owner::Pending {
            (self.asked_at, self.is_told) = (now, false);
        }
        if is_heard {
            self.heard_at = now;
        }
        self.owner = to;
    }

    /// Gives who may have the conversation after time has passed.
    fn after_time(&self, now: Timestamp) -> Vec<Owner> {
        let idle = since(self.heard_at, now);
        match self.owner {
            Owner::Assistant => vec![Owner::Assistant],
            owner if idle + BLUR < IDLE => vec![owner],
            _ if idle > IDLE + BLUR => vec![Owner::Assistant],
            owner => vec![owner, Owner::Assistant],
        }
    }
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// The world of all walks, and what was read of it so far.
struct Ground {
    world: World,
    client: reqwest::Client,
    read: usize,
    heard: HashMap<String, Heard>,
}

impl Ground {
    async fn start() -> Self {
        let world = World::with_rates(10_000, 10_000).await;
        world
            .model
            .respond_with(|body| match body.get("response_format") {
                Some(_) => Reply::says("Answer."),
                None => Reply::Text("A summary.".to_owned()),
            });
        Self {
            world,
            client: client(),
            read: 0,
            heard: HashMap::new(),
        }
    }

    /// Does one act by the customer's id. Gives the status.
    async fn act(&self, customer: &str, act: &str, number: u64) -> u16 {
        let body = match act {
            "replies" => json!({ "text": format!("Agent {number}.") }),
            "notes" => json!({ "text": format!("Note {number}.") }),
            _ => json!({}),
        };
        let url = format!("{}/v1/customers/{customer}/{act}", self.world.url());
        let request = self.client.post(url).bearer_auth(DESK_SECRET);
        let request = request.header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        response.status().as_u16()
    }

    async fn says(&self, customer: &str, word: Word, number: u64) {
        let text = match word {
            Word::Question => format!("When do you open on day {number}?"),
            Word::Wish => "I want to talk to a human".to_owned(),
            Word::Bot => "bot".to_owned(),
        };
        self.world.says(customer, &text).await;
    }

    /// Waits until everything is done that can be done at this time, and lets time go by only where something waits for it:
    /// a clock that ran on would end what is under way.
    async fn finish(&self) {
        let system = Clock::system();
        for _ in 0..120 {
            let resting = system.timeout(10 * SECOND, self.world.rest());
            if resting.await.is_ok() {
                return;
            }
            self.world.clock.advance(SECOND);
        }
        panic!("not everything was done");
    }

    /// Lets everything that follows happen: turns, deliveries, and rounds of the upkeep until nothing is due.
    async fn settle(&self) {
        self.world.clock.advance(SECOND);
        self.finish().await;
        let store = self.world.app.store();
        loop {
            self.world.clock.advance(11 * SECOND);
            self.world.breathe().await;
            self.finish().await;
            let overdue = store.overdue_handoffs(1).await.unwrap();
            let unanswered = store.unanswered_handoffs(1).await.unwrap();
            if overdue.is_empty() && unanswered.is_empty() {
                break;
            }
        }
    }

    /// Reads what customers were sent since the last look.
    fn listen(&mut self) {
        let sent = self.world.braze.sent();
        for one in &sent[self.read..] {
            let heard = self
                .heard
                .entry(one.recipient.value().to_owned())
                .or_default();
            match one.text() {
                text if text.contains("Answer.") => heard.answers += 1,
                text if text.starts_with("Agent ") => heard.agents += 1,
                text if text.contains("passing you on to a colleague") => heard.notices += 1,
                text if text.contains("taking so long") => heard.excuses += 1,
                text => assert!(text.contains("here for you again"), "{text}"),
            }
        }
        self.read = sent.len();
    }

    fn heard(&self, customer: &str) -> Heard {
        self.heard.get(customer).copied().unwrap_or_default()
    }

    /// Gives who has each customer's conversation.
    fn owners(&self) -> HashMap<String, Owner> {
        let rows = self
            .world
            .rows("SELECT external_id || ' ' || owner FROM conversation");
        let read = |row: String| {
            let (name, owner) = row.split_once(' ').unwrap();
            (name.to_owned(), Owner::from_name(owner).unwrap())
        };
        rows.into_iter().map(read).collect()
    }

    async fn restart(self) -> Self {
        Self {
            world: self.world.restart().await,
            ..self
        }
    }
}

/// What a customer and an agent do at once.
type Moves = (Option<Word>, Option<&'static str>);

fn choose(random: &mut Random) -> Moves {
    let word = match random.below(10) {
        0..=3 => None,
        4 | 5 => Some(Word::Question),
        6..=8 => Some(Word::Wish),
        _ => Some(Word::Bot),
    };
    let act = match random.below(2) {
        0 => None,
        _ => usize::try_from(random.below(5)).ok().map(|at| ACTS[at]),
    };
    (word, act)
}

/// All write and act at once; the answers to the acts.
async fn play(ground: &Ground, walks: &[Walk], moves: &[Moves], number: u64) -> Vec<u16> {
    let playing = walks
        .iter()
        .zip(moves)
        .map(|(walk, (word, act))| async move {
            let says = async {
                if let Some(word) = word {
                    ground.says(&walk.name, *word, number).await;
                }
            };
            let acts = async {
                match act {
                    Some(act) => ground.act(&walk.name, act, number).await,
                    None => 0,
                }
            };
            tokio::join!(says, acts).1
        });
    stream::iter(playing).buffered(AT_ONCE).collect().await
}

/// Checks a step: who has each conversation is what the model allows, and the assistant has spoken only where it may.
fn check_step(ground: &mut Ground, walks: &mut [Walk], moves: &[Moves], statuses: &[u16]) {
    let now = ground.world.clock.now();
    let before: Vec<_> = walks.iter().map(|walk| ground.heard(&walk.name)).collect();
    ground.listen();
    let owners = ground.owners();
    for (at, walk) in walks.iter_mut().enumerate() {
        let ((word, act), status) = (moves[at], statuses[at]);
        let found = owners[&walk.name];
        walk.trail
            .push(format!("{word:?} {act:?} {status} {found:?}"));
        let (allowed, speaks) = walk.outcomes(word, act, now);
        assert!(
            allowed.contains(&(found, status)),
            "{allowed:?} {:#?}",
            walk.trail
        );
        let heard = ground.heard(&walk.name);
        let answers = heard.answers - before[at].answers;
        assert!(
            answers <= usize::from(speaks),
            "it spoke: {:#?}",
            walk.trail
        );
        let agents = heard.agents - before[at].agents;
        assert_eq!(agents, usize::from(status == 202), "{:#?}", walk.trail);
        if word.is_some() {
            walk.said_at = now;
        }
        walk.is_told |= heard.excuses > before[at].excuses;
        // It may have gone back and come again within the step.
        let is_renewed = matches!(act, Some("release" | "handoff")) && status == 200;
        if is_renewed && found == Owner::Pending {
            (walk.asked_at, walk.is_told) = (now, false);
        }
        let is_heard = word.is_some() || (200..300).contains(&status);
        walk.moved(found, now, is_heard);
    }
}

/// Checks that time has done what it should, and nothing else.
fn check_time(ground: &mut Ground, walks: &mut [Walk]) {
    let now = ground.world.clock.now();
    let before: Vec<_> = walks.iter().map(|walk| ground.heard(&walk.name)).collect();
    ground.listen();
    let owners = ground.owners();
    for (walk, before) in walks.iter_mut().zip(before) {
        let found = owners[&walk.name];
        walk.trail.push(format!("{now} {found:?}"));
        let allowed = walk.after_time(now);
        assert!(allowed.contains(&found), "{allowed:?} {:#?}", walk.trail);
        let heard = ground.heard(&walk.name);
        assert_eq!(heard.answers, before.answers, "{:#?}", walk.trail);
        let told = heard.excuses - before.excuses;
        let waited = since(walk.asked_at, now);
        if walk.owner == Owner::Pending && found == Owner::Pending {
            let is_due = waited > ACK_WITHIN + BLUR && !walk.is_told;
            assert!(
                told >= usize::from(is_due),
                "nobody told: {:#?}",
                walk.trail
            );
        }
        assert!(
            told <= usize::from(!walk.is_told),
            "told twice: {:#?}",
            walk.trail
        );
        walk.is_told |= told > 0;
        walk.owner = found;
    }
}

/// Checks what the desk and the customers heard in all: one request, one notice, one end a handoff, in this order.
fn check_events(ground: &Ground, walks: &[Walk]) {
    let mut by_handoff: HashMap<String, Vec<String>> = HashMap::new();
    let mut requests: HashMap<String, usize> = HashMap::new();
    for event in ground.world.desk.received() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if event.name == "handoff.requested" {
            *requests
                .entry(text(&event.body["user"]["external_id"]))
                .or_default() += 1;
        }
        by_handoff
            .entry(text(&event.body["handoff_id"]))
            .or_default()
            .push(event.name);
    }
    for events in by_handoff.values() {
        let count = |name: &str| events.iter().filter(|event| *event == name).count();
        for name in [
            "handoff.requested",
            "handoff.acknowledged",
            "handoff.timeout",
        ] {
            assert!(count(name) <= 1, "{events:?}");
        }
        assert_eq!(count("handoff.ended"), 1, "{events:?}");
        assert_eq!(events.last().unwrap(), "handoff.ended", "{events:?}");
        let first = &events[0];
        assert!(
            first == "handoff.requested" || first == "handoff.acknowledged",
            "{events:?}"
        );
    }
    for walk in walks {
        let requests = requests.get(&walk.name).copied().unwrap_or_default();
        let notices = ground.heard(&walk.name).notices;
        assert_eq!(notices, requests, "{:#?}", walk.trail);
    }
}

#[expect(
    clippy::print_stdout,
    reason = "with the seed, the same walks can be taken again"
)]
async fn walk_all(seed: u64, count: usize) {
    println!("{count} walks of {STEPS} steps; seed {seed:#x}");
    let mut random = Random(seed);
    let mut ground = Ground::start().await;
    let now = ground.world.clock.now();
    let walk = |at: usize| Walk {
        name: format!("u{at}"),
        owner: Owner::Assistant,
        asked_at: now,
        is_told: false,
        heard_at: now,
        said_at: now,
        trail: Vec::new(),
    };
    let mut walks: Vec<_> = (0..count).map(walk).collect();
    // Everybody is known before the first step.
    let hello = vec![(Some(Word::Question), None); count];
    let statuses = play(&ground, &walks, &hello, 99).await;
    ground.settle().await;
    check_step(&mut ground, &mut walks, &hello, &statuses);
    for step in 0..STEPS {
        let moves: Vec<_> = walks.iter().map(|_| choose(&mut random)).collect();
        let statuses = play(&ground, &walks, &moves, step as u64).await;
        if random.below(3) == 0 {
            // In the middle of everything.
            ground = ground.restart().await;
        }
        ground.settle().await;
        check_step(&mut ground, &mut walks, &moves, &statuses);
        let times = [31 * SECOND, Duration::from_mins(25), 5 * HOUR, 13 * HOUR];
        let time = times[usize::try_from(random.below(4)).unwrap()];
        ground.world.clock.advance(time);
        ground.settle().await;
        check_time(&mut ground, &mut walks);
    }
    // Nobody is stuck: in the end the assistant has everybody, and answers.
    ground.world.clock.advance(13 * HOUR);
    ground.settle().await;
    check_time(&mut ground, &mut walks);
    assert!(walks.iter().all(|walk| walk.owner == Owner::Assistant));
    check_events(&ground, &walks);
    let asks = vec![(Some(Word::Question), None); count];
    let before: Vec<_> = walks
        .iter()
        .map(|walk| ground.heard(&walk.name).answers)
        .collect();
    let statuses = play(&ground, &walks, &asks, 98).await;
    ground.settle().await;
    check_step(&mut ground, &mut walks, &asks, &statuses);
    for (walk, before) in walks.iter().zip(before) {
        assert_eq!(
            ground.heard(&walk.name).answers,
            before + 1,
            "{:#?}",
            walk.trail
        );
    }
    let waiting = "SELECT text FROM message WHERE author = 'customer' AND outcome IS NULL";
    assert!(ground.world.rows(waiting).is_empty());
    ground.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_customers_agents_and_timers_meet_somebody_has_each_conversation() {
    for seed in seeds() {
        let (long, short) = WALKS;
        walk_all(seed, if is_long() { long } else { short }).await;
    }
}
