//! What was promised, checked from outside: what the customers were told, what the model was asked and what arrived at
//! Braze, against each other and against what the file says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use frontdesk::braze::REPLY_ID;

use super::load::{Accepted, Load};
use super::yard::{self, Yard, words};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) accepted: usize,
    /// Replies that were to be sent.
    pub(super) deliveries: usize,
    pub(super) arrivals: usize,
    /// Arrivals of a reply that had arrived before.
    pub(super) doubles: usize,
    /// The replies that are marked as possible doubles, by id.
    pub(super) marked: BTreeSet<String>,
    /// How many messages had each outcome.
    pub(super) outcomes: BTreeMap<String, usize>,
}

/// A reply as the file has it.
struct Reply {
    id: String,
    state: String,
    is_marked: bool,
}

/// A reply as it arrived.
struct Arrival {
    reply: String,
    text: String,
}

impl Audit {
    /// Checks all promises once everything is done. What it gives is still to be judged.
    pub(super) fn of(yard: &Yard, load: &Load) -> Self {
        let accepted = load.accepted();
        assert_eq!(
            accepted.len(),
            load.messages(),
            "everything was accepted in the end"
        );
        assert_eq!(
            kept(yard),
            asked(&accepted),
            "what was accepted is there once, in order, and nothing else is"
        );
        each_prompt_is_of_one_customer(yard);
        let outcomes = outcomes(yard);
        let (mut replies, mut arrivals) = (replies(yard), arrivals(yard));
        let marked = yard.rows("SELECT lower(hex(id)) FROM delivery WHERE possible_duplicate");
        let mut audit = Self {
            accepted: accepted.len(),
            deliveries: replies.values().map(Vec::len).sum(),
            arrivals: arrivals.values().map(Vec::len).sum(),
            marked: marked.into_iter().collect(),
            ..Self::default()
        };
        for outcome in outcomes.values() {
            *audit.outcomes.entry(outcome.clone()).or_default() += 1;
        }
        for customer in 0..load.customers {
            let name = format!("u{customer}");
            let arrivals = arrivals.remove(&name).unwrap_or_default();
            let replies = replies.remove(&name).unwrap_or_default();
            audit.doubles += doubles(&name, &replies, &arrivals);
            in_order(customer, load.each, &arrivals, &outcomes);
        }
        assert!(
            arrivals.is_empty() && replies.is_empty(),
            "somebody else got something"
        );
        audit
    }

    /// Gives how many messages had an outcome.
    pub(super) fn count(&self, outcome: &str) -> usize {
        self.outcomes.get(outcome).copied().unwrap_or_default()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} accepted, 0 lost, {} replies, {} arrivals, {} doubles, {} marked, outcomes {:?}",
            self.accepted,
            self.deliveries,
            self.arrivals,
            self.doubles,
            self.marked.len(),
            self.outcomes
        )
    }
}

/// Says what was found, and in what time.
pub(super) fn tell(what: &str, took: Duration) {
    yard::tell(&format!("fire: {what}, {:.1} s", took.as_secs_f32()));
}

/// Gives what the file has of each customer, in the order of the conversation: the message's id and words.
fn kept(yard: &Yard) -> BTreeMap<String, Vec<String>> {
    let sql = "SELECT c.external_id || ' ' || lower(hex(m.id)) || ' ' || m.text FROM message m
               JOIN conversation c ON c.key = m.conversation WHERE m.author = 'customer' ORDER BY c.key, m.seq";
    let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in yard.rows(sql) {
        let (customer, message) = row.split_once(' ').unwrap();
        kept.entry(customer.to_owned())
            .or_default()
            .push(message.to_owned());
    }
    kept
}

/// Gives the same of what was accepted.
fn asked(accepted: &[Accepted]) -> BTreeMap<String, Vec<String>> {
    let mut asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Accepted { customer, word, id } in accepted {
        let message = format!("{} {word}", id.replace('-', ""));
        asked
            .entry(format!("u{customer}"))
            .or_default()
            .push(message);
    }
    asked
}

