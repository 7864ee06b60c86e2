//! The shipped phrases, measured on what real customers wrote.
//!
//! The data lies beside the project and is no part of it: where it is absent, there is nothing to measure.

#![expect(clippy::print_stdout, reason = "the table is what the test is for")]

use std::collections::BTreeMap;
use std::path::Path;

use frontdesk::rules::{Action, Rules};

const DATA: &str = "../shared/evaluation/dev";

/// The bars, for what escalates: an offer is counted apart, and is neither a hit nor a false alarm. A false handoff costs a person's time and a false opt-out a customer, so both are rare by design.
const PRECISION_MIN: f64 = 0.97;
const HANDOFF_RECALL_MIN: f64 = 0.80;
const OPT_OUT_RECALL_MIN: f64 = 0.85;
const NEGATED_ESCALATED_MAX: f64 = 0.02;

/// An offer that nobody asked for takes the place of an answer.
const OFFERED_IN_VAIN_MAX: f64 = 0.02;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Handoff,
    Offer,
    OptOut,
    Nothing,
}

/// What the phrases made of the utterances of one row.
#[derive(Clone, Copy, Default)]
struct Tally {
    hits: u32,
    misses: u32,
    false_alarms: u32,
    others: u32,
    /// Of all these, those that were offered a person.
    offered: u32,
    /// Of those, the ones that wanted none.
    offered_in_vain: u32,
}

impl Tally {
    fn offer(&mut self, wanted: bool) {
        self.offered += 1;
        self.offered_in_vain += u32::from(!wanted);
    }

    fn count(&mut self, wanted: bool, found: bool) {
        match (wanted, found) {
            (true, true) => self.hits += 1,
            (true, false) => self.misses += 1,
            (false, true) => self.false_alarms += 1,
            (false, false) => self.others += 1,
        }
    }

    fn add(mut self, other: &Self) -> Self {
        self.hits += other.hits;
        self.misses += other.misses;
        self.false_alarms += other.false_alarms;
        self.others += other.others;
        self.offered += other.offered;
        self.offered_in_vain += other.offered_in_vain;
        self
    }

    fn precision(&self) -> f64 {
        share(self.hits, self.false_alarms)
    }

    fn recall(&self) -> f64 {
        share(self.hits, self.misses)
    }
}

/// The share of `part` in the whole; one where there is no whole.
fn share(part: u32, rest: u32) -> f64 {
    if part + rest == 0 {
        1.0
    } else {
        f64::from(part) / f64::from(part + rest)
    }
}

/// By language and kind.
type Table = BTreeMap<(String, String), Tally>;

#[test]
fn the_shipped_phrases_reach_their_bars() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = root.join(DATA);
    if !data.is_dir() {
        println!("skipped: {} is not there", data.display());
        return;
    }
    let source = std::fs::read_to_string(root.join("prompts/support/rules.toml")).unwrap();
    let rules = Rules::parse(&source).unwrap();
    let mut handoffs = Table::new();
    let mut opt_outs = Table::new();
    for file in ["handoff_positive", "handoff_negative", "optout"] {
        let lines = std::fs::read_to_string(data.join(file).with_extension("jsonl")).unwrap();
        for line in lines.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let wanted = match field("label").as_str() {
                "handoff" => Wanted::Handoff,
                "optout" => Wanted::OptOut,
                "unsure" => continue,
                _ => Wanted::Nothing,
            };
            let found = found(&rules, &field("text"));
            let kind = if field("kind").is_empty() {
                field("label")
            } else {
                field("kind")
            };
            for (table, which) in [
                (&mut handoffs, Wanted::Handoff),
                (&mut opt_outs, Wanted::OptOut),
            ] {
                let row = table.entry((field("lang"), kind.clone())).or_default();
                row.count(wanted == which, found == which);
                if found == Wanted::Offer && which == Wanted::Handoff {
                    row.offer(wanted == which);
                }
            }
        }
    }
    print("handoff", &handoffs);
    print("opt-out", &opt_outs);
    check(&handoffs, &opt_outs);
}

fn found(rules: &Rules, text: &str) -> Wanted {
    match rules.screen(text).map(|hit| &hit.rule.action) {
        Some(Action::Escalate) => Wanted::Handoff,
        Some(Action::Offer { .. }) => Wanted::Offer,
        Some(Action::OptOut) => Wanted::OptOut,
        _ => Wanted::Nothing,
    }
}

fn print(title: &str, table: &Table) {
    println!(
        "\n{title:<8} {:<14} {:>6} {:>6} {:>6} {:>6} {:>8}",
        "kind", "lines", "hits", "missed", "false", "offered"
    );
    for ((language, kind), tally) in table {
        let Tally {
            hits,
            misses,
            false_alarms,
            others,
            offered,
            ..
        } = tally;
        let lines = hits + misses + false_alarms + others;
        println!(
            "{language:<8} {kind:<14} {lines:>6} {hits:>6} {misses:>6} {false_alarms:>6} {offered:>8}"
        );
    }
    for (language, tally) in by_language(table) {
        let (precision, recall) = (tally.precision(), tally.recall());
        let offered = tally.offered - tally.offered_in_vain;
        let heard = share(tally.hits + offered, tally.misses - offered);
        println!(
            "{language:<8} precision {precision:.3}, recall {recall:.3}, with offers {heard:.3}; offered {} ({} in vain)",
            tally.offered, tally.offered_in_vain
        );
    }
}

fn by_language(table: &Table) -> BTreeMap<String, Tally> {
    let mut sums = BTreeMap::<String, Tally>::new();
    for ((language, _), tally) in table {
        let sum = sums.entry(language.clone()).or_default();
        *sum = sum.add(tally);
    }
    sums
}

fn check(handoffs: &Table, opt_outs: &Table) {
    for (language, tally) in by_language(handoffs) {
        assert!(
            tally.precision() >= PRECISION_MIN,
            "handoff precision, {language}"
        );
        assert!(
            tally.recall() >= HANDOFF_RECALL_MIN,
            "handoff recall, {language}"
        );
    }
    let nobody = handoffs.values().fold(Tally::default(), Tally::add);
    let vain = f64::from(nobody.offered_in_vain) / f64::from(nobody.false_alarms + nobody.others);
    assert!(vain <= OFFERED_IN_VAIN_MAX, "offers that nobody asked for");
    let all = opt_outs.values().fold(Tally::default(), Tally::add);
    assert!(all.precision() >= PRECISION_MIN, "opt-out precision");
    assert!(all.recall() >= OPT_OUT_RECALL_MIN, "opt-out recall");
    let negated = handoffs.iter().filter(|((_, kind), _)| kind == "negated");
    let negated = negated.fold(Tally::default(), |sum, (_, tally)| sum.add(tally));
    let escalated =
        f64::from(negated.false_alarms) / f64::from(negated.false_alarms + negated.others);
    assert!(
        escalated <= NEGATED_ESCALATED_MAX,
        "negated requests that escalate"
    );
}
