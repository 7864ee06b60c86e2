//! A message at which the gateway dies whenever the model is asked about it.

use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use tokio::sync::watch;

use super::ledger::tell;
use super::load::writes;
use super::yard::{Gateway, Yard, heard, words};

/// Customers with ordinary messages who are under way whenever the gateway dies.
const NEIGHBOURS: usize = 12;

/// Deaths that a message may cause at most: three, and one more where it was not alone at the third.
const DEATHS: usize = 4;

const POISON: &str = "word-0-poison";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_the_gateway_is_given_up_and_its_neighbours_are_not() {
    let clock = Clock::system();
    let yard = Yard::start("").await;
    let mut asked = never_answers(&yard);
    let gateway = yard.serve().await;
    let phone = gateway.phone();
    for neighbour in 1..=NEIGHBOURS {
        let word = format!("word-{neighbour}-0");
        // Slow enough to be under way whenever the gateway dies.
        yard.model
            .misbehave(Plan::delay(Duration::from_millis(500)).when(&word));
        writes(&phone, neighbour, &word).await.unwrap();
    }
    writes(&phone, 0, POISON).await.unwrap();
    let (gateway, deaths) = outlives(&yard, gateway, &mut asked).await;

    writes(&gateway.phone(), 0, "word-0-next").await.unwrap();
    let (gateway, more) = outlives(&yard, gateway, &mut asked).await;
    gateway.stops().await;
    let outcomes = yard.rows("SELECT text || ': ' || outcome FROM message WHERE author = 'customer' ORDER BY conversation, seq");
    tell(
        &format!(
            "a message that kills: {deaths} deaths, {more} more by the next one, {outcomes:?}"
        ),
        clock.elapsed(),
    );
    assert!((3..=DEATHS).contains(&deaths), "{deaths} deaths");
    assert_eq!(more, 0, "what was given up is not shown to the model again");
    let given_up = |outcome: &&String| !outcome.ends_with(": replied");
    let given_up: Vec<_> = outcomes.iter().filter(given_up).collect();
    assert_eq!(given_up, [&format!("{POISON}: failed(poison)")]);
    let sent = yard
        .braze
        .sent()
        .into_iter()
        .filter(|sent| sent.recipient.value() == "u0");
    let told: Vec<_> = sent.map(|sent| sent.text().to_owned()).collect();
    assert!(
        told.len() == 2 && told[0].starts_with("I’m sorry") && told[1].contains("word-0-next"),
        "{told:?}"
    );
}

/// Makes the model say nothing to the poison, so that only a death ends that call. Gives the count of such calls.
fn never_answers(yard: &Yard) -> watch::Receiver<usize> {
    let (count, asked) = watch::channel(0);
    yard.model.respond_with(move |request| {
        if !words(&request["messages"].to_string()).contains(&POISON) {
            return heard(request);
        }
        count.send_modify(|count| *count += 1);
        Reply::Fault(Plan::hang())
    });
    asked
}

/// Kills the gateway whenever the model is asked about the poison, and starts it again, until everything is done. Gives
/// how often it died.
async fn outlives(
    yard: &Yard,
    mut gateway: Gateway,
    asked: &mut watch::Receiver<usize>,
) -> (Gateway, usize) {
    let mut deaths = 0;
    loop {
        tokio::select! {
            biased;
            changed = asked.changed() => changed.unwrap(),
            () = yard.drained() => return (gateway, deaths),
        }
        gateway.dies().await;
        deaths += 1;
        assert!(deaths < 10, "it dies for ever");
        gateway = yard.serve().await;
    }
}
