//! The table, and the same as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Asked;
use super::hints::hints;
use crate::model::{Said, TokenLimitField};

/// What stands over the table.
const HEAD: [&str; 11] = [
    "model",
    "result",
    "served as",
    "limit by",
    "answer",
    "object",
    "seconds",
    "in",
    "out",
    "cached",
    "cost",
];

/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// Gives the table and, below it, what to do.
pub(super) fn table(asked: &[Asked<'_>]) -> String {
    let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned))
        .chain(asked.iter().map(row))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    let said = asked
        .iter()
        .flat_map(|asked| hints(asked).into_iter().map(|hint| (asked.name, hint)));
    for (place, (name, hint)) in said.enumerate() {
        let gap = if place == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}{name}: {hint}");
    }
    text
}

fn row(asked: &Asked<'_>) -> [String; HEAD.len()] {
    let said = asked.probed.said.as_ref().ok();
    let usage = said.map(|said| said.usage).unwrap_or_default();
    let known = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    let tokens = |count: Option<u64>| known(count.map(|count| count.to_string()));
    let limit = asked.taken.token_limit_field.map(TokenLimitField::as_str);
    [
        asked.name.to_owned(),
        match &asked.probed.said {
            Ok(_) => "answered".to_owned(),
            Err(fault) => fault.to_string(),
        },
        known(said.and_then(served_as)),
        known(limit.map(str::to_owned)),
        asked.taken.answer.as_str().to_owned(),
        known(said.map(|said| if said.is_object { "yes" } else { "no" }.to_owned())),
        format!("{:.1}", asked.probed.elapsed.as_secs_f64()),
        tokens(usage.input),
        tokens(usage.output),
        tokens(usage.cached),
        known(
            asked
                .config
                .price
                .map(|_| asked.probed.spent.cost.to_string()),
        ),
    ]
}

/// Gives the name that the server has for its model, without what a terminal would obey.
fn served_as(said: &Said) -> Option<String> {
    let name: String = said
        .model
        .as_ref()?
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    (!name.is_empty()).then_some(name)
}

/// Gives everything as JSON.
pub(super) fn json(asked: &[Asked<'_>]) -> Value {
    let models: Vec<_> = asked.iter().map(object).collect();
    json!({ "models": models })
}

fn object(asked: &Asked<'_>) -> Value {
    let said = asked.probed.said.as_ref().ok();
    let fault = asked.probed.said.as_ref().err();
    let usage = said.map(|said| said.usage).unwrap_or_default();
    let spent = asked.probed.spent;
    #[expect(clippy::cast_precision_loss, reason = "the cost of a few calls")]
    let cost = asked.config.price.map(|_| spent.cost.nanos() as f64 / 1e9);
    json!({
        "name": asked.name,
        "answered": said.is_some(),
        "fault": fault.map(|fault| json!({
            "kind": fault.kind.as_str(), "status": fault.status, "code": fault.code,
        })),
        "model": asked.config.model,
        "served_as": said.and_then(served_as),
        "token_limit_field": asked.taken.token_limit_field.map(TokenLimitField::as_str),
        "answer": asked.taken.answer.as_str(),
        "object": said.map(|said| said.is_object),
        "calls": spent.calls,
        "seconds": asked.probed.elapsed.as_secs_f64(),
        "tokens": { "input": usage.input, "output": usage.output, "cached": usage.cached },
        "cost": cost,
        "hints": hints(asked),
    })
}
