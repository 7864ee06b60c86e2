//! No answer before the disk has it: in which order messages reach the log, the log reaches the disk, and answers leave.

use std::collections::HashMap;

use frontdesk::clock::Clock;

use super::ledger::tell;
use super::load::{Load, writes};
use super::random::is_long;
use super::shim::{End, Record, Step};
use super::yard::Yard;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_synced_before_its_202_leaves() {
    let clock = Clock::system();
    let yard = Yard::shimmed("").await;
    yard.shim.trace();
    let load = Load::new(if is_long() { 200 } else { 40 }, 5);
    let gateway = yard.serve().await;
    load.opens(1, &gateway);
    load.allow(load.messages());
    load.run().await;
    yard.drained().await;
    gateway.stops().await;

    let records = yard.shim.records();
    let syncs = syncs(&records);
    let left = places(&records, |record| match record {
        Record::Answer(answer) => answer.strip_prefix("202 ").map(str::to_owned),
        _ => None,
    });
    let logged = places(&records, |record| match record {
        Record::InLog(word) => Some(word.clone()),
        _ => None,
    });
    let accepted = load.accepted();
    for message in &accepted {
        let (logged, left) = (logged[&message.word], left[&message.id]);
        let between = |(begins, ends): &&(usize, usize)| logged < *begins && *ends < left;
        assert!(
            syncs.iter().any(|sync| between(&sync)),
            "{} was in no sync when its 202 left",
            message.word
        );
    }
    tell(
        &format!(
            "{} answers of 202, each after a sync; {} syncs in all",
            accepted.len(),
            syncs.len()
        ),
        clock.elapsed(),
    );
}

/// Gives each sync that was finished: the places where it begins and ends.
fn syncs(records: &[Record]) -> Vec<(usize, usize)> {
    let mut begun = HashMap::new();
    let mut syncs = Vec::new();
    for (place, record) in records.iter().enumerate() {
        match record {
            Record::SyncBegins(thread) => drop(begun.insert(thread, place)),
            Record::SyncEnds(thread) => syncs.push((begun[thread], place)),
            _ => {}
        }
    }
    syncs
}

/// Gives the first place of each thing that `which` finds.
fn places(records: &[Record], which: impl Fn(&Record) -> Option<String>) -> HashMap<String, usize> {
    let mut places = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        if let Some(what) = which(record) {
            places.entry(what).or_insert(place);
        }
    }
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_copy_was_told_after_a_crash_survives_a_power_cut() {
    // Nothing is to be done about the message for a while, so that no other commit comes to its help.
    let yard = Yard::shimmed("[burst]\nquiet = \"1m\"\ncap = \"1m\"").await;
    let gateway = yard.serve().await;
    yard.shim
        .arm(End::Kill, &[Step::HasLogged("word-1-0"), Step::Syncs]);
    assert_eq!(writes(&gateway.phone(), 1, "word-1-0").await, None);
    gateway.died().await;
    // It stands in the log, though no sync has confirmed it.
    let gateway = yard.serve().await;
    let id = writes(&gateway.phone(), 1, "word-1-0").await.unwrap();
    yard.shim.arm(End::PowerCut, &[Step::Any]);
    gateway.died().await;
    let kept = yard.remains("SELECT lower(hex(id)) FROM message WHERE author = 'customer'");
    assert_eq!(kept, [id.replace('-', "")], "it was accepted, and is gone");
}
