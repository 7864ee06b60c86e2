//! A text in as many messages as it takes and may take, or on one line for a template.

use unicode_segmentation::UnicodeSegmentation;

use super::shape::{self, Bond};

/// How much of a message may be given up for a better place to end it: three quarters.
const FILLED_MIN: usize = 4;

/// How much of the end of the last message may be given up to end it with a sentence, in UTF-16 units.
const SENTENCE_SEARCH: usize = 400;

/// What stands at the end of what was longer than all messages together.
const ELLIPSIS: &str = "…";

/// What ends a sentence where a space follows.
const STOPS: [char; 4] = ['.', '!', '?', '…'];

/// What ends a sentence whatever follows.
const WIDE_STOPS: [char; 3] = ['。', '！', '？'];

/// Places where a text can be cut, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seam {
    Paragraph,
    Line,
    Sentence,
    Word,
    Letter,
}

const SEAMS: [Seam; 5] = [
    Seam::Paragraph,
    Seam::Line,
    Seam::Sentence,
    Seam::Word,
    Seam::Letter,
];

/// Counts as WhatsApp is taken to count.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Splits into at most `most` messages of `limit` units, and cuts what is longer.
pub(super) fn split(text: &str, limit: usize, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && parts.len() + 1 < most && units(rest) > limit {
        // What follows has room for so much, so at least the remainder has to be in this one.
        let room = limit.saturating_mul(most - parts.len() - 1);
        let least = units(rest).saturating_sub(room);
        let at = seam(rest, limit, least.max(limit / FILLED_MIN));
        let (part, after) = rest.split_at(at);
        parts.push(part.trim_end().to_owned());
        rest = after.trim_start();
    }
    if !rest.is_empty() {
        parts.push(cut(rest, limit));
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Cuts to `limit` units, with a sign that there was more.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let limit = limit.saturating_sub(units(ELLIPSIS));
    let at = seam(text, limit, limit.saturating_sub(SENTENCE_SEARCH));
    text[..at].trim_end().to_owned() + ELLIPSIS
}

/// Writes on one line, without what a template's variable may not hold: line breaks, tabs, rows of spaces.
pub(super) fn flat(text: &str) -> String {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && *line != "```");
    let lines = lines.map(|line| {
        let line = line.strip_prefix("> ").unwrap_or(line);
        match line.strip_prefix("- ").or(line.strip_prefix("* ")) {
            Some(item) => format!("• {item}"),
            None => line.to_owned(),
        }
    });
    let joined = lines.collect::<Vec<_>>().join(" ");
    let is_gap = |letter: char| letter.is_whitespace() || letter.is_control();
    joined
        .split(is_gap)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Gives where to cut, after at most `most` units and, where that can be, at least `least`: at the best seam that cuts
/// nothing apart, and of equal ones at the last. It is never 0 for a text that has a letter.
fn seam(text: &str, most: usize, least: usize) -> usize {
    let seams = seams(text, most);
    let end = seams.last().map_or(0, |(at, ..)| *at);
    let mut bonds = shape::bonds(text);
    bonds.retain(|(range, _)| range.start < end);
    let bond = |at: usize| {
        let around = bonds
            .iter()
            .filter(|(range, _)| range.start < at && at < range.end);
        around.map(|(_, bond)| *bond).max()
    };
    let allowed = [None, Some(Bond::Loose), Some(Bond::Firm)];
    for floor in [least, 1] {
        for strongest in allowed {
            for wanted in SEAMS {
                // Where words could be cut, letters are not.
                if wanted == Seam::Letter && strongest < Some(Bond::Firm) {
                    continue;
                }
                let mut places = seams.iter().rev().take_while(|(_, used, _)| *used >= floor);
                let place = places.find(|(at, _, seam)| *seam <= wanted && bond(*at) <= strongest);
                if let Some((at, ..)) = place {
                    return *at;
                }
            }
        }
    }
    let furthest = seams.last().map(|(at, ..)| *at);
    furthest
        .or_else(|| text.graphemes(true).next().map(str::len))
        .unwrap_or_default()
}

/// Lists the places where a text can be cut within so many units: after which byte, how many units, how well.
fn seams(text: &str, most: usize) -> Vec<(usize, usize, Seam)> {
    let mut seams = Vec::new();
    let mut used = 0;
    for (start, grapheme) in text.grapheme_indices(true) {
        used += units(grapheme);
        if used > most {
            break;
        }
        let at = start + grapheme.len();
        seams.push((at, used, kind(&text[..at], &text[at..])));
    }
    seams
}

fn kind(before: &str, after: &str) -> Seam {
    if before.ends_with('\n') {
        let is_blank = before.trim_end_matches('\n').len() + 1 < before.len();
        return if is_blank {
            Seam::Paragraph
        } else {
            Seam::Line
        };
    }
    if after.starts_with('\n') {
        return Seam::Letter;
    }
    let closed = before.trim_end_matches(['"', '\'', '”', '’', '»', ')', '」', '』', '*', '_']);
    if before.ends_with(WIDE_STOPS)
        || (closed.ends_with(STOPS) && after.starts_with(char::is_whitespace))
    {
        Seam::Sentence
    } else if before.ends_with(char::is_whitespace) {
        Seam::Word
    } else {
        Seam::Letter
    }
}
