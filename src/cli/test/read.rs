//! From a file to its tests; all that is wrong with it is told together.

mod asserts;

use std::time::Duration;

use jiff::Timestamp;

use super::case::{Answer, Fault, File, Live, Neighbour, Setting, Step, Test, Turn, User};
use super::table::{Field, Findings, Table};
use super::yaml::{self, Kind, Node};
use crate::problem::Problem;

/// When a test begins that does not say otherwise: a Monday morning.
const START: &str = "2026-03-02T09:00:00Z";

/// The time between two messages of a burst that does not say otherwise: as fast as people write.
const GAP: Duration = Duration::from_millis(300);

/// Tests in a file, and steps in a test: more than anybody reads.
const TESTS_MAX: usize = 500;

/// What happens in one test at most.
const TURNS_MAX: usize = 200;

/// Reads the tests of a file, or tells all that is wrong with it.
pub(super) fn read(file: &File) -> Result<Vec<Test>, Vec<Problem>> {
    let mut findings = Findings::of(&file.name);
    let root = match yaml::read(&file.text) {
        Ok(root) => root,
        Err(problem) => {
            findings.note(problem);
            return Err(findings.problems);
        }
    };
    let tests = tests(file, &root, &mut findings);
    match findings.problems.as_slice() {
        [] => Ok(tests),
        _ => Err(findings.problems),
    }
}

/// Counts the line, from 1, that a byte stands in.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.split(|byte| *byte == b'\n').count()
}

fn tests(file: &File, root: &Node, findings: &mut Findings) -> Vec<Test> {
    let root = Field {
        path: String::new(),
        node: root,
    };
    let Some(mut table) = Table::of(&root, findings) else {
        return Vec::new();
    };
    let settings = settings(table.take("settings"), findings);
    let clock = table
        .take("clock")
        .and_then(|field| clock(&field, findings));
    let mut tests = Vec::new();
    match table.take("tests") {
        Some(field) => {
            let items = field.list(findings);
            if items.is_empty() || items.len() > TESTS_MAX {
                field.wrong(&format!("expected 1 to {TESTS_MAX} tests"), findings);
            }
            let shared = Shared {
                file,
                settings,
                clock: clock.or_else(|| START.parse().ok()),
            };
            tests.extend(
                items
                    .iter()
                    .filter_map(|item| test(&shared, item, findings)),
            );
        }
        None => findings.add(
            "tests",
            &table.span.clone(),
            "is missing",
            "a file has a list `tests:`, each with a `description` and `turns`",
        ),
    }
    table.finish(findings);
    tests
}

/// What holds for all tests of a file.
struct Shared<'a> {
    file: &'a File,
    settings: Vec<Setting>,
    clock: Option<Timestamp>,
}

fn test(shared: &Shared<'_>, field: &Field<'_>, findings: &mut Findings) -> Option<Test> {
    let mut table = Table::of(field, findings)?;
    let description = table.take("description").and_then(|f| f.text(findings));
    if description.is_none() {
        findings.add(
            &table.key("description"),
            &table.span,
            "is missing",
            "say in a few words what has to go right",
        );
    }
    let user = user(table.take("user"), findings);
    let clock = match table.take("clock") {
        Some(field) => clock(&field, findings),
        None => shared.clock,
    };
    let model = table
        .take_any("model")
        .map(|field| answers(&field, findings));
    let summary = table.take("summary").and_then(|f| f.text(findings));
    let mut own = shared.settings.clone();
    own.extend(settings(table.take("settings"), findings));
    let live = live(table.take("live"), findings);
    let turns = turns(shared.file, &mut table, findings);
    let begins = table.span.start;
    table.finish(findings);
    Some(Test {
        file: shared.file.name.clone(),
        line: line(&shared.file.text, begins),
        description: description?,
        user: user?,
        clock: clock?,
        model,
        summary,
        settings: own,
        live,
        turns,
    })
}

fn clock(field: &Field<'_>, findings: &mut Findings) -> Option<Timestamp> {
    let time = field.node.text().and_then(|text| text.parse().ok());
    if time.is_none() {
        field.cured(
            "expected a date and a time with its zone",
            "such as `2026-03-02T10:00:00+01:00`",
            findings,
        );
    }
    time
}

fn live(field: Option<Field<'_>>, findings: &mut Findings) -> Live {
    let words = [
        ("also", Live::Also),
        ("never", Live::Never),
        ("only", Live::Only),
    ];
    field
        .and_then(|field| field.one_of(&words, findings))
        .unwrap_or_default()
}

fn user(field: Option<Field<'_>>, findings: &mut Findings) -> Option<User> {
    let mut user = User {
        external_id: "customer".to_owned(),
        phone: "+15550100".to_owned(),
        language: None,
        attributes: serde_json::Map::new(),
    };
    let Some(field) = field else {
        return Some(user);
    };
    let mut table = Table::of(&field, findings)?;
    if let Some(id) = table.take("external_id") {
        user.external_id = id.text(findings)?;
    }
    if let Some(phone) = table.take("phone") {
        user.phone = phone.text(findings)?;
    }
    user.language = table.take("language").and_then(|f| f.text(findings));
    if let Some(attributes) = table.take("attributes") {
        match &attributes.node.kind {
            Kind::Table(entries) => {
                let values = entries.iter();
                user.attributes = values
                    .map(|(key, node)| (key.name.clone(), node.json()))
                    .collect();
            }
            _ => attributes.wrong("expected keys with values", findings),
        }
    }
    table.finish(findings);
    Some(user)
}

