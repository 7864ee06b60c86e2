//! Ended at exact points of a message's way, by a kill and by a power cut: what is found afterwards, and what comes of it.

use std::time::Duration;

use frontdesk::clock::Clock;
use rstest::rstest;

use super::ledger::tell;
use super::load::writes;
use super::random::is_long;
use super::shim::{End, Step};
use super::yard::{Gateway, Yard};

/// What the gateway waits after a crash before it sends again what may have arrived, and a little more.
const RESENT_WITHIN: Duration = Duration::from_secs(11);

/// How long a message rests before its turn begins. Only the test moves the clock as far, so that no turn begins while the
/// message's own 202 is still on its way, however slow the machine is.
const QUIET: Duration = Duration::from_mins(1);

/// A point of a message's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// It was written, and the sync that confirms it has not begun.
    BeforeItsSync,
    /// It is on disk, and its sender has not heard so.
    BeforeIts202,
    /// The model has answered, and nothing of that is kept.
    AfterTheModel,
    /// Its reply is noted as leaving, and has not left.
    BeforeItLeaves,
    /// Braze has said that it took the reply, and that is not kept.
    AfterBraze,
}

/// What has to be found when all is done.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    asked: usize,
    arrivals: usize,
    delivery: String,
    outcome: String,
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_point_has_its_one_state(#[values("resend_once", "hold", "drop")] policy: &str) {
    use End::{Kill, PowerCut};
    use Point::{AfterBraze, AfterTheModel, BeforeItLeaves, BeforeIts202, BeforeItsSync};
    let clock = Clock::system();
    let (points, times) = (
        [
            BeforeItsSync,
            BeforeIts202,
            AfterTheModel,
            BeforeItLeaves,
            AfterBraze,
        ],
        if is_long() { 50 } else { 2 },
    );
    let yard = Yard::shimmed(&format!(
        "[burst]\nquiet = \"1m\"\ncap = \"1m\"\n[reply]\non_unknown = \"{policy}\""
    ))
    .await;
    let mut gateway = yard.serve().await;
    let mut customer = 0;
    for point in points {
        // The policy says what becomes of sends in doubt alone.
        if policy != "resend_once" && !point.leaves_doubt() {
            continue;
        }
        for end in (0..times).flat_map(|_| [Kill, PowerCut]) {
            customer += 1;
            gateway = ends_at(&yard, gateway, (point, end), customer).await;
            let found = found(&yard, customer);
            assert_eq!(
                found,
                expected(point, policy),
                "{point:?}, {end:?}, {policy}"
            );
        }
    }
    gateway.stops().await;
    tell(
        &format!("{policy}: {customer} ends at exact points, each with its one state"),
        clock.elapsed(),
    );
}

/// Ends the gateway when the customer's message is at that point, and goes on in another life until all is done.
async fn ends_at(
    yard: &Yard,
    gateway: Gateway,
    (point, end): (Point, End),
    customer: usize,
) -> Gateway {
    let word = format!("word-{customer}-0");
    yard.shim.arm(end, &point.steps(&word));
    let answered = writes(&gateway.phone(), customer, &word).await;
    if point.is_in_its_turn() {
        yard.shim.pass(QUIET);
    }
    gateway.died().await;
    let kept = yard.remains(&format!(
        "SELECT lower(hex(id)) FROM message WHERE text = '{word}'"
    ));
    let gateway = yard.serve().await;
    if point.is_in_its_turn() {
        assert_eq!(kept, [answered.unwrap().replace('-', "")]);
    } else {
        assert_eq!(answered, None, "nothing was promised");
        let is_lost = (point, end) == (Point::BeforeItsSync, End::PowerCut);
        assert_eq!(kept.is_empty(), is_lost);
        let id = writes(&gateway.phone(), customer, &word).await.unwrap();
        assert!(
            is_lost || kept == [id.replace('-', "")],
            "a copy has the first one's name"
        );
        yard.shim.pass(QUIET);
    }
    yard.settled(&word).await;
    if point.leaves_doubt() {
        yard.shim.pass(RESENT_WITHIN);
    }
    yard.drained().await;
    gateway
}

/// Tells what became of a customer's message.
fn found(yard: &Yard, customer: usize) -> Found {
    let word = format!("word-{customer}-0");
    let name = format!("u{customer}");
    let requests = yard.model.requests();
    let asks = |body: &[u8]| String::from_utf8_lossy(body).contains(&word);
    let delivery = format!(
        "SELECT d.state || ' ' || d.possible_duplicate FROM delivery d
         JOIN conversation c ON c.key = d.conversation WHERE c.external_id = '{name}'"
    );
    Found {
        asked: requests.iter().filter(|request| asks(&request.raw)).count(),
        arrivals: yard
            .braze
            .sent()
            .iter()
            .filter(|sent| sent.recipient.value() == name)
            .count(),
        delivery: yard.row(&delivery),
        outcome: yard.row(&format!(
            "SELECT outcome FROM message WHERE text = '{word}'"
        )),
    }
}

fn expected(point: Point, policy: &str) -> Found {
    let (delivery, outcome) = match (point, policy) {
        (Point::BeforeItLeaves | Point::AfterBraze, "hold") => {
            ("held 1", "failed(delivery_unknown)")
        }
        (Point::BeforeItLeaves | Point::AfterBraze, "drop") => {
            ("dead 1", "failed(delivery_unknown)")
        }
        (Point::BeforeItLeaves | Point::AfterBraze, _) => ("sent 1", "replied"),
        _ => ("sent 0", "replied"),
    };
    let resent = usize::from(policy == "resend_once");
    Found {
        asked: 1 + usize::from(point == Point::AfterTheModel),
        arrivals: match point {
            Point::BeforeItLeaves => resent,
            Point::AfterBraze => 1 + resent,
            _ => 1,
        },
        delivery: delivery.to_owned(),
        outcome: outcome.to_owned(),
    }
}

impl Point {
    /// Tells whether the message was accepted long before, and its turn has begun.
    fn is_in_its_turn(self) -> bool {
        !matches!(self, Self::BeforeItsSync | Self::BeforeIts202)
    }

    /// Tells whether nobody knows afterwards if the reply has arrived.
    fn leaves_doubt(self) -> bool {
        matches!(self, Self::BeforeItLeaves | Self::AfterBraze)
    }

    fn steps(self, word: &str) -> Vec<Step<'_>> {
        match self {
            Self::BeforeItsSync => vec![Step::HasLogged(word), Step::Syncs],
            Self::BeforeIts202 => vec![
                Step::HasLogged(word),
                Step::HasSynced,
                Step::Sends("HTTP/1.1 202"),
            ],
            Self::AfterTheModel => vec![Step::HasLogged(word), Step::HasRead("chat.completion")],
            Self::BeforeItLeaves => vec![
                Step::HasLogged(word),
                Step::Sends("/campaigns/trigger/send"),
            ],
            Self::AfterBraze => vec![
                Step::Sends("/campaigns/trigger/send"),
                Step::HasRead("HTTP/1.1 201"),
            ],
        }
    }
}
