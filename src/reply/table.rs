//! A table as lines: WhatsApp has none.

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

use super::markup::Met;

/// Gives where the cells of a table stand, row by row, the head first.
pub(super) fn cells(rest: &[Met<'_>]) -> Vec<Vec<Range<usize>>> {
    let mut rows = Vec::new();
    for (event, at) in rest {
        match event {
            Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => {
                if let Some(row) = rows.last_mut() {
                    row.push(at.clone());
                }
            }
            Event::End(TagEnd::Table) => break,
            _ => {}
        }
    }
    rows
}

/// Writes the rows below a head as the items of a list; a head alone on one line.
pub(super) fn lines(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut lines: Vec<String> = rows.map(|cells| line(head, &cells)).collect();
    if lines.is_empty() {
        lines.push(head.join(" – "));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n") + "\n"
}

/// Writes a row: `first: second`, or `first – head: second; head: third` where there are more columns.
fn line(head: &[String], cells: &[String]) -> String {
    let filled = |cells: &[String]| -> Vec<String> {
        cells
            .iter()
            .filter(|cell| !cell.is_empty())
            .cloned()
            .collect()
    };
    match cells {
        [] => String::new(),
        [name, value] if !name.is_empty() && !value.is_empty() => format!("- {name}: {value}"),
        [_] | [_, _] => match filled(cells).join(" ") {
            cell if cell.is_empty() => cell,
            cell => format!("- {cell}"),
        },
        [name, values @ ..] => {
            let titled = values.iter().zip(head.iter().skip(1));
            let titled = titled.filter(|(value, _)| !value.is_empty());
            let titled = titled.map(|(value, title)| match title.is_empty() {
                true => value.clone(),
                false => format!("{title}: {value}"),
            });
            let values: Vec<String> = titled.collect();
            let parts = [name.clone(), values.join("; ")];
            match filled(&parts).as_slice() {
                [] => String::new(),
                parts => format!("- {}", parts.join(" – ")),
            }
        }
    }
}