/// Gives the outcome of each message, by its words. None may be without.
fn outcomes(yard: &Yard) -> HashMap<String, String> {
    let rows = yard.rows("SELECT text || ' ' || outcome FROM message WHERE author = 'customer'");
    let pair = |row: &String| {
        let (word, outcome) = row.split_once(' ').unwrap();
        (word.to_owned(), outcome.to_owned())
    };
    rows.iter().map(pair).collect()
}

/// Gives each customer's replies in the order in which they were to be sent.
fn replies(yard: &Yard) -> HashMap<String, Vec<Reply>> {
    let sql = "SELECT c.external_id || ' ' || lower(hex(d.id)) || ' ' || d.state || ' ' || d.possible_duplicate
               FROM delivery d JOIN conversation c ON c.key = d.conversation ORDER BY d.key";
    let mut replies: HashMap<String, Vec<Reply>> = HashMap::new();
    for row in yard.rows(sql) {
        let row: Vec<_> = row.split(' ').map(str::to_owned).collect();
        let [customer, id, state, marked] = <[String; 4]>::try_from(row).unwrap();
        let is_marked = marked == "1";
        replies.entry(customer).or_default().push(Reply {
            id,
            state,
            is_marked,
        });
    }
    replies
}

/// Gives what arrived for each customer, in order.
fn arrivals(yard: &Yard) -> HashMap<String, Vec<Arrival>> {
    let mut arrivals: HashMap<String, Vec<Arrival>> = HashMap::new();
    for sent in yard.braze.sent() {
        let reply = sent.property(REPLY_ID).unwrap().replace('-', "");
        let text = sent.text().to_owned();
        let customer = sent.recipient.value().to_owned();
        arrivals
            .entry(customer)
            .or_default()
            .push(Arrival { reply, text });
    }
    arrivals
}

/// No request to the model holds two customers' words.
fn each_prompt_is_of_one_customer(yard: &Yard) {
    for request in yard.model.requests() {
        let body = String::from_utf8(request.raw.to_vec()).unwrap();
        let customers: BTreeSet<_> = words(&body)
            .into_iter()
            .map(|word| word.split('-').nth(1))
            .collect();
        assert_eq!(customers.len(), 1, "{customers:?}");
    }
}

/// Checks that one customer's replies arrived in their order, as often as their state says, and twice only where that is
/// marked. Gives how many did.
fn doubles(name: &str, replies: &[Reply], arrivals: &[Arrival]) -> usize {
    let mut left = arrivals;
    let mut doubles = 0;
    for Reply {
        id,
        state,
        is_marked,
    } in replies
    {
        let copies = left
            .iter()
            .take_while(|arrival| arrival.reply == *id)
            .count();
        left = &left[copies..];
        let may_be = match (state.as_str(), is_marked) {
            ("sent", false) => 1..=1,
            ("sent", true) => 1..=2,
            (_, false) => 0..=0,
            (_, true) => 0..=2,
        };
        assert!(
            may_be.contains(&copies),
            "{name} got a reply {copies} times that is {state}, marked: {is_marked}"
        );
        doubles += copies.saturating_sub(1);
    }
    assert!(
        left.is_empty(),
        "{name} got replies out of order, or once more than is marked"
    );
    doubles
}

/// Checks that what arrived answers the customer's own messages, all that count as answered, in the order in which they
/// were accepted.
fn in_order(
    customer: usize,
    each: usize,
    arrivals: &[Arrival],
    outcomes: &HashMap<String, String>,
) {
    let mut answered = Vec::new();
    for word in arrivals.iter().flat_map(|arrival| words(&arrival.text)) {
        if !answered.contains(&word) {
            answered.push(word);
        }
    }
    let own: Vec<_> = (0..each)
        .map(|number| format!("word-{customer}-{number}"))
        .collect();
    let in_order: Vec<_> = own
        .iter()
        .filter(|word| answered.contains(&word.as_str()))
        .collect();
    assert_eq!(
        answered, in_order,
        "u{customer} was answered out of order, or for another"
    );
    let replied = own.iter().filter(|word| outcomes[*word] == "replied");
    for word in replied {
        assert!(
            answered.contains(&word.as_str()),
            "{word} counts as answered, and was not"
        );
    }
}