fn settings(field: Option<Field<'_>>, findings: &mut Findings) -> Vec<Setting> {
    let Some(field) = field else {
        return Vec::new();
    };
    let Some(mut table) = Table::of(&field, findings) else {
        return Vec::new();
    };
    let mut settings = Vec::new();
    for (key, field) in table.rest() {
        let value = match &field.node.kind {
            Kind::Table(_) => {
                field.cured(
                    "expected one value",
                    "write the key as a path: `assistant.limits.customer_tokens_a_day: 100`",
                    findings,
                );
                continue;
            }
            _ => field.node.json().to_string(),
        };
        settings.push(Setting {
            key: key.name.clone(),
            value,
            span: key.span.clone(),
        });
    }
    settings
}

fn answers(field: &Field<'_>, findings: &mut Findings) -> Vec<Answer> {
    if field.node.is_null() {
        return Vec::new();
    }
    let items = field.list(findings);
    let answers = items.iter().filter_map(|item| answer(item, findings));
    answers.collect()
}

fn answer(field: &Field<'_>, findings: &mut Findings) -> Option<Answer> {
    if matches!(field.node.kind, Kind::Scalar { .. }) {
        return field.text(findings).map(Answer::Text);
    }
    let mut table = Table::of(field, findings)?;
    if let Some(error) = table.take("error") {
        let fault = error.one_of(&Fault::ALL, findings);
        table.finish(findings);
        return fault.map(Answer::Fault);
    }
    let actions = ["answer", "offer_human", "escalate"].map(|action| (action, action));
    let mut object = serde_json::Map::new();
    let action = table.take("action");
    let action = action.and_then(|field| field.one_of(&actions, findings));
    object.insert("action".to_owned(), action.unwrap_or("answer").into());
    for name in ["reply", "rule", "reason", "language"] {
        let value = table.take(name).and_then(|field| field.text(findings));
        object.insert(name.to_owned(), value.into());
    }
    if object.get("reply").is_none_or(serde_json::Value::is_null) {
        object.insert("reply".to_owned(), "".into());
    }
    table.finish(findings);
    Some(Answer::Object(object))
}

fn turns(file: &File, table: &mut Table<'_>, findings: &mut Findings) -> Vec<Turn> {
    let Some(field) = table.take("turns") else {
        let help = "a list of what happens: `- user: …` and what has to come of it, `assert:`";
        findings.add(&table.key("turns"), &table.span, "is missing", help);
        return Vec::new();
    };
    let items = field.list(findings);
    if items.is_empty() || items.len() > TURNS_MAX {
        field.wrong(&format!("expected 1 to {TURNS_MAX} turns"), findings);
    }
    let turns = items.iter().filter_map(|item| turn(file, item, findings));
    turns.collect()
}

fn turn(file: &File, field: &Field<'_>, findings: &mut Findings) -> Option<Turn> {
    let mut table = Table::of(field, findings)?;
    let mut steps = Vec::new();
    let gap = table.take("gap_ms").and_then(|f| f.whole(findings));
    let media = table.take("media").map(|f| f.texts(findings));
    match (table.take_any("user"), media) {
        (None, None) => {}
        (user, media) => {
            let texts = match user {
                Some(field) if !field.node.is_null() => texts(&field, findings),
                _ => vec![String::new()],
            };
            steps.push(Step::Says {
                texts,
                gap: gap.map_or(GAP, Duration::from_millis),
                media: media.unwrap_or_default(),
            });
        }
    }
    if let Some(field) = table.take("advance") {
        steps.push(Step::Advance(field.duration(findings)?));
    }
    if let Some(field) = table.take("agent") {
        steps.extend(agent(&field, findings));
    }
    let mut outage = |name, step: fn(Neighbour) -> Step| {
        let named = table.take(name)?.one_of(&Neighbour::ALL, findings)?;
        Some(step(named))
    };
    steps.extend(outage("down", Step::Down));
    steps.extend(outage("up", Step::Up));
    if steps.len() > 1 {
        field.cured(
            "says more than one thing that happens",
            "give each a turn of its own: `user`, `advance`, `agent`, `down` or `up`",
            findings,
        );
    }
    let asserts = table.take("assert");
    let asserts = asserts.map(|field| asserts::read(file, &field, findings));
    let asserts = asserts.unwrap_or_default();
    if steps.is_empty() && asserts.is_empty() {
        field.cured(
            "says nothing that happens",
            "write `user: …`, `advance: 20m` or `agent: {release: true}`",
            findings,
        );
    }
    table.finish(findings);
    Some(Turn {
        step: steps.into_iter().next().unwrap_or(Step::Nothing),
        asserts,
    })
}

/// Gives the texts of a burst; an empty one stands for a message without words.
fn texts(field: &Field<'_>, findings: &mut Findings) -> Vec<String> {
    let texts = field.items();
    let text = |item: &Field<'_>, findings: &mut Findings| match item.node.is_null() {
        true => Some(String::new()),
        false => item.text(findings),
    };
    let texts: Vec<String> = texts
        .iter()
        .filter_map(|item| text(item, findings))
        .collect();
    if texts.is_empty() {
        field.wrong("expected a text, or a list of texts", findings);
    }
    texts
}

fn agent(field: &Field<'_>, findings: &mut Findings) -> Option<Step> {
    let mut table = Table::of(field, findings)?;
    let release = table.take("release");
    let release = release.as_ref().and_then(|field| field.node.text());
    let releases = release == Some("true");
    if !releases {
        let help = "`agent: {release: true}`";
        field.cured("says nothing that an agent does", help, findings);
    }
    table.finish(findings);
    releases.then_some(Step::Release)
}

#[cfg(test)]
mod tests;
